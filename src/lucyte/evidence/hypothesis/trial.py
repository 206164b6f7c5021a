r"""One test of one hypothesis: an effect per unit, its permutation and its interval.

Within units (``across = "cells"``) each unit gives one effect :math:`e_u`; between units
(``across = "units"``) each unit gives one pair. Signs are turned so that what was predicted is
positive.

==================  ============================================================================
design              effect
==================  ============================================================================
paired correlation  mean over units of Spearman's correlation over the cells of the unit
paired difference   mean over units of (mean of cells above - mean of the others)
shift               mean over units of the unit's mean enrichment
unit correlation    Spearman's correlation over the unit means
unit difference     mean of the units above - mean of the others
==================  ============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.evidence.hypothesis.record import CORRELATIONS, Hypothesis
from lucyte.schema.errors import UsageError
from lucyte.stats.association import rank_correlation, rank_correlation_interval
from lucyte.stats.intervals import Interval, unit_difference_interval, unit_mean_interval
from lucyte.stats.permutation import Permutation, permutation_test, sign_flip_test

Floats = npt.NDArray[np.float64]

FEWEST_CELLS = 5
"""Cells of a unit below which its correlation says nothing; two on each side for a difference."""
PAIRED = ("paired correlation", "paired difference", "shift")


@dataclass(frozen=True)
class Rows:
    """What was joined: one row per cell (or well, or image).

    Attributes
    ----------
    units : str array N
        The independent unit of each row.
    quantity : float array N
        Of the model or its explanation. Not used by ``shift``.
    measurement : float array N
    """

    units: npt.NDArray[np.str_]
    quantity: Floats
    measurement: Floats

    def __post_init__(self) -> None:
        if not len(self.units) == len(self.quantity) == len(self.measurement):
            raise UsageError("units, quantity and measurement must have one entry per row.")

    def known(self) -> Rows:
        """The rows in which both numbers are known."""
        keep = np.isfinite(self.quantity) & np.isfinite(self.measurement)
        return Rows(self.units[keep], self.quantity[keep], self.measurement[keep])


@dataclass(frozen=True)
class Trial:
    """What a test gave, before it is corrected for its family.

    Attributes
    ----------
    design : str
        A row of the table above.
    effect : float
        In the direction predicted; nan where nothing could be compared.
    per_unit : mapping of unit to float
        The effect of each unit (paired designs), else its mean measurement.
    beside : mapping of unit to float
        Mean quantity (unit correlation), or 1 and 0 (unit difference); empty otherwise.
    p : float
        Two-sided permutation p against no effect; 1 where none could be made.
    smallest_p : float
        The least that p could have been with these units.
    rows : int
        Cells in which both numbers are known.
    left_out : mapping of str to int
        Why units do not count, and how many.
    direction : int
    seed : int
    """

    design: str
    effect: float
    per_unit: Mapping[str, float]
    beside: Mapping[str, float]
    p: float
    smallest_p: float
    rows: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    direction: int = 1
    seed: int = 0

    def interval(self, level: float = 0.95) -> Interval:
        """Interval of the effect, in the direction predicted."""
        values = np.array(list(self.per_unit.values()))
        beside = np.array(list(self.beside.values()))
        names = list(self.per_unit)
        if not math.isfinite(self.effect):
            return Interval(math.nan, None, None, len(names), "undefined: nothing to compare")
        if self.design in PAIRED:
            return unit_mean_interval(values, names, level, self.seed)
        turned = self.direction * values
        if self.design == "unit correlation":
            return rank_correlation_interval(beside, turned, level)
        return unit_difference_interval(turned, names, beside > 0, level, self.seed)

    def p_against(self, smallest: float) -> float:
        """Two-sided p of "the effect is ``smallest``": the largest alpha whose interval holds it.

        1 where there is no interval.
        """
        if self.interval().low is None:
            return 1.0
        inside, outside = 0.0, 1.0
        for _ in range(40):
            alpha = (inside + outside) / 2
            found = self.interval(1 - alpha)
            assert found.low is not None and found.high is not None
            if found.low <= smallest <= found.high:
                inside = alpha
            else:
                outside = alpha
        return outside

    def to_json(self) -> dict[str, Any]:
        """JSON types; nan becomes None."""
        out = asdict(self)
        out["effect"] = self.effect if math.isfinite(self.effect) else None
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """Read back what `to_json` wrote."""
        effect = math.nan if data["effect"] is None else float(data["effect"])
        return cls(**{**data, "effect": effect})


def design_of(record: Hypothesis) -> str:
    """Which row of the table a record asks for."""
    if record.quantity.name == "where_it_looks":
        return "shift"
    kind = "correlation" if record.test.relation in CORRELATIONS else "difference"
    return f"{'paired' if record.test.across == 'cells' else 'unit'} {kind}"


def hold_trial(record: Hypothesis, rows: Rows) -> Trial:
    """Work out the effect of every unit and exchange units.

    Parameters
    ----------
    record : Hypothesis
    rows : Rows
        Rows with an unknown number are left out.
    """
    design, known = design_of(record), rows.known()
    if design in PAIRED:
        return _paired(record, design, known)
    return _between(record, design, known)


def _paired(record: Hypothesis, design: str, rows: Rows) -> Trial:
    effects: dict[str, float] = {}
    left_out: dict[str, int] = {}
    for unit in np.unique(rows.units):
        here = rows.units == unit
        value, why = _unit_effect(record, design, rows.quantity[here], rows.measurement[here])
        if why:
            left_out[why] = left_out.get(why, 0) + 1
        else:
            effects[str(unit)] = record.direction * value
    seed = record.sample.seed
    if not effects:
        return Trial(design, math.nan, {}, {}, 1.0, 1.0, len(rows.units), left_out, 1, seed)
    values = list(effects.values())
    test = sign_flip_test(values, record.test.permutations, seed)
    mean, count = float(np.mean(values)), len(rows.units)
    return Trial(
        design, mean, effects, {}, test.p, test.smallest_p, count, left_out, record.direction, seed
    )


def _unit_effect(
    record: Hypothesis, design: str, quantity: Floats, measurement: Floats
) -> tuple[float, str]:
    """The effect in one unit, in the sign of the data; or why there is none."""
    if design == "shift":
        return float(measurement.mean()), ""
    if design == "paired correlation":
        if len(quantity) < FEWEST_CELLS:
            return math.nan, f"fewer than {FEWEST_CELLS} cells"
        value = rank_correlation(quantity, measurement)
        same = "the model says" if len(np.unique(quantity)) == 1 else "is measured"
        return value, "" if math.isfinite(value) else f"the same {same} of all its cells"
    above = quantity > threshold(record)
    if above.sum() < 2 or (~above).sum() < 2:
        return math.nan, "fewer than 2 cells on one side"
    return float(measurement[above].mean() - measurement[~above].mean()), ""


def _between(record: Hypothesis, design: str, rows: Rows) -> Trial:
    names = [str(name) for name in np.unique(rows.units)]
    at = [rows.units == name for name in names]
    measured = np.array([rows.measurement[here].mean() for here in at])
    beside = np.array([rows.quantity[here].mean() for here in at])
    if design == "unit difference":
        beside = (beside > threshold(record)).astype(np.float64)
    seed, count = record.sample.seed, len(rows.units)
    per_unit = dict(zip(names, measured.tolist(), strict=True))
    pairs = dict(zip(names, beside.tolist(), strict=True))
    varied = len(np.unique(beside)) > 1 and len(np.unique(measured)) > 1
    if not varied:
        why = {"every unit is alike": len(names)} if names else {}
        return Trial(
            design, math.nan, per_unit, pairs, 1.0, 1.0, count, why, record.direction, seed
        )
    test = _exchange(design, beside, measured, record)
    effect = record.direction * test.observed
    smallest = test.smallest_p
    return Trial(
        design, effect, per_unit, pairs, test.p, smallest, count, {}, record.direction, seed
    )


def _exchange(design: str, beside: Floats, measured: Floats, record: Hypothesis) -> Permutation:
    """Deal what the model says of the units anew."""
    # Ranks are dealt with the values they are of, so they are worked out once.
    first, second = (rankdata(each) - (len(each) + 1) / 2 for each in (beside, measured))
    scale = math.sqrt(float(first @ first) * float(second @ second))

    def correlation(dealt: npt.NDArray[Any]) -> float:
        return float(dealt @ second) / scale

    def difference(dealt: npt.NDArray[Any]) -> float:
        return float(measured[dealt > 0].mean() - measured[dealt == 0].mean())

    ranked = design == "unit correlation"
    return permutation_test(
        correlation if ranked else difference,
        (first if ranked else beside).tolist(),
        "two-sided",
        record.test.permutations,
        record.sample.seed,
    )


def threshold(record: Hypothesis) -> float:
    """Where cells above are told from the rest: as stated; 0.5 for a state (it is 1 or 0).

    Raises
    ------
    UsageError
        Groups are compared, and the record says not where to part them.
    """
    if record.quantity.above is not None:
        return record.quantity.above
    if record.quantity.name == "state":
        return 0.5
    raise UsageError(
        f"{record.name}: {record.test.relation} compares two groups of cells, and "
        f"{record.quantity.name} is a number; set quantity.above to the value that parts them."
    )
