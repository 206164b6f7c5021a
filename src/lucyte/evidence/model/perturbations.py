"""What may happen to a picture between one experiment and the next, in graded steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.evidence.model.image_statistics import rescaled
from lucyte.evidence.model.inputs import FEWEST_FREE, grown
from lucyte.evidence.model.position import shifted
from lucyte.schema.crops import CropSet

Light = npt.NDArray[np.float32]
Make = Callable[[CropSet, float, "Scale"], Light]


@dataclass(frozen=True)
class Scale:
    """What steps are measured in, and what is drawn at random.

    Attributes
    ----------
    contrast : float array C
        Median over the cells of the 99th less the 1st percentile of a crop.
    low, high : float array C
        0.1th and 99.9th percentile of all crops: black and white of an 8-bit picture.
    seed : int
    halo_px : int
    """

    contrast: Light
    low: Light
    high: Light
    seed: int
    halo_px: int

    @classmethod
    def of(cls, cells: CropSet, seed: int, halo_px: int) -> Scale:
        x = np.asarray(cells.crops, dtype=np.float32)
        ends = np.percentile(x, [1, 99], axis=(2, 3))
        contrast = np.median(ends[1] - ends[0], axis=0)
        low, high = np.percentile(x, [0.1, 99.9], axis=(0, 2, 3))
        one = np.float32(1)
        return cls(
            np.where(contrast > 0, contrast, one).astype(np.float32),
            low.astype(np.float32),
            np.where(high > low, high, low + one).astype(np.float32),
            seed,
            halo_px,
        )


@dataclass(frozen=True)
class Perturbation:
    """One thing that happens to pictures.

    Attributes
    ----------
    name, what, level_unit : str
    levels : tuple of float
        Rising; ``neutral`` among them or below the lowest.
    neutral : float
        The level at which nothing happens.
    mild : tuple of float
        Levels that ordinary experiments reach.
    make : callable
        Cells, level and `Scale` to pictures ``N C Y X``.
    """

    name: str
    what: str
    level_unit: str
    levels: tuple[float, ...]
    neutral: float
    mild: tuple[float, ...]
    make: Make


def _noise(cells: CropSet, level: float, scale: Scale) -> Light:
    rng = np.random.default_rng(scale.seed)
    x = _light(cells)
    sd = np.float32(level) * scale.contrast[None, :, None, None]
    return np.asarray(x + sd * rng.standard_normal(x.shape, dtype=np.float32), dtype=np.float32)


def _blur(cells: CropSet, level: float, _scale: Scale) -> Light:
    blurred = ndi.gaussian_filter(_light(cells), (0, 0, level, level), mode="reflect")
    return np.asarray(blurred, dtype=np.float32)


def _defocus(cells: CropSet, level: float, _scale: Scale) -> Light:
    reach = int(np.ceil(level))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(level + 0.5 - np.hypot(y, x), 0, 1)
    kernel = (disk / disk.sum())[None, None].astype(np.float32)
    return np.asarray(ndi.convolve(_light(cells), kernel, mode="reflect"), dtype=np.float32)


def _gain(cells: CropSet, level: float, _scale: Scale) -> Light:
    return _light(cells) * np.float32(level)


def _offset(cells: CropSet, level: float, scale: Scale) -> Light:
    return _light(cells) + np.float32(level) * scale.contrast[None, :, None, None]


def _zoom(cells: CropSet, level: float, _scale: Scale) -> Light:
    return rescaled(_light(cells), np.full(len(cells), level))


def _shift(cells: CropSet, level: float, scale: Scale) -> Light:
    rng = np.random.default_rng(scale.seed)
    angle = rng.uniform(0, 2 * np.pi, len(cells))
    by = level * cells.crop_px * np.column_stack([np.sin(angle), np.cos(angle)])
    return shifted(_light(cells), by)


def _jpeg(cells: CropSet, level: float, scale: Scale) -> Light:
    """Each channel through an 8-bit grey JPEG and back, black and white fixed for all cells."""
    from imagecodecs import jpeg8_decode, jpeg8_encode

    low, width = scale.low[:, None, None], (scale.high - scale.low)[:, None, None]
    grey = np.clip(np.round((_light(cells) - low) / width * 255), 0, 255).astype(np.uint8)
    out = np.empty(grey.shape, dtype=np.float32)
    for k, c in np.ndindex(*grey.shape[:2]):
        plane = np.ascontiguousarray(grey[k, c])
        out[k, c] = jpeg8_decode(jpeg8_encode(plane, level=round(level)))
    return np.asarray(out / 255 * width + low, dtype=np.float32)


def _density(cells: CropSet, level: float, scale: Scale) -> Light:
    """Below 0: the neighbours overwritten by cell-free px; above: so many pasted at the margin."""
    rng = np.random.default_rng(scale.seed)
    out = _light(cells)
    groups = np.asarray(cells.groups, dtype=str)
    own = grown(cells.masks, scale.halo_px)
    free = ~grown(cells.foreground, scale.halo_px)
    side = cells.crop_px
    for k in range(len(cells)):
        if level < 0:
            _fill(out[k], cells.foreground[k] & ~own[k], free[k], rng)
            continue
        pool = np.flatnonzero(groups == groups[k])
        for _ in range(round(level)):
            donor = int(rng.choice(pool))
            angle = rng.uniform(0, 2 * np.pi)
            step = np.round(0.45 * side * np.array([np.sin(angle), np.cos(angle)])).astype(int)
            _paste(out[k], cells, donor, (int(step[0]), int(step[1])), own[k])
    return out


def _fill(
    picture: Light,
    holes: npt.NDArray[np.bool_],
    free: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    at, source = np.flatnonzero(holes), np.flatnonzero(free)
    if len(at) and len(source) >= FEWEST_FREE:
        flat = picture.reshape(len(picture), -1)
        flat[:, at] = flat[:, rng.choice(source, len(at))]


def _paste(
    picture: Light,
    cells: CropSet,
    donor: int,
    step: tuple[int, int],
    own: npt.NDArray[np.bool_],
) -> None:
    side = picture.shape[-1]
    y, x = np.nonzero(cells.masks[donor])
    to_y, to_x = y + step[0], x + step[1]
    inside = (to_y >= 0) & (to_y < side) & (to_x >= 0) & (to_x < side)
    y, x, to_y, to_x = y[inside], x[inside], to_y[inside], to_x[inside]
    beside = ~own[to_y, to_x]
    light = np.asarray(cells.crops[donor], dtype=np.float32)
    picture[:, to_y[beside], to_x[beside]] = light[:, y[beside], x[beside]]


def _light(cells: CropSet) -> Light:
    return np.array(cells.crops, dtype=np.float32)


def as_taken(pictures: Light, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers within their type where the crops' are, as a camera or a file would give."""
    if like.dtype.kind not in "ui":
        return pictures
    held = np.iinfo(like.dtype)
    return np.clip(np.round(pictures), held.min, held.max).astype(like.dtype)


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation(
        "noise",
        "white noise",
        "of the contrast",
        (0, 0.02, 0.05, 0.1, 0.2, 0.4),
        0,
        (0.02,),
        _noise,
    ),
    Perturbation("blur", "Gaussian blur", "px", (0, 0.5, 1, 1.5, 2, 3), 0, (0.5,), _blur),
    Perturbation("defocus", "a disk", "px radius", (0, 0.5, 1, 1.5, 2, 3), 0, (0.5,), _defocus),
    Perturbation(
        "gain",
        "brightness",
        "times",
        (0.5, 0.7, 0.85, 0.95, 1, 1.05, 1.2, 1.5, 2),
        1,
        (0.95, 1.05),
        _gain,
    ),
    Perturbation(
        "offset",
        "light added",
        "of the contrast",
        (-0.2, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.2),
        0,
        (-0.02, 0.02),
        _offset,
    ),
    Perturbation(
        "scale",
        "magnification",
        "times",
        (0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.4),
        1,
        (0.95, 1.05),
        _zoom,
    ),
    Perturbation(
        "shift",
        "the cell off the centre",
        "of the side",
        (0, 0.03, 0.06, 0.12, 0.2),
        0,
        (0.03,),
        _shift,
    ),
    Perturbation(
        "JPEG", "JPEG compression", "quality", (15, 30, 50, 75, 90, 95, 101), 101, (95,), _jpeg
    ),
    Perturbation(
        "density", "neighbours added; -1: removed", "cells", (-1, 0, 1, 2, 4), 0, (-1,), _density
    ),
)
