"""Rank correlation by counting, one pair of rows at a time."""

from __future__ import annotations

import math


def mid_ranks(values):
    """Rank of each value: one more than those below, and half of its ties."""
    return [
        1 + sum(other < value for other in values) + (sum(o == value for o in values) - 1) / 2
        for value in values
    ]


def spearman(first, second):
    """Pearson's correlation of the mid-ranks; nan where one side does not vary."""
    a, b = mid_ranks(first), mid_ranks(second)
    n = len(a)
    ma, mb = sum(a) / n, sum(b) / n
    cross = sum((x - ma) * (y - mb) for x, y in zip(a, b, strict=True))
    square = sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b)
    return cross / math.sqrt(square) if square else math.nan
