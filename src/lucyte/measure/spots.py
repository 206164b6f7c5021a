"""Spots inside each object, found from the object's own pixels alone.

So that the numbers are the same in the field and in a crop, nothing outside the object counts:
means run over px of the same object only, and the noise is the object's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.measure.intensity import quantile_in_place
from lucyte.measure.regions import Floats, Regions

NOISES = 4.0
_FLOOR = 0.01
_SHARED = 0.25


@dataclass(frozen=True)
class Spots:
    """Spots of one channel.

    Attributes
    ----------
    index : int32 array Y X
        Position of the px's spot; -1 for none.
    owner : int array, one per spot
        Position of the object it lies in.
    """

    index: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int64]


def find_spots(objects: Regions, plane: Floats, diameter_px: float) -> Spots:
    """Spots brighter than what is around them in the same object.

    The response of a px is the mean over a small window less the mean over a large one (sides
    0.6 and 3 diameters, each a row mean followed by a column mean over the run of px of the same
    object). A spot is a patch, diagonals included, of px whose response exceeds the object's
    median response by four of its noises (1.4826 x the median absolute deviation, at least 1 % of
    the object's mean), of at least a quarter of a disc's area.

    Parameters
    ----------
    objects : Regions
    plane : float array Y X
    diameter_px : float
        Diameter of a spot.
    """
    small = max(1, int(0.3 * diameter_px))
    large = max(small + 1, int(1.5 * diameter_px))
    response = _response(objects.index, objects.start, objects.pixels, plane, small, large)
    least = max(2, round(math.pi / 16 * diameter_px**2))
    index, owner = _patches(
        objects.index, objects.start, objects.pixels, plane, response, NOISES, _FLOOR, least
    )
    return Spots(index=index, owner=owner)


def spot_features(objects: Regions, plane: Floats, spots: Spots) -> dict[str, Floats]:
    """Number, area, mean light and added light of the spots of every object.

    ``spots_excess`` is the light in spots above the object's median, per px of the object: 0
    without spots. ``spots_mean`` is nan without spots.
    """
    table = _summary(objects.start, objects.pixels, plane.ravel(), spots.index.ravel())
    count = np.bincount(spots.owner, minlength=len(objects)).astype(np.float64)
    return {
        "spots_count": count,
        "spots_area_px": table[:, 0],
        "spots_excess": table[:, 1],
        "spots_mean": table[:, 2],
    }


def pair_features(
    objects: Regions, first: tuple[Floats, Spots], second: tuple[Floats, Spots]
) -> dict[str, Floats]:
    """Spots of the second channel with and without the first, and the ratio of their light.

    A spot of the second channel shows the first where spots of the first cover at least a quarter
    of it (yellow where the first is green and the second red; red alone otherwise).
    ``spots_ratio`` is the light above the object's median in the second's spots, first over
    second; nan without such spots.
    """
    inside = second[1].index >= 0
    spot = second[1].index[inside]
    area = np.bincount(spot, minlength=len(second[1].owner))
    covered = np.bincount(
        spot, weights=(first[1].index[inside] >= 0), minlength=len(second[1].owner)
    )
    both = covered >= _SHARED * area
    n = len(objects)
    over = _summary(objects.start, objects.pixels, first[0].ravel(), second[1].index.ravel())
    under = _summary(objects.start, objects.pixels, second[0].ravel(), second[1].index.ravel())
    ratio = np.full(n, np.nan)
    np.divide(over[:, 1], under[:, 1], out=ratio, where=under[:, 1] > 0)
    return {
        "spots_both_count": np.bincount(second[1].owner[both], minlength=n).astype(np.float64),
        "spots_alone_count": np.bincount(second[1].owner[~both], minlength=n).astype(np.float64),
        "spots_ratio": ratio,
    }


@njit(cache=True)
def _response(
    index: Any, start: Any, pixels: Any, plane: Any, small: int, large: int
) -> Any:  # pragma: no cover
    """Small less large window mean at the px of objects, box by box so that it stays in cache."""
    height, width = index.shape
    response = np.zeros((height, width))
    for k in range(len(start) - 1):
        y0, x0, y1, x1 = height, width, 0, 0
        for i in range(start[k], start[k + 1]):
            y, x = pixels[i] // width, pixels[i] % width
            y0, y1 = min(y0, y), max(y1, y + 1)
            x0, x1 = min(x0, x), max(x1, x + 1)
        inside = index[y0:y1, x0:x1] == k
        light = plane[y0:y1, x0:x1]
        fine = _run_means(inside, light, small)
        coarse = _run_means(inside, light, large)
        for i in range(start[k], start[k + 1]):
            y, x = pixels[i] // width, pixels[i] % width
            response[y, x] = fine[y - y0, x - x0] - coarse[y - y0, x - x0]
    return response


@njit(cache=True)
def _run_means(inside: Any, light: Any, reach: int) -> Any:  # pragma: no cover
    """Mean over 2 * reach + 1 px of the row, then of the column, within runs of the object."""
    height, width = inside.shape
    total = np.zeros((height, width))
    count = np.zeros((height, width))
    room = np.zeros(max(height, width) + 1)
    for y in range(height):
        x = 0
        while x < width:
            end = x
            while end < width and inside[y, end]:
                room[end - x + 1] = room[end - x] + light[y, end]
                end += 1
            for i in range(end - x):
                low, high = max(0, i - reach), min(end - x, i + reach + 1)
                total[y, x + i] = room[high] - room[low]
                count[y, x + i] = high - low
            x = end + 1
    out = np.zeros((height, width))
    counts = np.zeros(height + 1)
    for x in range(width):
        y = 0
        while y < height:
            end = y
            while end < height and inside[end, x]:
                room[end - y + 1] = room[end - y] + total[end, x]
                counts[end - y + 1] = counts[end - y] + count[end, x]
                end += 1
            for i in range(end - y):
                low, high = max(0, i - reach), min(end - y, i + reach + 1)
                out[y + i, x] = (room[high] - room[low]) / (counts[high] - counts[low])
            y = end + 1
    return out


@njit(cache=True)
def _patches(
    index: Any,
    start: Any,
    pixels: Any,
    plane: Any,
    response: Any,
    noises: float,
    floor: float,
    least: int,
) -> Any:  # pragma: no cover
    n = len(start) - 1
    height, width = index.shape
    spot = np.full((height, width), -1, np.int32)
    owner = np.empty(max(1, len(pixels)), np.int64)
    found = 0
    longest = 1
    for k in range(n):
        longest = max(longest, start[k + 1] - start[k])
    room = np.empty(longest)
    stack = np.empty(longest, np.int64)
    for k in range(n):
        size = start[k + 1] - start[k]
        mean = 0.0
        for i in range(size):
            p = pixels[start[k] + i]
            room[i] = response[p // width, p % width]
            mean += plane[p // width, p % width] / size
        if not math.isfinite(mean):
            continue
        middle = quantile_in_place(room[:size], 0.5)
        for i in range(size):
            room[i] = abs(room[i] - middle)
        noise = max(1.4826 * quantile_in_place(room[:size], 0.5), floor * abs(mean))
        level = middle + noises * noise
        for i in range(size):
            p = pixels[start[k] + i]
            y, x = p // width, p % width
            if spot[y, x] != -1 or response[y, x] <= level:
                continue
            stack[0], todo, members = p, 0, 1
            spot[y, x] = found
            while todo < members:
                cy, cx = stack[todo] // width, stack[todo] % width
                todo += 1
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        yy, xx = cy + dy, cx + dx
                        if yy < 0 or xx < 0 or yy >= height or xx >= width:
                            continue
                        if index[yy, xx] != k or spot[yy, xx] != -1 or response[yy, xx] <= level:
                            continue
                        spot[yy, xx] = found
                        stack[members] = yy * width + xx
                        members += 1
            if members >= least:
                owner[found] = k
                found += 1
            else:
                for j in range(members):
                    spot[stack[j] // width, stack[j] % width] = -2
    for i in range(len(pixels)):
        if spot[pixels[i] // width, pixels[i] % width] == -2:
            spot[pixels[i] // width, pixels[i] % width] = -1
    return spot, owner[:found].copy()


@njit(cache=True)
def _summary(start: Any, pixels: Any, flat: Any, spot: Any) -> Any:  # pragma: no cover
    """Per object: spot area, light above the object's median in spots per px, mean in spots."""
    n = len(start) - 1
    out = np.full((n, 3), np.nan)
    longest = 1
    for k in range(n):
        longest = max(longest, start[k + 1] - start[k])
    room = np.empty(longest)
    for k in range(n):
        size = start[k + 1] - start[k]
        area, total, every = 0, 0.0, 0.0
        for i in range(size):
            p = pixels[start[k] + i]
            room[i] = flat[p]
            every += flat[p]
            if spot[p] >= 0:
                area += 1
                total += flat[p]
        out[k, 0] = area
        if not math.isfinite(every):
            continue
        out[k, 1] = 0.0
        if area > 0:
            out[k, 1] = (total - area * quantile_in_place(room[:size], 0.5)) / size
            out[k, 2] = total / area
    return out
