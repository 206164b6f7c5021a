"""Light in each object, channel by channel: moments, quantiles, graininess, edge and middle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.measure.regions import Floats, Regions

INTENSITY = (
    "intensity_mean",
    "intensity_std",
    "intensity_min",
    "intensity_max",
    "intensity_sum",
    "intensity_q05",
    "intensity_median",
    "intensity_q95",
    "intensity_skewness",
)
TEXTURE = (
    "texture_step_1px",
    "texture_step_2px",
    "texture_step_4px",
    "texture_correlation_1px",
    "texture_correlation_4px",
    "radial_edge",
    "radial_center",
)
_QUANTILES = np.array([0.05, 0.5, 0.95])


def intensity_features(objects: Regions, plane: Floats) -> dict[str, Floats]:
    """Moments and quantiles of the light in every object.

    Quantiles are interpolated linearly between ranks; the standard deviation divides by n.
    An object with a px that is nan or infinite has nan throughout.
    """
    table = _moments(objects.start, objects.pixels, plane.ravel(), _QUANTILES)
    return {name: table[:, i] for i, name in enumerate(INTENSITY)}


def texture_features(
    objects: Regions, plane: Floats, depth: npt.NDArray[np.int32]
) -> dict[str, Floats]:
    """Graininess and radial distribution of the light in every object.

    ``texture_step_h`` is the mean absolute difference of px pairs of the same object, ``h`` px
    apart along a row or a column; ``texture_correlation_h = 1 - mean(difference**2) / (2 var)``.
    ``radial_edge`` and ``radial_center`` are the means over the px in the outer and the inner
    third of the object's depth, over the object's mean.

    Parameters
    ----------
    objects : Regions
    plane : float array Y X
    depth : int32 array Y X
        From :func:`lucyte.measure.shape.chamfer_depth`.
    """
    table = _grain(objects.index, objects.start, objects.pixels, plane, depth)
    return {name: table[:, i] for i, name in enumerate(TEXTURE)}


def thickness(objects: Regions, depth: npt.NDArray[np.int32]) -> Floats:
    """Largest depth of each object, px."""
    if len(objects) == 0:
        return np.zeros(0)
    deepest: Floats = np.maximum.reduceat(depth.ravel()[objects.pixels], objects.start[:-1]) / 3.0
    return deepest


def correlation(objects: Regions, first: Floats, second: Floats) -> Floats:
    """Pearson correlation of two channels over the px of each object; nan where one is flat."""
    out: Floats = _pearson(objects.start, objects.pixels, first.ravel(), second.ravel())
    return out


@njit(cache=True)
def quantile_in_place(values: Any, q: float) -> Any:  # pragma: no cover
    """Linearly interpolated quantile of finite values; reorders them."""
    n = len(values)
    position = q * (n - 1)
    low = math.floor(position)
    first = _select(values, low)
    weight = position - low
    if weight == 0.0 or low + 1 >= n:
        return first
    second = values[low + 1]
    for i in range(low + 2, n):
        second = min(second, values[i])
    return first + weight * (second - first)


@njit(cache=True)
def _select(values: Any, rank: int) -> Any:  # pragma: no cover
    """Hoare's selection: afterwards nothing before ``rank`` is larger, nothing after smaller."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]


@njit(cache=True)
def _moments(start: Any, pixels: Any, flat: Any, quantiles: Any) -> Any:  # pragma: no cover
    n = len(start) - 1
    out = np.full((n, 9), np.nan)
    longest = 0
    for k in range(n):
        longest = max(longest, start[k + 1] - start[k])
    room = np.empty(longest)
    for k in range(n):
        size = start[k + 1] - start[k]
        values = room[:size]
        total, low, high = 0.0, np.inf, -np.inf
        for i in range(size):
            v = flat[pixels[start[k] + i]]
            values[i] = v
            total += v
            low, high = min(low, v), max(high, v)
        if not math.isfinite(total):
            continue
        mean = total / size
        second, third = 0.0, 0.0
        for i in range(size):
            d = values[i] - mean
            second += d * d
            third += d * d * d
        variance = second / size
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = mean, math.sqrt(variance), low, high
        out[k, 4] = total
        for j in range(3):
            out[k, 5 + j] = quantile_in_place(values, quantiles[j])
        if high > low:
            out[k, 8] = third / size / variance**1.5
    return out


@njit(cache=True)
def _grain(index: Any, start: Any, pixels: Any, plane: Any, depth: Any) -> Any:  # pragma: no cover
    n = len(start) - 1
    height, width = index.shape
    out = np.full((n, 7), np.nan)
    for k in range(n):
        size = start[k + 1] - start[k]
        total, deepest = 0.0, 0
        for i in range(start[k], start[k + 1]):
            total += plane[pixels[i] // width, pixels[i] % width]
            deepest = max(deepest, depth[pixels[i] // width, pixels[i] % width])
        if not math.isfinite(total):
            continue
        mean = total / size
        variance = 0.0
        steps, squares, pairs = np.zeros(3), np.zeros(3), np.zeros(3)
        edge, edge_n, center, center_n = 0.0, 0, 0.0, 0
        low, high = np.inf, -np.inf
        for i in range(start[k], start[k + 1]):
            y, x = pixels[i] // width, pixels[i] % width
            v = plane[y, x]
            low, high = min(low, v), max(high, v)
            variance += (v - mean) * (v - mean)
            if 3 * depth[y, x] <= deepest:
                edge += v
                edge_n += 1
            if 3 * depth[y, x] > 2 * deepest:
                center += v
                center_n += 1
            for j in range(3):
                lag = 1 << j
                if x + lag < width and index[y, x + lag] == k:
                    d = abs(plane[y, x + lag] - v)
                    steps[j] += d
                    squares[j] += d * d
                    pairs[j] += 1
                if y + lag < height and index[y + lag, x] == k:
                    d = abs(plane[y + lag, x] - v)
                    steps[j] += d
                    squares[j] += d * d
                    pairs[j] += 1
        variance /= size
        for j in range(3):
            if pairs[j] > 0:
                out[k, j] = steps[j] / pairs[j]
        if high > low:
            if pairs[0] > 0:
                out[k, 3] = 1 - squares[0] / pairs[0] / (2 * variance)
            if pairs[2] > 0:
                out[k, 4] = 1 - squares[2] / pairs[2] / (2 * variance)
        if mean > 0:
            if edge_n > 0:
                out[k, 5] = edge / edge_n / mean
            if center_n > 0:
                out[k, 6] = center / center_n / mean
    return out


@njit(cache=True)
def _pearson(start: Any, pixels: Any, first: Any, second: Any) -> Any:  # pragma: no cover
    n = len(start) - 1
    out = np.full(n, np.nan)
    for k in range(n):
        size = start[k + 1] - start[k]
        a, b = 0.0, 0.0
        for i in range(start[k], start[k + 1]):
            a += first[pixels[i]]
            b += second[pixels[i]]
        a, b = a / size, b / size
        aa, bb, ab = 0.0, 0.0, 0.0
        for i in range(start[k], start[k + 1]):
            da, db = first[pixels[i]] - a, second[pixels[i]] - b
            aa += da * da
            bb += db * db
            ab += da * db
        if aa > 0 and bb > 0:
            out[k] = ab / math.sqrt(aa * bb)
    return out
