"""Crops and their return by definition: one px at a time, positions as fractions of a window."""

from __future__ import annotations

import math

import numpy as np


def read(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear at px centres; beyond the border the border's value."""
    height, width = plane.shape
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            weight = (1 - abs(y - row)) * (1 - abs(x - column))
            inside = plane[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
            total += weight * float(inside)
    return total


def resize(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    out = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            down, along = (i + 0.5) / height, (j + 0.5) / width  # fractions of the window
            out[i, j] = read(plane, down * plane.shape[0] - 0.5, along * plane.shape[1] - 0.5)
    return out


def masks(
    probabilities: np.ndarray, boxes: list[list[int]], shape: tuple[int, int], threshold: float
) -> np.ndarray:
    """Whole-number boxes inside the frame, no margin."""
    labels = np.zeros(shape, int)
    parts = [
        resize(answer, y1 - y0, x1 - x0).astype(np.float32)
        for answer, (x0, y0, x1, y1) in zip(probabilities, boxes, strict=True)
    ]
    for y in range(shape[0]):
        for x in range(shape[1]):
            choices = []
            for label, (part, (x0, y0, x1, y1)) in enumerate(zip(parts, boxes, strict=True), 1):
                if x0 <= x < x1 and y0 <= y < y1:
                    away = math.hypot(x + 0.5 - (x0 + x1) / 2, y + 0.5 - (y0 + y1) / 2)
                    choices.append((-part[y - y0, x - x0], round(away, 9), label))
            if choices and -min(choices)[0] >= np.float32(threshold):
                labels[y, x] = min(choices)[2]
    return labels
