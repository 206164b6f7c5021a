"""Who could have divided, and how well two daughters suit a mother.

Against two objects that have nothing to do with the mother, a division gains

    g = log p_divide + log f(middle of the daughters; mother) + log h(distance of the daughters)
      - log rho(first) - log rho(second)                        where they lie
      + log t(sum of their areas; mother's) + log t(ratio of their areas)
      + log t(mean of their light; mother's) + log t(ratio of their light), by channel
      - log t0(first) - log t0(second)                          how big and bright they are
      + trust * (share of each that lies where the mother lay)
      - log p_vanish(mother) - log p_appear(first) - log p_appear(second)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lucyte.track.candidates import Pairs
from lucyte.track.costs import log_appear, log_vanish
from lucyte.track.detections import Detections, Floats, Ints
from lucyte.track.overlap import Overlap
from lucyte.track.scale import FEATURE_TAIL, Scales, log_student, log_student_2d

SUM_CENTRE, SUM_WIDTH = 0.0, 0.4
"""Log of the daughters' area over the mother's: usual value and width."""
ALIKE_WIDTH = 0.3
"""Width of the log ratio of the daughters' areas."""
APART_CENTRE, APART_WIDTH = 0.3, 0.35
"""Log of the daughters' distance over the sum of their radii: usual value and width."""
LIGHT_CENTRE, LIGHT_WIDTH = 0.0, 0.3
"""Log of the daughters' mean intensity over the mother's, who rounds up and is brighter for it, so
that the width is large: what is conserved is area times intensity."""
LIGHT_ALIKE_WIDTH = 0.15
"""Width of the log ratio of the daughters' mean intensities."""
LIGHT_TRUST = 0.5
"""Weight of the light: channels repeat in part what the others say."""
MIDDLE_TAIL = 3.0
INSIDE_EDGES = (0.0, 0.3, 0.7)
INSIDE_GAIN = np.array([-1.5, 0.5, 1.5, 2.0])
"""Nats for the share of a daughter that lies where the mother lay, by bin."""

FAR = 2.0
"""A daughter's farthest place, in sums of the radii of mother and daughter, besides steps."""
ASTRAY = 2.5
"""Farthest middle of the daughters, in radii of the mother, besides steps."""
DISPROPORTION = 6.0
"""Daughters together against the mother; squared: one daughter against the other."""
DAUGHTERS = 4, 2
"""Nearest objects of the next frame, and of each later one, that can be daughters."""


@dataclass(frozen=True)
class Couples:
    """Couples of objects that could be daughters of one mother.

    Attributes
    ----------
    first, second : int64 array
        Indices of the pairs mother to daughter.
    astray : float64 array
        From the mother to the middle of the daughters (by area), in px.
    fit : float64 array
        What does not depend on how cells move in this movie, in nats.
    """

    first: Ints
    second: Ints
    astray: Floats
    fit: Floats


@dataclass(frozen=True)
class Divisions:
    """Possible divisions.

    Attributes
    ----------
    first, second : int64 array
        Indices of the pairs mother to daughter.
    gain : float64 array
        In nats.
    """

    first: Ints
    second: Ints
    gain: Floats

    def __len__(self) -> int:
        return len(self.first)


def no_divisions() -> Divisions:
    """Nothing divides."""
    nothing = np.zeros(0, dtype=np.int64)
    return Divisions(nothing, nothing, np.zeros(0))


def possible_couples(found: Detections, pairs: Pairs, shared: Overlap, scales: Scales) -> Couples:
    """Couples that are not out of all proportion, and how well they fit.

    Parameters
    ----------
    shared : Overlap
        Common area of each pair.
    """
    first, second = _couples(pairs.source, _daughters(found, pairs, scales))
    mother = pairs.source[first]
    a, b = found.area[pairs.target[first]], found.area[pairs.target[second]]
    m, radius = found.area[mother], found.radius[mother]
    share = a / (a + b)
    middle = [
        share * pairs.step[first, axis] + (1 - share) * pairs.step[second, axis] for axis in (0, 1)
    ]
    astray = np.hypot(*middle)
    reach = ASTRAY * radius + 3 * scales.step_px * np.sqrt(pairs.elapsed[first])
    late = pairs.skipped[first] + pairs.skipped[second]
    likely = (astray < reach) & (a + b < DISPROPORTION * m) & (m < DISPROPORTION * (a + b))
    likely &= (a < DISPROPORTION**2 * b) & (b < DISPROPORTION**2 * a)
    likely &= (late <= 1) | (pairs.skipped[first] == pairs.skipped[second])
    first, second = first[likely], second[likely]
    fit = _fit(found, pairs, shared, scales, first, second)
    return Couples(first, second, astray[likely], fit)


