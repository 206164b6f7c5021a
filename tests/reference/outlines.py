"""Slow, independent definitions for outlines: run lengths, polygons, overlaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def runs_to_mask(counts: list[int], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Walk down the columns, pixel by pixel."""
    mask = np.zeros((height, width), bool)
    inside, left, run = False, counts[0] if counts else 0, 0
    for x in range(width):
        for y in range(height):
            while left == 0:
                run += 1
                inside, left = not inside, counts[run]
            mask[y, x] = inside
            left -= 1
    return mask


def pixel_centres_inside(
    points: list[tuple[float, float]], height: int, width: int
) -> npt.NDArray[np.bool_]:
    """Even-odd rule for the centre of every pixel, edge by edge."""
    mask = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            px, py, inside = x + 0.5, y + 0.5, False
            for (xa, ya), (xb, yb) in zip(points, [*points[1:], points[0]], strict=True):
                if (ya > py) != (yb > py) and px < xa + (py - ya) * (xb - xa) / (yb - ya):
                    inside = not inside
            mask[y, x] = inside
    return mask


def overlaps(masks: list[npt.NDArray[np.bool_]]) -> dict[tuple[int, int], int]:
    """Pixels that two masks share, for every pair that does."""
    found = {}
    for i, a in enumerate(masks, start=1):
        for j, b in enumerate(masks[i:], start=i + 1):
            if (a & b).any():
                found[i, j] = int((a & b).sum())
    return found
