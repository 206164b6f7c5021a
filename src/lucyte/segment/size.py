"""How large are the objects of this image? Estimated from 8 to 150 px, image by image.

On linear light: its one level lies half way up bright objects, so that touching ones come apart
and haze stays below. The dim ones are missed, which does not change the usual size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.segment.foreground import foreground
from lucyte.segment.light import Plane, finite, linear_light, shrink
from lucyte.segment.operations import Mask

SMALLEST_PX, LARGEST_PX = 6.0, 200.0
START_PX = 30.0
_WORK_PX = 24
_WHOLE_TO_DISC = 1.2
_FEW = 8
_FINER, _LONGER, _AS_SHARP = 1 / 3, 1.5, 0.5


def estimate_diameter(planes: Sequence[npt.NDArray[Any]]) -> float | None:
    """Typical diameter of the objects, in px.

    The largest discs that fit into the foreground, weighted by their area: of touching objects
    each holds its own disc, so that clumps do not count as one. Smoothing and resolution depend
    on the answer, so it is asked again until it stays. Where only a few such objects could lie in
    the image it may be tissue or haze: if within them there are objects three times smaller, with
    outlines as sharp and in all longer, the answer is theirs.

    Parameters
    ----------
    planes : sequence of array Y X
        The channels the objects show in.

    Returns
    -------
    float or None
        None where nothing stands out.
    """
    values = [finite(plane) for plane in planes]
    diameter = _settle(values, START_PX, LARGEST_PX, local=False)
    if diameter is None:
        return None
    if diameter >= LARGEST_PX or diameter * _FEW > min(values[0].shape):
        finer = _settle(values, diameter / 4, diameter, local=True)
        if finer is not None and finer < _FINER * diameter:
            return finer if _outlines_within(values, diameter, finer) else diameter
    return diameter


def _settle(values: list[Plane], start: float, largest: float, local: bool) -> float | None:
    diameter = start
    for _ in range(6):
        seen = _seen(values, diameter, local)
        if seen is None:
            return None
        factor, _, mask = seen
        found = _inscribed(mask, diameter / factor) if mask.any() else None
        if found is None:
            return None
        before = diameter
        diameter = float(np.clip(_WHOLE_TO_DISC * found * factor, SMALLEST_PX, largest))
        if abs(diameter - before) < 0.1 * before:
            break
    return diameter


def _seen(values: list[Plane], diameter: float, local: bool) -> tuple[int, Plane, Mask] | None:
    """Block size, light and foreground for objects of one size; local: above the mean around."""
    factor = max(1, int(diameter // _WORK_PX))
    side = diameter / factor
    small = [shrink(plane, factor) for plane in values]
    if min(small[0].shape) < 3:
        return None
    linear = linear_light(small, 8 * side, max(0.05 * side, 0.7))
    above = linear
    if local:
        mean = ndi.gaussian_filter(linear, 0.75 * side, mode="nearest")
        above = np.maximum(linear - mean, 0).astype(np.float32)
    return factor, linear, foreground(above, side)


def _outlines_within(values: list[Plane], large: float, fine: float) -> bool:
    """Do outlines of small objects within the large ones outdo the outlines of these?"""
    coarse, detail = _seen(values, large, local=False), _seen(values, fine, local=True)
    if coarse is None or detail is None:
        return False
    factor, linear, inner = detail
    blocks = np.repeat(np.repeat(coarse[2], coarse[0], 0), coarse[0], 1)
    outer = blocks[: values[0].shape[0], : values[0].shape[1]][::factor, ::factor]
    steep = ndi.gaussian_gradient_magnitude(linear, 0.7)
    # The outline in blocks lies up to one block beside the steepest place.
    around = _rim(outer) & ~_image_border(outer.shape)
    within = _rim(inner) & ndi.binary_erosion(outer, iterations=2, border_value=1)
    if not around.any() or not within.any():
        return bool(within.any())
    wide = ndi.maximum_filter(steep, size=2 * max(1, coarse[0] // factor) + 1)
    near = ndi.maximum_filter(steep, size=3)
    sharp = np.median(near[within]) > _AS_SHARP * np.median(wide[around])
    return bool(sharp and within.sum() > _LONGER * around.sum())


def _rim(mask: Mask) -> Mask:
    out: Mask = mask & ~ndi.binary_erosion(mask, border_value=1)
    return out


def _image_border(shape: tuple[int, ...]) -> Mask:
    out = np.ones(shape, dtype=np.bool_)
    out[1:-1, 1:-1] = False
    return out


def _inscribed(mask: npt.NDArray[np.bool_], side: float) -> float | None:
    """Area-weighted median diameter of the largest discs within the mask."""
    depth = ndi.distance_transform_edt(mask)
    smooth = ndi.gaussian_filter(depth, max(0.5, side / 20))
    window = int(max(3, side / 4)) | 1
    peak = (smooth == ndi.maximum_filter(smooth, size=window)) & (depth >= 1.5)
    radius = np.sort(depth[peak])
    if len(radius) == 0:
        return None
    weight = np.cumsum(radius**2)
    return float(2 * radius[np.searchsorted(weight, weight[-1] / 2)])
