"""Survival and switching by their definitions: one spell, one look at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import expm


def kaplan_meier_at(
    durations: Sequence[float], events: Sequence[bool], entries: Sequence[float], when: float
) -> tuple[float, float]:
    """The product limit at one time, and Greenwood's sum, by counting who is at risk."""
    survival, greenwood = 1.0, 0.0
    for time in sorted({d for d, e in zip(durations, events, strict=True) if e and d <= when}):
        risk = sum(en < time <= d for d, en in zip(durations, entries, strict=True))
        gone = sum(e and d == time for d, e in zip(durations, events, strict=True))
        survival *= (risk - gone) / risk
        greenwood += gone / (risk * (risk - gone)) if risk > gone else math.inf
    return survival, greenwood


def log_likelihood(
    tracks: Sequence[Sequence[tuple[float, Sequence[float]]]],
    rates: Sequence[Sequence[float]],
    first: Sequence[float],
) -> float:
    """Of whole tracks, by summing over every sequence of hidden states."""
    q = np.array(rates, dtype=float)
    np.fill_diagonal(q, 0.0)
    np.fill_diagonal(q, -q.sum(axis=1))
    k, total = len(q), 0.0
    for looks in tracks:
        ways = [((state,), first[state] * looks[0][1][state]) for state in range(k)]
        for (before, _), (now, told) in itertools.pairwise(looks):
            step = expm(q * (now - before))
            ways = [
                ((*path, state), weight * step[path[-1], state] * told[state])
                for path, weight in ways
                for state in range(k)
            ]
        total += math.log(sum(weight for _, weight in ways))
    return total
