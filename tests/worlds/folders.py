"""Tiny folders of images, named as microscopes name them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from lucyte.io.plates import open_plate
from lucyte.schema.plan import InputSettings
from lucyte.schema.plate import Plate

SHAPE = (12, 16)


def pixels(seed: int, shape: tuple[int, ...] = SHAPE) -> npt.NDArray[np.uint16]:
    """Pixels that no other seed gives."""
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


def write_files(folder: Path, names: Iterable[str], shape: tuple[int, ...] = SHAPE) -> None:
    """Each name a TIFF (or PNG, JPEG) of its own pixels; the seed is its place in the list."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.fromarray((pixels(seed, shape) // 16).astype(np.uint8)).save(path)
        else:
            tifffile.imwrite(path, pixels(seed, shape))


def cellular_names(
    wells: Iterable[str] = ("C03", "I04"),
    sites: Iterable[int] = (1, 2),
    times: Iterable[int] = (1, 2, 3),
    channels: Iterable[str] = ("w1", "w2"),
) -> list[str]:
    """Names of a raw CELLULAR folder, in the order well, site, frame, channel."""
    return [
        f"Timepoint_{t:03d}_220518-ST_{well}_s{site}_{channel}.tif"
        for well in wells
        for site in sites
        for t in times
        for channel in channels
    ]


def plate_of(folder: Path, **settings: Any) -> Plate:
    """Open a folder with these settings."""
    return open_plate(InputSettings(path=folder.name, **settings), folder.parent)


def kinds(plate: Plate) -> list[str]:
    """The kinds of problem, in order."""
    return [problem.kind for problem in plate.problems]