def possible_divisions(
    found: Detections, pairs: Pairs, gains: Floats, couples: Couples, scales: Scales
) -> Divisions:
    """Divisions that gain more than any link they would replace.

    Parameters
    ----------
    gains : float64 array
        Of the links; a division worth less than one of its own links can never be part of the
        best lineage and is left out.
    """
    first, second = couples.first, couples.second
    mother = pairs.source[first]
    root = np.sqrt(np.maximum(pairs.elapsed[first], pairs.elapsed[second]))
    loose = root * np.hypot(1.5 * scales.step_px, 0.25 * found.radius[mother])
    gain = couples.fit + log_student_2d(couples.astray, loose, MIDDLE_TAIL)
    hidden = pairs.skipped[first] + pairs.skipped[second]
    appear = log_appear(found, scales)
    ends = log_vanish(found, scales)[mother] + appear[pairs.target[first]]
    gain = gain + hidden * np.log(scales.rates.missed) + np.log(scales.rates.divide)
    gain = gain - ends - appear[pairs.target[second]]
    better = gain > np.maximum(np.maximum(gains[first], gains[second]), 0.0)
    return Divisions(first[better], second[better], gain[better])


def _daughters(found: Detections, pairs: Pairs, scales: Scales) -> Ints:
    """Pairs whose target lies about as far as a daughter can, the nearest few per mother."""
    touching = found.radius[pairs.source] + found.radius[pairs.target]
    reach = FAR * touching + 3 * scales.step_px * np.sqrt(pairs.elapsed)
    near = np.flatnonzero(pairs.distance <= reach)
    order = near[np.lexsort((pairs.distance[near], pairs.skipped[near], pairs.source[near]))]
    source, skipped = pairs.source[order], pairs.skipped[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(source) != 0) | (np.diff(skipped) != 0)
    rank = np.arange(len(order)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    most = np.where(skipped == 0, DAUGHTERS[0], DAUGHTERS[1])
    return np.sort(order[rank < most])


def _couples(source: Ints, usable: Ints) -> tuple[Ints, Ints]:
    """All couples of usable pairs with the same source, in order."""
    counts = np.unique(source[usable], return_counts=True)[1]
    starts = np.cumsum(counts) - counts
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for left in range(int(counts.max(initial=0))):
        for right in range(left + 1, int(counts.max(initial=0))):
            enough = counts > right
            firsts.append(starts[enough] + left)
            seconds.append(starts[enough] + right)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    order = np.lexsort((second, first))
    return usable[first[order]], usable[second[order]]


def _fit(
    found: Detections, pairs: Pairs, shared: Overlap, scales: Scales, first: Ints, second: Ints
) -> Floats:
    """How well sizes, distance and overlap suit, against objects of no relation."""
    mother, one, two = pairs.source[first], pairs.target[first], pairs.target[second]
    a, b = found.area[one], found.area[two]
    apart = pairs.step[first] - pairs.step[second]
    distance = np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 0.5)
    touching = found.radius[one] + found.radius[two]
    width = APART_WIDTH * np.sqrt(np.maximum(pairs.elapsed[first], pairs.elapsed[second]))
    fit = log_student(np.log(distance / touching) - APART_CENTRE, width, FEATURE_TAIL)
    # The density of a length becomes that of a place in the plane.
    fit = fit - np.log(2 * np.pi) - 2 * np.log(distance)
    fit += log_student(np.log((a + b) / found.area[mother]) - SUM_CENTRE, SUM_WIDTH, FEATURE_TAIL)
    fit += log_student(np.log(a / b), ALIKE_WIDTH, FEATURE_TAIL)
    size = log_student(np.log(found.area) - scales.centre[0], scales.spread[0], FEATURE_TAIL)
    alone = size + np.log(scales.density[found.frame])
    fit = fit - alone[one] - alone[two]
    fit = fit + LIGHT_TRUST * _light_fit(found, scales, mother, one, two)
    for pair, area in ((first, a), (second, b)):
        inside = np.digitize(shared.px[pair] / area, INSIDE_EDGES, right=True)
        fit = fit + shared.trust * INSIDE_GAIN[inside]
    return np.asarray(fit)


def _light_fit(found: Detections, scales: Scales, mother: Ints, one: Ints, two: Ints) -> Floats:
    """How well the daughters' light suits the mother's and each other's; 0 without light."""
    light = found.light
    if not light.shape[1]:
        return np.zeros(len(mother))
    middle = (light[one] + light[two]) / 2 - light[mother] - LIGHT_CENTRE
    fit = log_student(middle, np.maximum(LIGHT_WIDTH, scales.change[1:]), FEATURE_TAIL)
    alike = np.maximum(LIGHT_ALIKE_WIDTH, scales.change[1:])
    fit = fit + log_student(light[one] - light[two], alike, FEATURE_TAIL)
    for each in (one, two):
        change = light[each] - scales.centre[1:]
        fit = fit - log_student(change, scales.spread[1:], FEATURE_TAIL)
    return np.asarray(fit.sum(axis=1) / np.sqrt(light.shape[1]))
