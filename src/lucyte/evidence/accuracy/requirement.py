"""What an accuracy must reach, stated before looking, and how a number is held against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lucyte.schema.finding import Verdict
from lucyte.stats.goodness import Better
from lucyte.stats.intervals import FEWEST, FEWEST_TO_REASSURE, Interval

GROUP = "accuracy"


@dataclass(frozen=True)
class Requirement:
    """What an accuracy must reach, stated before looking.

    Attributes
    ----------
    at_least : float or None
        None: nothing was stated; the value is reported and the verdict stays open.
    alpha : float
        For the comparison with chance.
    permutations, seed : int
    """

    at_least: float | None = None
    alpha: float = 0.05
    permutations: int = 9999
    seed: int = 0


def meets(
    interval: Interval, values: Sequence[float], at_least: float | None, better: Better = "higher"
) -> tuple[Verdict, str]:
    """Judge an estimate against what was asked for.

    With an interval: pass when all of it reaches ``at_least``, fail when none of it does. With
    too few units for one: pass when every unit of at least four reaches it, fail when none does.
    Of a score that is better when lower, what is asked for is the most that it may be.
    """
    if not math.isfinite(interval.estimate):
        return "inconclusive", f"it is undefined ({interval.method})"
    if at_least is None:
        return "inconclusive", "no requirement was stated, so the value stands for itself"
    lower = better == "lower"
    sign, beyond = (-1, "above") if lower else (1, "below")
    reach, reaches = ("keep to", "keeps to") if lower else ("reach", "reaches")
    asked = f"the {at_least:g} asked for"
    if interval.low is not None and interval.high is not None:
        worst, best = sorted((sign * interval.low, sign * interval.high))
        if worst >= sign * at_least:
            return "pass", f"the whole interval {reaches} {asked}"
        if best < sign * at_least:
            return "fail", f"the whole interval lies {beyond} {asked}"
        return "inconclusive", f"the interval holds {asked}"
    reached = [sign * value >= sign * at_least for value in values]
    if interval.n >= FEWEST:
        return "inconclusive", f"there is no interval to hold against {asked} ({interval.method})"
    if not any(reached):
        return "fail", f"none {reaches} {asked}"
    if not all(reached):
        return "inconclusive", f"{sum(reached)} of {len(reached)} {reach} {asked}"
    if len(reached) < FEWEST_TO_REASSURE:
        few = "is 1" if len(reached) == 1 else f"are {len(reached)}"
        sure = f"there {few} of the {FEWEST_TO_REASSURE} that are needed to be sure"
        return "inconclusive", f"each {reaches} {asked}, but {sure}"
    return "pass", f"each {reaches} {asked} (too few for an interval)"


def shown(interval: Interval, values: Mapping[str, float], unit: str) -> str:
    """``0.83 (0.79 to 0.88, 12 wells)``, or the points where there are too few units."""
    count = f"{interval.n} {unit}{'' if interval.n == 1 else 's'}"
    if not math.isfinite(interval.estimate):
        return "not defined"
    if interval.low is not None and interval.high is not None:
        return f"{interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f}, {count})"
    if interval.n == 1:
        return f"{interval.estimate:.2f} ({count})"
    points = ", ".join(f"{value:.2f}" for value in values.values())
    return f"{interval.estimate:.2f} ({count}: {points})"
