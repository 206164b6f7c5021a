"""Foreground scores pixel by pixel, and the centre-line Dice on lists of pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt


def foreground(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> dict[str, float]:
    tp = fp = fn = 0
    for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        tp += t != 0 and p != 0
        fp += t == 0 and p != 0
        fn += t != 0 and p == 0
    precision = tp / (tp + fp) if tp + fp else math.nan
    recall = tp / (tp + fn) if tp + fn else math.nan
    union = tp + fp + fn
    return {
        "pixel_precision": precision,
        "pixel_recall": recall,
        "pixel_F1": tp / (tp + 0.5 * (fp + fn)) if union else math.nan,
        "pixel_Jaccard": tp / union if union else math.nan,
    }


AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def thin(mask: npt.NDArray[Any]) -> set[tuple[int, int]]:
    """The skeleton of Zhang and Suen, 1984, on a set of pixels."""
    rows, columns = mask.shape
    there = {(y, x) for y in range(rows) for x in range(columns) if mask[y, x]}
    changed = True
    while changed:
        changed = False
        for sides in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            gone = {place for place in there if _loose(place, there, sides)}
            there -= gone
            changed = changed or bool(gone)
    return there


def _loose(
    place: tuple[int, int], there: set[tuple[int, int]], sides: tuple[tuple[int, ...], ...]
) -> bool:
    ring = [(place[0] + y, place[1] + x) in there for y, x in AROUND]
    starts = sum(not ring[k] and ring[(k + 1) % 8] for k in range(8))
    free = all(not all(ring[k] for k in side) for side in sides)
    return 2 <= sum(ring) <= 6 and starts == 1 and free


def cl_dice(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    line_truth: set[tuple[int, int]],
    line_prediction: set[tuple[int, int]],
) -> float:
    precise = [bool(truth[place]) for place in line_prediction]
    found = [bool(prediction[place]) for place in line_truth]
    a, b = sum(precise) / len(precise), sum(found) / len(found)
    return 2 * a * b / (a + b) if a + b else 0.0
