"""A plain folder of images to label, each as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.files import list_images
from lucyte.io.labelled import LabelledItem, SampleOptions, find_labelled
from lucyte.io.open import open_image
from lucyte.learn.splits import even_sample
from lucyte.measure.frame import NAMELESS
from lucyte.pipeline.label_folder import Item
from lucyte.pipeline.label_sample import Cells, common_limits
from lucyte.pipeline.progress import step
from lucyte.schema.errors import InputError, LucyteError
from lucyte.schema.image import channel_names

RGB = ("R", "G", "B")
LOOKED_AT = 24
"""Images, spread over all, that black and white points are taken from."""


def choose_images(images: Path, into: Path, count: int, seed: int, *, quiet: bool = False) -> Cells:
    """List the images to label; their pixels stay where they are.

    Parameters
    ----------
    images : Path
        File, folder or glob.
    into : Path
        The labels folder: paths in the sample are relative to it.
    count : int
        0 for all.
    seed : int
    quiet : bool

    Raises
    ------
    InputError
        No image, or none that can be read.
    """
    list_images(images)  # says what is wrong with a path in the words of images, not of classes
    found = find_labelled(images, SampleOptions(training=False))
    items: list[Item] = []
    notes: list[str] = []
    limits: dict[str, tuple[float, float]] = {}
    sizes: set[float | None] = set()
    pictures = [each for each in found.items if each.path is not None and _plain(each)]
    notes += [f"{len(found.items) - len(pictures)} images with odd names are left out."] * (
        len(pictures) < len(found.items)
    )
    grouped = found.grouped and all(each.group for each in pictures)
    groups = [each.group if grouped else each.name for each in pictures]
    chosen = even_sample(groups, count or len(pictures), seed)
    looked = set(np.linspace(0, len(chosen) - 1, LOOKED_AT).astype(int).tolist())
    sampled: dict[tuple[str, ...], list[npt.NDArray[Any]]] = {}
    with step("Reading images", len(chosen), quiet=quiet) as told:
        for at, k in enumerate(chosen):
            each = pictures[int(k)]
            assert each.path is not None
            try:
                size, names, pixels = _look(each.path, each.series, at in looked)
            except LucyteError as error:
                notes.append(f"{error} Left out.")
            else:
                sizes.add(size)
                if pixels is not None:
                    sampled.setdefault(names, []).append(pixels)
                items.append(_item(each, groups[int(k)] if grouped else "", into))
            told()
    if not items:
        raise InputError(images, "none of its images can be read:", notes[0])
    for names, seen in sampled.items():
        rgb = names == RGB and seen[0].dtype == np.uint8
        limits |= dict.fromkeys(RGB, (0.0, 255.0)) if rgb else common_limits(seen, names)
    return Cells(
        items=tuple(items),
        limits=limits,
        unit=found.unit if grouped else "image",
        pixel_size_um=sizes.pop() if len(sizes) == 1 else None,
        notes=tuple(notes),
    )


def read_whole(path: Path, series: str = "") -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Pixels ``C Y X`` of one image and its channels; the maximum of a stack.

    Raises
    ------
    InputError, UsageError
        It cannot be read, or is a movie.
    """
    image = open_image(path, series=series or None)
    if image.sizes.get("T", 1) > 1:
        raise InputError(path, f"is a movie of {image.sizes['T']} frames.", "Label a run of it.")
    flat = image.isel(T=0) if "T" in image.dims else image
    flat = flat.max("Z") if "Z" in flat.dims else flat
    pixels = np.asarray(flat.values)
    return (pixels, channel_names(flat)) if pixels.ndim == 3 else (pixels[None], (NAMELESS,))


def _look(
    path: Path, series: str, closely: bool
) -> tuple[float | None, tuple[str, ...], npt.NDArray[Any] | None]:
    """Pixel size and channels; also some pixels, where asked."""
    image = open_image(path, series=series or None)
    if image.sizes.get("T", 1) > 1:
        raise InputError(path, f"is a movie of {image.sizes['T']} frames.", "Label a run of it.")
    size = image.attrs.get("pixel_size_um")
    if not closely:
        return size, channel_names(image) or (NAMELESS,), None
    pixels, names = read_whole(path, series)
    step = max(1, int(np.sqrt(pixels[0].size / 2**16)))
    return size, names, np.nan_to_num(pixels[:, ::step, ::step])


def _plain(each: LabelledItem) -> bool:
    """A name that is one line of a table."""
    return each.name.isprintable()


def _item(each: LabelledItem, group: str, into: Path) -> Item:
    assert each.path is not None
    where = Path(os.path.relpath(each.path.absolute(), into.absolute())).as_posix()
    levels = {"series": each.series} if each.series else {}
    return Item(each.name, where, "", group, {**levels, **each.levels})
