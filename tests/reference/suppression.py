"""Non-maximum suppression by its definition: one list, one comparison at a time."""

from __future__ import annotations


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def suppress(
    boxes: list[list[float]], scores: list[float], threshold: float, groups: list[int]
) -> list[int]:
    waiting = sorted(range(len(boxes)), key=lambda row: (-scores[row], row))
    kept: list[int] = []
    while waiting:
        best = waiting.pop(0)
        kept.append(best)
        waiting = [
            row
            for row in waiting
            if groups[row] != groups[best] or iou(boxes[row], boxes[best]) <= threshold
        ]
    return kept
