"""Box scores by their definitions: painted boxes, and the COCO procedure one step at a time."""

from __future__ import annotations

import math

import numpy as np


def iou(a: list[int], b: list[int], side: int = 64) -> float:
    """Of whole-number boxes, by painting both."""
    canvas = np.zeros((2, side, side), dtype=bool)
    for plane, (x0, y0, x1, y1) in zip(canvas, (a, b), strict=True):
        plane[y0:y1, x0:x1] = True
    union = (canvas[0] | canvas[1]).sum()
    return float((canvas[0] & canvas[1]).sum() / union) if union else 0.0


def average_precision(
    truth: list[list[list[int]]],
    prediction: list[list[list[int]]],
    confidence: list[list[float]],
    threshold: float,
) -> float:
    total = sum(len(each) for each in truth)
    if total == 0:
        return math.nan
    detections = []
    for image, (boxes, found, sure) in enumerate(zip(truth, prediction, confidence, strict=True)):
        taken: set[int] = set()
        for rank in sorted(range(len(found)), key=lambda i: (-sure[i], i)):
            choice, best = -1, threshold
            for k, box in enumerate(boxes):
                value = iou(found[rank], box)
                if k not in taken and value >= best:
                    choice, best = k, value
            if choice >= 0:
                taken.add(choice)
            detections.append((-sure[rank], image, choice >= 0))
    detections.sort(key=lambda each: each[0])
    curve = []
    tp = 0
    for n, (_, _, hit) in enumerate(detections, 1):
        tp += hit
        curve.append((tp / total, tp / n))
    recalls = [k / 100 for k in range(101)]
    return sum(max((p for r, p in curve if r >= level), default=0.0) for level in recalls) / 101


def most_matches(truth: list[list[int]], prediction: list[list[int]], threshold: float) -> int:
    """The largest number of disjoint pairs at or above the threshold, by trying all."""

    def best(row: int, free: frozenset[int]) -> int:
        if row == len(truth):
            return 0
        found = best(row + 1, free)
        for column in free:
            if iou(truth[row], prediction[column]) >= threshold:
                found = max(found, 1 + best(row + 1, free - {column}))
        return found

    return best(0, frozenset(range(len(prediction))))
