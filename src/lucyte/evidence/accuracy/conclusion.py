"""Whether a study would conclude the same from the prediction as from the truth."""

from __future__ import annotations

import math

import numpy as np

from lucyte.evidence.accuracy.readout import Readout, number
from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval, unit_difference_interval

MATTERS = 0.2
"""A change of the effect matters from this share of the larger effect on, as in bioequivalence."""


def conclusion(readout: Readout, conditions: tuple[str, str] | None = None) -> Finding:
    """The effect between two conditions, from truth and from prediction, with intervals over units.

    What the prediction changes has an interval of its own, unit by unit: that an effect is clear
    of 0 here and not there is no difference. A change matters where its interval excludes 0 and it
    is a fifth of the larger effect or more.

    Pass: both intervals exclude 0 on the same side, no change matters, and each estimate lies in
    the other's interval or the whole interval of the change is below a fifth. Fail: both exclude 0
    on opposite sides, or one or both exclude it and the change matters. Inconclusive: otherwise, or
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
    Welch 1947, doi 10.1093/biomet/34.1-2.28. Gelman and Stern 2006, doi
    10.1198/000313006X152649. Schuirmann 1987, doi 10.1007/BF01068419.
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
    verdict, because = _judged(true, mine, gap)
    noun = readout.by.removesuffix("_id")
    counts = [len(set(units[side == here])) for here in (False, True)]
    method = mine.method
    if mine.low is None and mine.n >= FEWEST:
        method = "no interval: fewer than 2 units of a condition"
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
            "interval": method,
            "reviewer": (
                f"{method}; the prediction changes the effect by {number(gap.estimate)}"
                + (f" ({number(gap.low)} to {number(gap.high)})."
                   if gap.low is not None and gap.high is not None else ".")
            ),
        },
    )  # fmt: skip


def _judged(true: Interval, mine: Interval, gap: Interval) -> tuple[Verdict, str]:
    if not math.isfinite(true.estimate) or not math.isfinite(mine.estimate):
        return "inconclusive", "An effect is not defined."
    opposite = true.estimate * mine.estimate < 0
    if gap.low is None or gap.high is None:
        few = f"{FEWEST} units with two in each condition are needed to tell."
        return "inconclusive", (
            f"The signs differ; {few}" if opposite else f"Too few units for an interval: {few}"
        )
    clear_true, clear_mine = _clear(true), _clear(mine)
    enough = MATTERS * max(abs(true.estimate), abs(mine.estimate))
    change = f"the effect by {number(gap.estimate)} ({number(gap.low)} to {number(gap.high)})"
    matters = _clear(gap) and abs(gap.estimate) >= enough
    if clear_true and clear_mine:
        if opposite:
            return "fail", "The conclusion turns round."
        if matters:
            return "fail", "The direction survives, the size of the effect does not."
        if _holds(mine, true.estimate) and _holds(true, mine.estimate):
            return "pass", (
                "Same direction, and each lies in the other's interval: the conclusion survives."
            )
        if max(-gap.low, gap.high) < enough:
            return "pass", f"Same direction, and the prediction changes {change}: it survives."
        return "inconclusive", "The direction survives; whether the size does stays open."
    if not clear_true and not clear_mine:
        return "inconclusive", "Neither tells the conditions apart, so there is none to survive."
    if matters and clear_true:
        return "fail", "The effect is in the truth and is lost in the prediction."
    if matters:
        return "fail", "The prediction shows an effect that the truth does not."
    only = "truth" if clear_true else "prediction"
    return "inconclusive", (
        f"Only the {only} is clear of 0, but the prediction changes {change}, and that is not "
        "enough to call it another effect."
    )


def _clear(effect: Interval) -> bool:
    return effect.low is not None and effect.high is not None and not _holds(effect, 0.0)


def _holds(effect: Interval, value: float) -> bool:
    return effect.low is not None and effect.high is not None and effect.low <= value <= effect.high


def _told(effect: Interval, unit: str) -> str:
    if effect.low is None or effect.high is None:
        return f"{effect.estimate:+.3g}{f' {unit}' if unit else ''}"
    return f"{number(effect.estimate, unit)} ({number(effect.low)} to {number(effect.high)})"
