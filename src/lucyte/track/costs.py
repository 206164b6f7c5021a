"""What each link is worth: log likelihood that both are one cell, against coming and going.

With positions spread as a round Student distribution of scale ``s`` around the old place, and new
objects falling anywhere with density ``rho``, the gain of a link from i to j in nats is

    g = log f(step; s) - log rho                       where it went
      + sum over features [log t(change) - log t0(value)]   how big and bright it is
      + trust * log P(overlap | same) / P(overlap | other)   how much of it lies where it lay
      - log p_vanish(i) - log p_appear(j) + skipped * log p_missed

and a link is made only where it is worth more than nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.track.candidates import Pairs
from lucyte.track.detections import Detections, Floats
from lucyte.track.overlap import Overlap
from lucyte.track.scale import (
    FEATURE_TAIL,
    Scales,
    features,
    log_student,
    log_student_2d,
    overlap_bin,
)

Bools = npt.NDArray[np.bool_]

LEAVING = 0.15
"""Probability per frame that an object at the very border leaves or enters."""
BEHIND = 0.05
"""How much rarer it is to be missed where something else is found than where nothing is."""
TRUNCATED = 2.0
"""How much more the size of an object changes that the image's edge cuts."""


def log_vanish(found: Detections, scales: Scales) -> Floats:
    """Log probability that each object is not seen again."""
    return _log_at_border(found, scales, scales.rates.vanish)


def log_appear(found: Detections, scales: Scales) -> Floats:
    """Log probability that each object was not there before."""
    return _log_at_border(found, scales, scales.rates.appear)


def near_border(found: Detections, scales: Scales) -> Floats:
    """1 for an object whose box touches the edge of the image, falling to 0 over a few steps."""
    reach = 2 * scales.step_px + 2
    weight: Floats = np.exp(-0.5 * (found.border_distance() / reach) ** 2)
    return weight


def link_gains(found: Detections, pairs: Pairs, shared: Overlap, scales: Scales) -> Floats:
    """Gain of each possible link in nats.

    Parameters
    ----------
    shared : Overlap
        Common area of each pair.
    """
    source, target = pairs.source, pairs.target
    root = np.sqrt(pairs.elapsed)
    where = log_student_2d(pairs.distance, scales.step_px * root, scales.tail)
    where = where - np.log(scales.density[found.frame[target]])
    values = features(found)
    change = values[target] - values[source]
    width = scales.change * root[:, None]
    width[:, 0] *= np.where(_cut(found, pairs), TRUNCATED, 1.0)
    same = log_student(change, width, FEATURE_TAIL)
    other = log_student(values[target] - scales.centre, scales.spread, FEATURE_TAIL)
    overlap = scales.overlap[overlap_bin(found, pairs, shared)]
    ends = log_vanish(found, scales)[source] + log_appear(found, scales)[target]
    hidden = pairs.skipped * np.log(scales.rates.missed)
    hidden = hidden + np.where(_taken(found, pairs, shared), np.log(BEHIND), 0.0)
    gains: Floats = where + (same - other).sum(axis=1) + shared.trust * overlap + hidden - ends
    return gains


def _taken(found: Detections, pairs: Pairs, shared: Overlap) -> Bools:
    """Gaps whose place another object covers meanwhile: who was missed there hid behind it."""
    smaller = np.minimum(found.area[pairs.source], found.area[pairs.target])
    cover = np.where(pairs.skipped == 0, shared.px / smaller, 0.0)
    after, before = np.zeros(len(found)), np.zeros(len(found))
    np.maximum.at(after, pairs.source, cover)
    np.maximum.at(before, pairs.target, cover)
    covered = np.minimum(after[pairs.source], before[pairs.target]) > 0.5
    return np.asarray(covered & (pairs.skipped > 0))


def _cut(found: Detections, pairs: Pairs) -> Bools:
    at_edge = found.border_distance() < 1
    return np.asarray(at_edge[pairs.source] | at_edge[pairs.target])


def _log_at_border(found: Detections, scales: Scales, inside: float) -> Floats:
    weight = near_border(found, scales)
    return np.asarray(np.log(inside * (1 - weight) + max(LEAVING, inside) * weight))
