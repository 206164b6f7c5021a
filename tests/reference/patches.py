"""Patches by their definition: every patch by itself, every threshold tried."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def otsu(pixels: np.ndarray[Any, Any]) -> float:
    """Try every value that occurs; the lowest of the best."""
    best, level = -1.0, float(pixels.min())
    flat = pixels.reshape(-1).astype(np.float64)
    for value in np.unique(flat)[:-1]:
        low, high = flat[flat <= value], flat[flat > value]
        between = len(low) * len(high) * (low.mean() - high.mean()) ** 2
        if between > best * (1 + 1e-12):
            best, level = between, float(value)
    return level


def ratios(
    stack: np.ndarray[Any, Any], side: int, step: int, rule: str
) -> dict[tuple[int, int, int], float]:
    """Foreground ratio of every patch of a stack C Z Y X by its place z, y, x."""
    masks = [channel > otsu(channel) for channel in stack]
    out = {}
    for z in range(stack.shape[1]):
        y = 0
        while y + side <= stack.shape[2]:
            x = 0
            while x + side <= stack.shape[3]:
                each = [float(m[z, y : y + side, x : x + side].sum()) / side**2 for m in masks]
                out[z, y, x] = {"any": max(each), "all": min(each), "mean": sum(each) / len(each)}[
                    rule
                ]
                x += step
            y += step
    return out


def inside_when_turned(
    shape: tuple[int, int], big: tuple[int, int], y: int, x: int, side: int, angle: float
) -> bool:
    """Whether every px of a patch of the turned plane comes from within the image."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for row in range(y, y + side):
        for column in range(x, x + side):
            v, u = row - (big[0] - 1) / 2, column - (big[1] - 1) / 2
            from_y = c * v + s * u + (shape[0] - 1) / 2
            from_x = -s * v + c * u + (shape[1] - 1) / 2
            if not (-1e-6 <= from_y <= shape[0] - 1 + 1e-6):
                return False
            if not (-1e-6 <= from_x <= shape[1] - 1 + 1e-6):
                return False
    return True
