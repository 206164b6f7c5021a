"""Patches by their definition: label every level, try every disjoint set."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi


def patches(levels: npt.NDArray[Any]) -> list[tuple[int, frozenset[int]]]:
    """Every distinct connected patch (four neighbours) above some level, with its own level."""
    found: dict[frozenset[int], int] = {}
    for level in np.unique(levels):
        labels, n = ndi.label(levels >= level)
        for k in range(1, n + 1):
            found[frozenset(np.flatnonzero(labels == k).tolist())] = int(level)
    return [(level, patch) for patch, level in found.items()]


def worth(
    level: int, patch: frozenset[int], levels: npt.NDArray[Any], sink: float
) -> tuple[float, float, float]:
    """Area, share of its ellipse, growth when the level sinks by ``sink`` or more."""
    y, x = np.divmod(np.array(sorted(patch)), levels.shape[1])
    cov = np.cov(np.stack([y, x]), bias=True) + np.eye(2) / 12
    ellipse = len(patch) / (4 * math.pi * math.sqrt(np.linalg.det(cov)))
    larger = [p for lv, p in patches(levels) if patch < p and lv <= level - sink]
    around = min(larger, key=len) if larger else frozenset(range(levels.size))
    return len(patch), ellipse, (len(around) - len(patch)) / len(patch)


def best_sum(values: list[tuple[float, frozenset[int]]]) -> float:
    """The largest sum over disjoint patches, by trying every set."""
    best = 0.0
    for size in range(1, len(values) + 1):
        for chosen in itertools.combinations(values, size):
            pairs = itertools.combinations([p for _, p in chosen], 2)
            if all(not (a & b) for a, b in pairs):
                best = max(best, sum(v for v, _ in chosen))
    return best
