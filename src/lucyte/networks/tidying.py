"""Label images put in order: one part per object, no holes, nothing too small; in place."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def tidy(labels: Any, count: int, smallest: int) -> Any:
    """Keep each label's largest part, fill its holes, drop what is too small; in place.

    Parameters
    ----------
    labels : int32 array Y X
    count : int
        Labels are 1 to ``count``.
    smallest : int
        Fewest pixels of an object.

    Returns
    -------
    int64 array count + 1
        Pixels left of each label.
    """
    height, width = labels.shape
    box = np.zeros((count + 1, 4), np.int64)
    box[:, 0] = box[:, 1] = 1 << 60
    for y in range(height):
        for x in range(width):
            k = labels[y, x]
            if k > 0:
                box[k, 0], box[k, 1] = min(box[k, 0], y), min(box[k, 1], x)
                box[k, 2], box[k, 3] = max(box[k, 2], y + 1), max(box[k, 3], x + 1)
    areas = np.zeros(count + 1, np.int64)
    for k in range(1, count + 1):
        if box[k, 2] > 0:
            areas[k] = _tidy_one(labels[box[k, 0] : box[k, 2], box[k, 1] : box[k, 3]], k, smallest)
    return areas


@numba.njit(cache=True, nogil=True)
def _tidy_one(view: Any, k: int, smallest: int) -> int:
    height, width = view.shape
    part = np.zeros((height, width), np.int32)
    stack = np.empty(height * width, np.int64)
    best, best_area, parts = 0, 0, 0
    for y in range(height):
        for x in range(width):
            if view[y, x] == k and part[y, x] == 0:
                parts += 1
                area = _flood(view, part, stack, y, x, k, parts)
                if area > best_area:
                    best, best_area = parts, area
    if best_area < smallest:
        best, best_area = -1, 0
    for y in range(height):
        for x in range(width):
            if view[y, x] == k and part[y, x] != best:
                view[y, x] = 0
    if best < 0:
        return 0
    # Background that does not reach the box's edge is a hole.
    outside = np.zeros((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            edge = y == 0 or x == 0 or y == height - 1 or x == width - 1
            if edge and view[y, x] != k and outside[y, x] == 0:
                _flood_other(view, outside, stack, y, x, k)
    for y in range(height):
        for x in range(width):
            if view[y, x] == 0 and outside[y, x] == 0:
                view[y, x] = k
                best_area += 1
    return best_area


@numba.njit(cache=True, nogil=True)
def _flood(view: Any, part: Any, stack: Any, y: int, x: int, k: int, name: int) -> int:
    height, width = view.shape
    stack[0], top, area = y * width + x, 1, 0
    part[y, x] = name
    while top:
        top -= 1
        v, u = stack[top] // width, stack[top] % width
        area += 1
        for dv, du in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            p, q = v + dv, u + du
            inside = 0 <= p < height and 0 <= q < width
            if inside and view[p, q] == k and part[p, q] == 0:
                part[p, q] = name
                stack[top] = p * width + q
                top += 1
    return area


@numba.njit(cache=True, nogil=True)
def _flood_other(view: Any, outside: Any, stack: Any, y: int, x: int, k: int) -> None:
    height, width = view.shape
    stack[0], top = y * width + x, 1
    outside[y, x] = 1
    while top:
        top -= 1
        v, u = stack[top] // width, stack[top] % width
        for dv, du in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            p, q = v + dv, u + du
            inside = 0 <= p < height and 0 <= q < width
            if inside and view[p, q] != k and outside[p, q] == 0:
                outside[p, q] = 1
                stack[top] = p * width + q
                top += 1
