"""Outlines compared by their definitions: lists of pixels and every distance between them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy.typing as npt

Place = tuple[int, ...]


def pixels(mask: npt.NDArray[Any]) -> set[Place]:
    return {place for place in itertools.product(*map(range, mask.shape)) if mask[place]}


def outline(inside: set[Place]) -> set[Place]:
    """Pixels with a neighbour across a side that is not in the set."""
    edge = set()
    for place in inside:
        for axis, step in itertools.product(range(len(place)), (-1, 1)):
            beside = (*place[:axis], place[axis] + step, *place[axis + 1 :])
            if beside not in inside:
                edge.add(place)
    return edge


def distance(a: Place, b: Place, spacing: tuple[float, ...]) -> float:
    return math.sqrt(sum(((x - y) * s) ** 2 for x, y, s in zip(a, b, spacing, strict=True)))


def nearest(a: Place, line: set[Place], spacing: tuple[float, ...]) -> float:
    return min(distance(a, b, spacing) for b in line)


def percentile(values: list[float], share: float) -> float:
    """Between the two values around the rank, in proportion."""
    values = sorted(values)
    rank = share * (len(values) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    return values[low] + (rank - low) * (values[high] - values[low])


def scores(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    spacing: tuple[float, ...],
    tolerance: float,
    width: float,
) -> tuple[float, float, float, float]:
    """Boundary IoU, NSD, HD95 and mean distance; neither mask is empty."""
    one, two = pixels(truth), pixels(prediction)
    line_one, line_two = outline(one), outline(two)
    away = [nearest(a, line_two, spacing) for a in line_one]
    back = [nearest(b, line_one, spacing) for b in line_two]
    band_one = {a for a in one if nearest(a, line_one, spacing) < width}
    band_two = {b for b in two if nearest(b, line_two, spacing) < width}
    near = [d for d in away + back if d <= tolerance + 1e-9]
    return (
        len(band_one & band_two) / len(band_one | band_two),
        len(near) / len(away + back),
        max(percentile(away, 0.95), percentile(back, 0.95)),
        sum(away + back) / len(away + back),
    )
