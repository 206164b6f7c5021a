"""Turn whole images, to test whether it matters where patches happen to lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.classify.patch_grid import Places, grid

Array = npt.NDArray[Any]
_SLACK = 1e-6


def turned_shape(shape_yx: Sequence[int], angle_deg: float) -> tuple[int, int]:
    """Size of the plane that holds a turned image, every corner included."""
    height, width = shape_yx
    if angle_deg % 180 == 0:
        return int(height), int(width)
    if angle_deg % 90 == 0:
        return int(width), int(height)
    angle = math.radians(angle_deg)
    c, s = abs(math.cos(angle)), abs(math.sin(angle))
    return math.ceil(height * c + width * s), math.ceil(height * s + width * c)


def turned_plane(plane: Array, angle_deg: float) -> Array:
    """A plane turned about its centre, anticlockwise as it is shown, in its own type.

    Quarter turns move pixels and change none. Others are interpolated linearly. What lies outside
    the image is 0 and no patch of `turned_places` reaches it.
    """
    if angle_deg % 90 == 0:
        return np.ascontiguousarray(np.rot90(plane, int(angle_deg // 90) % 4))
    from scipy import ndimage as ndi

    shape = turned_shape(plane.shape, angle_deg)
    matrix = _back(angle_deg)
    offset = _centre(plane.shape) - matrix @ _centre(shape)
    out = ndi.affine_transform(
        plane.astype(np.float32), matrix, offset, output_shape=shape, order=1, mode="nearest"
    )
    if np.issubdtype(plane.dtype, np.integer):
        out = np.rint(out)
    return np.ascontiguousarray(out.astype(plane.dtype))


def turned_places(
    shape_yx: Sequence[int], side_px: int, overlap: float, angle_deg: float
) -> Places:
    """The grid over the turned plane, less every patch that is not wholly inside the image."""
    shape = turned_shape(shape_yx, angle_deg)
    places = grid(shape, side_px, overlap)
    if angle_deg % 90 == 0:
        return places
    inside = np.ones(len(places.y0_px), dtype=np.bool_)
    limit = np.asarray(shape_yx, dtype=np.float64)[:, None] - 1
    offset = (_centre(shape_yx) - _back(angle_deg) @ _centre(shape))[:, None]
    for dy in (0, side_px - 1):
        for dx in (0, side_px - 1):
            corner = np.stack([places.y0_px + dy, places.x0_px + dx]).astype(np.float64)
            source = _back(angle_deg) @ corner + offset
            inside &= ((source >= -_SLACK) & (source <= limit + _SLACK)).all(axis=0)
    return Places(side_px, places.y0_px[inside], places.x0_px[inside])


def _centre(shape: Sequence[int]) -> npt.NDArray[np.float64]:
    return (np.asarray(shape, dtype=np.float64) - 1) / 2


def _back(angle_deg: float) -> npt.NDArray[np.float64]:
    """From a place in the turned plane to the place it came from, both from their centres."""
    angle = math.radians(angle_deg)
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s], [-s, c]])
