"""Whether a study would conclude the same from the prediction as from the truth."""

from __future__ import annotations

import math

import numpy as np

from lucyte.evidence.accuracy.readout import Readout, number
from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval, unit_difference_interval


def conclusion(readout: Readout, conditions: tuple[str, str] | None = None) -> Finding:
    """The effect between two conditions, from truth and from prediction, with intervals over units.

    Pass: both intervals exclude 0 on the same side and each estimate lies in the other's interval.
    Fail: the signs differ, or only one of both tells the conditions apart, or an estimate lies
    outside the other's interval. Inconclusive: the truth itself shows no clear effect, or there are
    too few units.

    Parameters
    ----------
    readout : Readout
        Its table with a column ``condition``; each unit in one condition.
    conditions : tuple of str, optional
        From which to which; in sorted order where not given.

    Raises
    ------
    UsageError
        Not two conditions, or a unit in both.

    References
    ----------
    Welch 1947, doi 10.1093/biomet/34.1-2.28.
    """
    table = readout.table
    if "condition" not in table.columns:
        raise unknown("column", "condition", [str(name) for name in table.columns])
    table = table[np.isfinite(table["truth"]) & np.isfinite(table["prediction"])]
    names = sorted({str(each) for each in table["condition"]})
    if len(names) != 2:
        raise UsageError(
            f"a conclusion compares two conditions, got {len(names)}: "
            f"{', '.join(names[:6]) or 'none'}. Leave the other images out."
        )
    first, second = conditions or (names[0], names[1])
    if sorted((first, second)) != names:
        raise UsageError(f"the conditions are {' and '.join(names)}, not {first} and {second}.")
    units = table[readout.by].astype(str).to_numpy()
    side = (table["condition"].astype(str) == second).to_numpy()
    true, mine, gap = (
        unit_difference_interval(values, units, side)
        for values in (
            table["truth"].to_numpy(dtype=np.float64),
            table["prediction"].to_numpy(dtype=np.float64),
            (table["prediction"] - table["truth"]).to_numpy(dtype=np.float64),
        )
    )
    verdict, because = _judged(true, mine, readout)
    noun = readout.by.removesuffix("_id")
    counts = [len(set(units[side == here])) for here in (False, True)]
    return Finding(
        name="accuracy.conclusion",
        question=f"Would {second} against {first} be judged the same by {readout.noun}?",
        verdict=verdict,
        statistic=mine.estimate,
        low=mine.low,
        high=mine.high,
        n=mine.n,
        unit=noun,
        assumed=("the truth is right", f"{noun}s are independent", "each is in one condition"),
        why=(
            f"{second} minus {first} ({counts[1]} and {counts[0]} {noun}s): "
            f"{_told(mine, readout.unit)} from the prediction, {_told(true, readout.unit)} from "
            f"the truth. {because}"
        ),
        statistic_name=f"effect on {readout.name}",
        group=GROUP,
        details={
            "readout": readout.name,
            "conditions": [first, second],
            "truth": [true.estimate, true.low, true.high],
            "prediction": [mine.estimate, mine.low, mine.high],
            "difference_of_effects": [gap.estimate, gap.low, gap.high],
            "interval": mine.method,
            "reviewer": (
                f"{mine.method}; the prediction changes the effect by {number(gap.estimate)}"
                + (f" ({number(gap.low)} to {number(gap.high)})."
                   if gap.low is not None and gap.high is not None else ".")
            ),
        },
    )  # fmt: skip


def _judged(true: Interval, mine: Interval, readout: Readout) -> tuple[Verdict, str]:
    if not math.isfinite(true.estimate) or not math.isfinite(mine.estimate):
        return "inconclusive", "An effect is not defined."
    opposite = true.estimate * mine.estimate < 0
    if true.low is None or true.high is None or mine.low is None or mine.high is None:
        few = f"{FEWEST} units with two in each condition are needed to tell."
        if opposite:
            return "fail", f"The signs differ; {few}"
        return "inconclusive", f"Too few units for an interval: {few}"
    clear_true = true.low > 0 or true.high < 0
    clear_mine = mine.low > 0 or mine.high < 0
    if clear_true and clear_mine and opposite:
        return "fail", "The conclusion turns round."
    if clear_true and not clear_mine:
        return "fail", "The effect is in the truth and is lost in the prediction."
    if clear_mine and not clear_true:
        return "fail", "The prediction shows an effect that the truth does not."
    if not clear_true:
        return "inconclusive", "Neither tells the conditions apart, so there is none to survive."
    inside = (mine.low <= true.estimate <= mine.high) and (true.low <= mine.estimate <= true.high)
    if not inside:
        return "fail", "The direction survives, the size of the effect does not."
    return "pass", "Same direction, and each lies in the other's interval: the conclusion survives."


def _told(effect: Interval, unit: str) -> str:
    if effect.low is None or effect.high is None:
        return f"{effect.estimate:+.3g}{f' {unit}' if unit else ''}"
    return f"{number(effect.estimate, unit)} ({number(effect.low)} to {number(effect.high)})"
