"""Shape of each object from its pixels: size, ellipse, outline, hull, depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.measure.regions import Regions

_SQRT2 = math.sqrt(2.0)


def shape_features(objects: Regions) -> dict[str, npt.NDArray[Any]]:
    """Place and shape of every object.

    Returns
    -------
    dict of column to array n
        Boxes half-open. ``perimeter_px`` is the four-neighbour estimate of Benkrid et al.;
        the axes are those of the ellipse with the same second moments; ``solidity`` is the area
        over that of the hull of all px corners, at most 1; ``form_factor = 4 pi A / P**2``, nan
        where the perimeter is 0; ``thickness_px`` is the largest depth, a chamfer distance with
        steps 3 and 4, to the nearest px outside.

    References
    ----------
    Benkrid, Crookes & Benkrid 2000 (perimeter), doi 10.1007/3-540-44491-2_39; Borgefors 1986
    (chamfer), doi 10.1016/S0734-189X(86)80047-0.
    """
    height, width = objects.index.shape
    raw = _trace(objects.index, objects.start, objects.pixels)
    box, sums, perimeter, hull = raw
    area = objects.area.astype(np.float64)
    y, x = sums[:, 0] / area, sums[:, 1] / area
    row, column = (
        objects.pixels[objects.start[:-1]] // width,
        objects.pixels[objects.start[:-1]] % width,
    )
    vyy = sums[:, 2] / area - y * y
    vxx = sums[:, 3] / area - x * x
    vxy = sums[:, 4] / area - x * y
    middle = 0.5 * (vyy + vxx)
    half = np.sqrt(0.25 * (vyy - vxx) ** 2 + vxy**2)
    large, little = np.maximum(middle + half, 0), np.maximum(middle - half, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        eccentricity = np.where(large > 0, np.sqrt(1 - little / large), 0.0)
        form = np.where(perimeter > 0, 4 * np.pi * area / perimeter**2, np.nan)
    return {
        "x0_px": box[:, 0],
        "y0_px": box[:, 1],
        "x1_px": box[:, 2],
        "y1_px": box[:, 3],
        "centroid_y_px": row + y,
        "centroid_x_px": column + x,
        "touches_border": (box[:, 0] == 0)
        | (box[:, 1] == 0)
        | (box[:, 2] == width)
        | (box[:, 3] == height),
        "area_px": objects.area,
        "perimeter_px": perimeter,
        "major_axis_px": 4 * np.sqrt(large),
        "minor_axis_px": 4 * np.sqrt(little),
        "eccentricity": eccentricity,
        "orientation": 0.5 * np.arctan2(2 * vxy, vyy - vxx),
        "solidity": area / hull,
        "form_factor": form,
    }


@njit(cache=True)
def _trace(index: Any, start: Any, pixels: Any) -> Any:  # pragma: no cover
    """Box, moment sums from the first px, perimeter and hull area of each object."""
    n = len(start) - 1
    height, width = index.shape
    box = np.empty((n, 4), np.int64)
    sums = np.zeros((n, 5))
    perimeter = np.zeros(n)
    hull = np.zeros(n)
    border = np.zeros((height, width), np.uint8)
    for k in range(n):
        y0, x0, y1, x1 = height, width, 0, 0
        oy, ox = pixels[start[k]] // width, pixels[start[k]] % width
        for i in range(start[k], start[k + 1]):
            y, x = pixels[i] // width, pixels[i] % width
            y0, y1 = min(y0, y), max(y1, y + 1)
            x0, x1 = min(x0, x), max(x1, x + 1)
            dy, dx = float(y - oy), float(x - ox)
            sums[k, 0] += dy
            sums[k, 1] += dx
            sums[k, 2] += dy * dy
            sums[k, 3] += dx * dx
            sums[k, 4] += dy * dx
            if (
                y == 0
                or x == 0
                or y == height - 1
                or x == width - 1
                or index[y - 1, x] != k
                or index[y + 1, x] != k
                or index[y, x - 1] != k
                or index[y, x + 1] != k
            ):
                border[y, x] = 1
        box[k] = (x0, y0, x1, y1)
        perimeter[k] = _perimeter(index, border, k, pixels[start[k] : start[k + 1]])
        hull[k] = _hull(pixels[start[k] : start[k + 1]], width, y0, y1)
    return box, sums, perimeter, hull


@njit(cache=True)
def _perimeter(index: Any, border: Any, k: int, pixels: Any) -> float:  # pragma: no cover
    """Each border px weighs by how many border px lie straight and diagonally beside it."""
    height, width = index.shape
    total = 0.0
    for i in range(len(pixels)):
        y, x = pixels[i] // width, pixels[i] % width
        if border[y, x] == 0:
            continue
        straight, diagonal = 0, 0
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                yy, xx = y + dy, x + dx
                if (dy == 0 and dx == 0) or yy < 0 or xx < 0 or yy >= height or xx >= width:
                    continue
                if index[yy, xx] == k and border[yy, xx] == 1:
                    if dy == 0 or dx == 0:
                        straight += 1
                    else:
                        diagonal += 1
        if (straight == 2 or straight == 3) and diagonal <= 2:
            # 5, 7, 15, 17, 25 and 27 of the published table.
            total += 1.0
        elif (straight == 0 and diagonal == 2) or (straight == 1 and diagonal == 3):
            total += _SQRT2
        elif straight == 1 and (diagonal == 1 or diagonal == 2):
            total += (1 + _SQRT2) / 2
    return total


@njit(cache=True)
def _hull(pixels: Any, width: int, y0: int, y1: int) -> float:  # pragma: no cover
    """Area of the convex hull of all px corners."""
    rows = y1 - y0 + 1
    low = np.full(rows, 2**40)
    high = np.full(rows, -1)
    for i in range(len(pixels)):
        y, x = pixels[i] // width - y0, pixels[i] % width
        for edge in range(2):
            low[y + edge] = min(low[y + edge], x)
            high[y + edge] = max(high[y + edge], x + 1)
    area = 0.0
    hull_y = np.empty(rows, np.int64)
    hull_x = np.empty(rows, np.int64)
    for side in range(2):
        n = 0
        for y in range(rows):
            if high[y] < 0:
                continue
            x = -low[y] if side == 0 else high[y]
            while n >= 2 and (hull_x[n - 1] - hull_x[n - 2]) * (y - hull_y[n - 2]) <= (
                x - hull_x[n - 2]
            ) * (hull_y[n - 1] - hull_y[n - 2]):
                n -= 1
            hull_y[n], hull_x[n] = y, x
            n += 1
        for i in range(n - 1):
            area += 0.5 * (hull_x[i] + hull_x[i + 1]) * (hull_y[i + 1] - hull_y[i])
    return area


@njit(cache=True)
def chamfer_depth(index: Any) -> Any:  # pragma: no cover
    """Chamfer distance (3 straight, 4 diagonal) of each px to the nearest px of another object.

    Background is 0; what lies outside the image is another object.
    """
    height, width = index.shape
    depth = np.zeros((height, width), np.int32)
    for turn in range(2):
        step = 1 if turn == 0 else -1
        for i in range(height):
            y = i if turn == 0 else height - 1 - i
            for j in range(width):
                x = j if turn == 0 else width - 1 - j
                k = index[y, x]
                if k < 0:
                    continue
                best = 2**30 if turn == 0 else depth[y, x]
                for side in range(4):
                    dy = 0 if side == 0 else -step
                    dx = -step if side == 0 else side - 2
                    yy, xx = y + dy, x + dx
                    cost = 3 if dy == 0 or dx == 0 else 4
                    if yy >= 0 and xx >= 0 and yy < height and xx < width and index[yy, xx] == k:
                        cost += depth[yy, xx]
                    best = min(best, cost)
                depth[y, x] = best
    return depth
