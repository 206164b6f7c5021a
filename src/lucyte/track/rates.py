"""How often objects come, go, hide and divide in this movie."""

from __future__ import annotations

import numpy as np

from lucyte.track.candidates import Pairs
from lucyte.track.detections import Detections, Floats
from lucyte.track.divisions import Divisions
from lucyte.track.scale import Rates
from lucyte.track.solve import Solution

WEIGHT = 200.0
"""Objects that the usual rates stand for, beside those of the movie."""
INSIDE = 0.1
"""Nearness to the border below which an object counts as inside."""


def observed_rates(
    found: Detections, pairs: Pairs, divisions: Divisions, solution: Solution, border: Floats
) -> Rates:
    """Rates of a lineage, leaning on what is usual elsewhere.

    Parameters
    ----------
    border : float64 array
        Nearness of each object to the image's edge, 0 to 1; only those inside are counted.
    """
    usual = Rates()
    inside = border < INSIDE
    later = inside & (found.frame > 0)
    earlier = inside & (found.frame < len(found.times) - 1)
    entered, left = np.zeros(len(found), bool), np.zeros(len(found), bool)
    for taken in (
        solution.links,
        divisions.first[solution.divisions],
        divisions.second[solution.divisions],
    ):
        left[pairs.source[taken]] = True
        entered[pairs.target[taken]] = True
    hidden = int(pairs.skipped[solution.links].sum())
    return Rates(
        appear=_rate(int((later & ~entered).sum()), int(later.sum()), usual.appear),
        vanish=_rate(int((earlier & ~left).sum()), int(earlier.sum()), usual.vanish),
        missed=_rate(hidden, len(found), usual.missed),
        divide=_rate(len(solution.divisions), len(found), usual.divide),
    )


def _rate(events: int, chances: int, usual: float) -> float:
    return float(np.clip((events + WEIGHT * usual) / (chances + WEIGHT), 1e-4, 0.2))
