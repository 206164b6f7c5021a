"""What is around an object: the background near it, its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.measure.intensity import quantile_in_place
from lucyte.measure.regions import Floats

_GAP_PX = 3
_LEAST_PX = 20
_SAMPLES = 400


def near_background(
    plane: Floats, clear: npt.NDArray[np.bool_], boxes: npt.NDArray[np.int64]
) -> Floats:
    """Median light of the background near each object.

    It is taken from the object's box
    widened by half its longer side (at least 8 px), then by 1, 2 and 4 sides where the nearer one
    holds fewer than 20 px of it; nan where there is none.

    Parameters
    ----------
    plane : float array Y X
    clear : bool array Y X
        From :func:`clear_of`.
    boxes : int array n x 4
        ``x0, y0, x1, y1``, half-open.
    """
    out: Floats = _ring(plane, clear, boxes, _LEAST_PX, _SAMPLES)
    return out


def clear_of(foreground: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where no object is within 3 px, rows and columns counted apart."""
    from scipy.ndimage import maximum_filter1d

    near = foreground.astype(np.uint8)
    for axis in (0, 1):
        near = maximum_filter1d(near, 2 * _GAP_PX + 1, axis=axis, mode="nearest")
    clear: npt.NDArray[np.bool_] = near == 0
    return clear


def neighbour_features(
    centroids: npt.NDArray[np.float64], area_px: npt.NDArray[np.float64]
) -> dict[str, Floats]:
    """Neighbours of the same kind.

    ``nearest_distance_px`` is the distance between centres to the nearest other object, nan for
    an only one; ``neighbour_count`` the others whose centre lies within two diameters (of the
    disc with the object's area).
    """
    from scipy.spatial import cKDTree

    n = len(centroids)
    if n == 0:
        return {"neighbour_count": np.zeros(0), "nearest_distance_px": np.zeros(0)}
    tree = cKDTree(centroids)
    diameter = 2 * np.sqrt(area_px / np.pi)
    count = tree.query_ball_point(centroids, 2 * diameter, return_length=True) - 1
    nearest = np.full(n, np.nan)
    if n > 1:
        nearest = np.asarray(tree.query(centroids, k=2)[0])[:, 1]
    return {"neighbour_count": np.asarray(count, float), "nearest_distance_px": nearest}


@njit(cache=True)
def _ring(plane: Any, clear: Any, boxes: Any, least: int, samples: int) -> Any:  # pragma: no cover
    n = len(boxes)
    height, width = plane.shape
    out = np.full(n, np.nan)
    for k in range(n):
        x0, y0, x1, y1 = boxes[k]
        side = max(x1 - x0, y1 - y0, 16)
        for widening in range(4):
            reach = side // 2 if widening == 0 else side << (widening - 1)
            top, bottom = max(0, y0 - reach), min(height, y1 + reach)
            left, right = max(0, x0 - reach), min(width, x1 + reach)
            count = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    if clear[y, x]:
                        count += 1
            if count < least:
                continue
            step = max(1, count // samples)
            room = np.empty(count // step + 1)
            seen, kept, finite = 0, 0, True
            for y in range(top, bottom):
                for x in range(left, right):
                    if clear[y, x]:
                        if seen % step == 0:
                            room[kept] = plane[y, x]
                            finite = finite and np.isfinite(plane[y, x])
                            kept += 1
                        seen += 1
            if finite:
                out[k] = quantile_in_place(room[:kept], 0.5)
            break
    return out
