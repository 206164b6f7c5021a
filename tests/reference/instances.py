"""Instance scores by their definitions: python sets of pixels and exhaustive matching."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt


def pixel_sets(labels: npt.NDArray[Any]) -> dict[int, set[int]]:
    flat = labels.ravel()
    return {int(k): set(np.flatnonzero(flat == k).tolist()) for k in np.unique(flat) if k != 0}


def iou(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b)


def most_matches(truth: npt.NDArray[Any], prediction: npt.NDArray[Any], threshold: float) -> int:
    """The largest number of disjoint pairs at or above the threshold, by trying all."""
    t, p = list(pixel_sets(truth).values()), list(pixel_sets(prediction).values())
    allowed = [[iou(a, b) >= threshold for b in p] for a in t]

    def best(row: int, free: frozenset[int]) -> int:
        if row == len(t):
            return 0
        found = best(row + 1, free)
        for column in free:
            if allowed[row][column]:
                found = max(found, 1 + best(row + 1, free - {column}))
        return found

    return best(0, frozenset(range(len(p))))


def scores(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], thresholds: tuple[float, ...]
) -> dict[str, float]:
    t, p = pixel_sets(truth), pixel_sets(prediction)
    out: dict[str, float] = {}
    for threshold in thresholds:
        tp = most_matches(truth, prediction, threshold)
        fp, fn = len(p) - tp, len(t) - tp
        out[f"AP@{threshold:g}"] = _safe(tp, tp + fp + fn)
        out[f"F1@{threshold:g}"] = _safe(tp, tp + 0.5 * (fp + fn))
        out[f"precision@{threshold:g}"] = _safe(tp, len(p))
        out[f"recall@{threshold:g}"] = _safe(tp, len(t))
    good = [iou(a, b) for a, b in itertools.product(t.values(), p.values()) if iou(a, b) > 0.5]
    out["SQ"] = _safe(sum(good), len(good))
    out["DQ"] = _safe(len(good), (len(t) + len(p)) / 2)
    out["PQ"] = _safe(sum(good), (len(t) + len(p)) / 2)
    out["AJI"] = _aji(t, p)
    out["SEG"] = _safe(sum(_seg(a, p) for a in t.values()), len(t))
    truth_px, prediction_px = set().union(*t.values()), set().union(*p.values())
    out["Dice"] = _safe(2 * len(truth_px & prediction_px), len(truth_px) + len(prediction_px))
    out["IoU"] = _safe(len(truth_px & prediction_px), len(truth_px | prediction_px))
    return out


def _seg(a: set[int], p: dict[int, set[int]]) -> float:
    for b in p.values():
        if len(a & b) > 0.5 * len(a):
            return iou(a, b)
    return 0.0


def _aji(t: dict[int, set[int]], p: dict[int, set[int]]) -> float:
    shared = union = 0
    used = set()
    for a in t.values():
        meeting = [(iou(a, b), -k) for k, b in p.items() if a & b]
        if not meeting:
            union += len(a)
            continue
        k = -max(meeting)[1]
        used.add(k)
        shared += len(a & p[k])
        union += len(a | p[k])
    union += sum(len(b) for k, b in p.items() if k not in used)
    return _safe(shared, union)


def _safe(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
