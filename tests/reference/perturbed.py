"""Slow definition of the light around a place: a Gaussian mean over kept px, px by px."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def surrounding(plane: Floats, kept: npt.NDArray[np.bool_], width_px: float) -> Floats:
    """Weighted mean of kept px at every px; the border is mirrored, the edge px twice."""
    height, width = plane.shape
    reach = int(8 * width_px + 0.5)
    out = np.empty_like(plane)
    for y in range(height):
        for x in range(width):
            total = weight = 0.0
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    v, u = _mirrored(y + dy, height), _mirrored(x + dx, width)
                    if kept[v, u]:
                        g = math.exp(-(dy * dy + dx * dx) / (2 * width_px**2))
                        total += g * float(plane[v, u])
                        weight += g
            out[y, x] = total / weight
    return out


def _mirrored(at: int, size: int) -> int:
    at %= 2 * size
    return at if at < size else 2 * size - 1 - at
