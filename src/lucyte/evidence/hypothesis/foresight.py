"""Before the test: can these units find the smallest effect worth having, or rule it out?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lucyte.evidence.hypothesis.record import Hypothesis
from lucyte.evidence.hypothesis.trial import PAIRED, Trial
from lucyte.stats.association import rank_correlation_power
from lucyte.stats.intervals import FEWEST
from lucyte.stats.permutation import smallest_p
from lucyte.stats.power import one_sample_power, t_power

MOST = 10_000
"""More units than this are not worth naming."""


@dataclass(frozen=True)
class Foresight:
    """What the units at hand can decide.

    Attributes
    ----------
    units : int
    power : float
        Chance that a true effect of zero is told from the smallest effect, and so falsified; the
        chance to support an effect of twice the smallest is the same.
    needed : int or None
        Fewest units with the power wanted; None beyond 10,000.
    spread : float
        Standard deviation between units; nan where it is not asked (a correlation over units).
    spread_from : str
    smallest_p : float
    alpha : float
        Of one question, its family allowed for (Bonferroni, the worst case of Holm).
    """

    units: int
    power: float
    needed: int | None
    spread: float
    spread_from: str
    smallest_p: float
    alpha: float

    @property
    def enough(self) -> bool:
        """Whether any outcome at all could decide."""
        return self.units >= FEWEST and self.smallest_p <= self.alpha

    def to_json(self) -> dict[str, float | int | str | None]:
        """JSON types."""
        spread = self.spread if np.isfinite(self.spread) else None
        return {
            "units": self.units,
            "power": self.power,
            "needed": self.needed,
            "spread": spread,
            "spread_from": self.spread_from,
            "smallest_p": self.smallest_p,
            "alpha": self.alpha,
        }


def foresee(record: Hypothesis, trial: Trial, members: int) -> Foresight:
    """Power of a design, from the spread between units and never from the effect itself.

    Parameters
    ----------
    record : Hypothesis
    trial : Trial
        Only its units and their spread around their own mean are looked at.
    members : int
        Hypotheses registered in the family.
    """
    alpha = record.test.alpha / members
    smallest, spread, told = record.test.smallest_effect, *_spread(record, trial)
    units = len(trial.per_unit)
    sides = _sides(trial.beside) if trial.design == "unit difference" else (0, 0)

    def power(count: int) -> float:
        if trial.design == "unit correlation":
            return rank_correlation_power(smallest, count, alpha) if count >= 4 else 0.0
        if not np.isfinite(spread):
            return 0.0
        effect = smallest / max(spread, 1e-12)
        if trial.design in PAIRED:
            return one_sample_power(effect, count, alpha) if count >= 2 else 0.0
        a, b = sides if count == units and min(sides) else (count // 2, count - count // 2)
        return t_power(effect, (a, b), alpha) if min(a, b) and a + b > 2 else 0.0

    def enough(count: int) -> bool:
        floor = _floor(trial.design, count)
        return count >= FEWEST and floor <= alpha and power(count) >= record.test.power

    known = trial.design == "unit correlation" or bool(np.isfinite(spread))
    needed = _fewest(enough) if known else None
    here = power(units)
    return Foresight(units, here, needed, spread, told, trial.smallest_p, alpha)


def _spread(record: Hypothesis, trial: Trial) -> tuple[float, str]:
    if trial.design == "unit correlation":
        return float("nan"), "not needed: ranks of units have a known spread"
    if record.test.spread is not None:
        return record.test.spread, "declared in the record"
    values = np.array(list(trial.per_unit.values()))
    if trial.design in PAIRED:
        if len(values) < 2:
            return float("nan"), "unknown: fewer than 2 units"
        return float(values.std(ddof=1)), "of the units at hand around their own mean"
    above = np.array(list(trial.beside.values())) > 0
    parts = [values[above], values[~above]]
    df = len(values) - sum(len(each) > 0 for each in parts)
    if df < 1:
        return float("nan"), "unknown: no group has 2 units"
    square = sum(float(((each - each.mean()) ** 2).sum()) for each in parts if len(each))
    return float(np.sqrt(square / df)), "of the units at hand around the mean of their group"


def _sides(beside: Mapping[str, float]) -> tuple[int, int]:
    above = sum(value > 0 for value in beside.values())
    return above, len(beside) - above


def _floor(design: str, count: int) -> float:
    if design in PAIRED:
        return float(2.0 ** (1 - count))
    if design == "unit correlation":
        return smallest_p(list(range(min(count, 20))))
    return smallest_p([0] * (count // 2) + [1] * (count - count // 2))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The fewest units for which ``enough`` holds; it holds for all beyond them."""
    high = FEWEST
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = FEWEST
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return high
