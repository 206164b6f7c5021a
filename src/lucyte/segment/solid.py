"""Objects of a stack found in 3-D: one level for the volume, split by depth with a known Z step.

The alternative to planes stitched: better where planes are many and thin, or noise needs the
neighbours; worse where light differs much between objects or the planes are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.foreground import Threshold
from lucyte.segment.light import enlarge, finite, linear_scale, local_background, shrink
from lucyte.segment.operations import Mask, fill_holes, flood, h_maxima, label, level, opened
from lucyte.segment.outline import renumber

Volume = npt.NDArray[np.float32]

_WORK_PX = 24
_RISE = 0.08
_LIGHT_WEIGHT = 0.5
_DEEP = 1.3


@dataclass(frozen=True)
class Solid:
    """A stack at the resolution the search works at.

    Attributes
    ----------
    factor : int
        Full-resolution px per px here, in Y and X.
    side : float
        Typical diameter in px here.
    step : float
        Step in Z in px here.
    light : float32 array Z Y X
        Light above background, each channel at most 1, mean over channels.
    """

    factor: int
    side: float
    step: float
    light: Volume


def solid_objects(
    volumes: Sequence[npt.NDArray[Any]],
    settings: ObjectSettings,
    diameter_px: float,
    anisotropy: float,
) -> Labels:
    """Threshold a whole stack and split it by the distance to the background in 3-D.

    Parameters
    ----------
    volumes : sequence of array Z Y X
        Raw channels.
    settings : ObjectSettings
        ``threshold`` (``adaptive`` and ``local`` mean Otsu here), ``sensitivity``, ``split``,
        ``min_area_px``: px of the largest slice.
    diameter_px : float
        Typical diameter in Y and X.
    anisotropy : float
        Step in Z over the size of a px.

    Returns
    -------
    int32 array Z Y X
        Labels 1 to n, each one connected piece but for thin places that opening removed.

    References
    ----------
    Vincent & Soille 1991 (watershed), doi 10.1109/34.87344.
    """
    height, width = volumes[0].shape[1:]
    solid = reduce_stack(volumes, diameter_px, anisotropy)
    mask = solid_foreground(solid, _rule(settings), settings.sensitivity)
    if not mask.any():
        return np.zeros(volumes[0].shape, np.int32)
    found = split_solid(mask, solid) if settings.split else label(mask).astype(np.int32)
    least = smallest_slice(settings, diameter_px) / solid.factor**2
    found = _large_enough(found, least)
    return np.stack([_full(plane, solid.factor, (height, width)) for plane in found])


def reduce_stack(
    volumes: Sequence[npt.NDArray[Any]], diameter_px: float, anisotropy: float
) -> Solid:
    """Shrink in Y and X until an object is 24 to 48 px across; light above background."""
    factor = max(1, int(diameter_px // _WORK_PX))
    side, step = diameter_px / factor, anisotropy / factor
    smooth = max(0.06 * side, 0.7)
    total: Volume | None = None
    for volume in volumes:
        small = np.stack([shrink(finite(plane), factor) for plane in volume])
        quiet = ndi.gaussian_filter(small, (smooth / step, smooth, smooth), mode="nearest")
        # One surface for all planes: light that differs from plane to plane is not background.
        quiet = quiet - local_background(np.median(quiet, axis=0), 8 * side)
        top = linear_scale(quiet)
        part = np.minimum(quiet / np.float32(top), 1) if top > 0 else np.zeros_like(quiet)
        total = part if total is None else total + part
    assert total is not None
    return Solid(factor, side, step, (total / np.float32(len(volumes))).astype(np.float32))


def solid_foreground(solid: Solid, rule: Threshold, sensitivity: float = 1.0) -> Mask:
    """Where there is more light than one level for the whole stack; each plane cleaned."""
    values = solid.light
    if float(values.max()) - float(values.min()) <= 1e-6:
        return np.zeros(values.shape, dtype=np.bool_)
    above = values > level(values, "otsu" if rule == "local" else rule) * sensitivity
    hole = 0.4 * solid.side**2
    return np.stack([opened(fill_holes(plane, hole), solid.side) for plane in above])


def split_solid(mask: Mask, solid: Solid) -> Labels:
    """Watershed from the significant maxima of depth and light together, as in 2-D."""
    sampling = (solid.step, 1.0, 1.0)
    depth = ndi.distance_transform_edt(mask, sampling=sampling)
    radius = solid.side / 2
    smooth = ndi.gaussian_filter(solid.light, np.divide(solid.side / 8, sampling))
    window = [max(1, int(solid.side / each)) | 1 for each in sampling]
    brightest = np.maximum(ndi.maximum_filter(smooth, size=window), 1e-6)
    shape = np.minimum(depth / radius, _DEEP)
    shape = shape + _LIGHT_WEIGHT * np.where(mask, smooth / brightest, 0)
    blur = max(0.5, solid.side / 20)
    relief = ndi.gaussian_filter(shape, np.divide(blur, sampling)).astype(np.float32)
    seeds = h_maxima(relief, _RISE)
    seeds[~mask] = 0
    found = flood(-relief, seeds, mask)
    rest = label(mask & (found == 0))
    out: Labels = np.where(rest > 0, rest + int(found.max()), found).astype(np.int32)
    return out


def smallest_slice(settings: ObjectSettings, diameter_px: float) -> float:
    """The area in px that an object's largest slice must have."""
    if settings.min_area_px == "auto":
        return float(np.pi / 4 * (diameter_px / 4) ** 2)
    return float(settings.min_area_px)


def _rule(settings: ObjectSettings) -> Threshold:
    asked = settings.threshold
    return "otsu" if asked == "adaptive" or asked == "local" else asked


def _large_enough(labels: Labels, least: float) -> Labels:
    size = int(labels.max(initial=0)) + 1
    widest = np.max([np.bincount(plane.reshape(-1), minlength=size) for plane in labels], axis=0)
    keep = widest >= max(least, 1)
    keep[0] = False
    return renumber(np.where(keep[labels], labels, 0).astype(np.int32))


def _full(plane: Labels, factor: int, shape: tuple[int, int]) -> Labels:
    """Labels of blocks at full size: each label's share interpolated, the largest wins."""
    if factor == 1:
        return plane
    out = np.zeros(shape, np.int32)
    best = np.full(shape, 0.5, np.float32)
    for name, place in enumerate(ndi.find_objects(plane), 1):
        if place is None:
            continue
        rows, columns = (slice(max(s.start - 1, 0), s.stop + 1) for s in place)
        mine = (plane[rows, columns] == name).astype(np.float32)
        top, left = rows.start * factor, columns.start * factor
        size = (
            min(mine.shape[0] * factor, shape[0] - top),
            min(mine.shape[1] * factor, shape[1] - left),
        )
        share = enlarge(mine, size, factor)
        here = np.s_[top : top + size[0], left : left + size[1]]
        more = share > best[here]
        out[here][more] = name
        best[here][more] = share[more]
    return out
