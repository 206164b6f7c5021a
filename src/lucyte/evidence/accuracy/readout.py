"""The biological readout from prediction and from truth: how far apart, and what that changes.

A score says how alike two pictures are; a study reports a number. Here the number is taken from
both, and compared unit by unit. The idea is that of application-appropriate validation; the
statistics are Bland and Altman's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import pearsonr

from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.schema.errors import unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.agreement import why_no_concordance
from lucyte.stats.intervals import FEWEST, FEWEST_TO_REASSURE, why_open
from lucyte.stats.unit_agreement import UnitAgreement, agreement_over_units

GROWS = "The difference changes with the size of the readout, so one bias does not describe it. "


@dataclass(frozen=True)
class Readout:
    """A number that a study would report, from prediction and truth of every row.

    Attributes
    ----------
    name : str
        ``count``, ``area``, ``fraction:starved``.
    noun : str
        In words ("objects per image").
    unit : str
        Of the number ("px²"); empty for counts and shares.
    table : DataFrame
        One row per image: ``truth``, ``prediction``, and the column named by ``by``; maybe
        ``condition``.
    by : str
        Column of the independent unit.
    """

    name: str
    noun: str
    unit: str
    table: pd.DataFrame
    by: str


def readout_accuracy(readout: Readout, within: float | None = None) -> Finding:
    """Bias, limits of agreement and concordance of a readout over units.

    Parameters
    ----------
    readout : Readout
    within : float, optional
        The largest difference of a unit that would do, in the readout's unit. Without it no
        verdict is given. With intervals: pass when both limits of agreement, intervals included,
        lie inside; fail when the bias or a limit lies wholly outside. With too few units: pass
        when there are at least 4 and every one is inside, fail when none is.

    Raises
    ------
    UsageError
        A missing column, or no row that knows both.

    References
    ----------
    Bland and Altman 1999, doi 10.1177/096228029900800204; Lin 1989, doi 10.2307/2532051.
    """
    found = compared(readout)
    noun = readout.by.removesuffix("_id")
    verdict, because = _within(found, within, readout.unit, noun)
    trend, p = _trend(found)
    grows = p < 0.05
    concord, undefined = found.concordance, why_no_concordance(found.prediction, found.reference)
    return Finding(
        name=f"accuracy.readout.{readout.name}",
        question=f"Are {readout.noun} of the prediction those of the truth?",
        verdict=verdict,
        statistic=found.bias.estimate,
        low=found.bias.low,
        high=found.bias.high,
        n=found.bias.n,
        unit=noun,
        assumed=("the truth is right", f"{noun}s are independent"),
        why=f"{_words(found, readout, noun)} {GROWS if grows else ''}{because}",
        statistic_name=f"bias of {readout.name}",
        group=GROUP,
        details={
            "within": within,
            "readout_unit": readout.unit,
            "limits_of_agreement": [found.low.estimate, found.high.estimate],
            "limits_low": [found.low.low, found.low.high],
            "limits_high": [found.high.low, found.high.high],
            "concordance": concord.estimate,
            "concordance_interval": [concord.low, concord.high],
            "concordance_method": f"undefined: {undefined}" if undefined else concord.method,
            "trend": trend,
            "trend_p": p,
            "mean_truth": float(found.reference.mean()),
            "units": list(found.units),
            "truth": found.reference.tolist(),
            "prediction": found.prediction.tolist(),
            "reviewer": (
                f"Bland-Altman over {found.bias.n} {noun}s ({found.bias.method}); limits bias -/+ "
                "1.96 SD; Lin's concordance "
                + (
                    f"is not defined: {undefined}."
                    if undefined
                    else f"{concord.estimate:.3f}{_range(concord.low, concord.high)}."
                )
            ),
        },
    )


def compared(readout: Readout) -> UnitAgreement:
    """Agreement of a readout over its units.

    Raises
    ------
    UsageError
        A missing column, or no row that knows both.
    """
    for column in ("truth", "prediction", readout.by):
        if column not in readout.table.columns:
            raise unknown("column", column, [str(name) for name in readout.table.columns])
    return agreement_over_units(
        readout.table["prediction"].to_numpy(dtype=np.float64),
        readout.table["truth"].to_numpy(dtype=np.float64),
        readout.table[readout.by].astype(str).to_numpy(),
    )


def number(value: float, unit: str = "") -> str:
    """A readout in four digits, with its unit."""
    if not math.isfinite(value):
        return "not defined"
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{'0' if shown == '-0' else shown}{f' {unit}' if unit else ''}"


def _trend(found: UnitAgreement) -> tuple[float, float]:
    """Correlation of difference and mean over units, and its p; nan with too few or none."""
    gap, mean = found.prediction - found.reference, (found.prediction + found.reference) / 2
    if len(gap) < FEWEST or not gap.std() or not mean.std():
        return math.nan, math.nan
    told = pearsonr(gap, mean)
    return float(told.statistic), float(told.pvalue)


def _words(found: UnitAgreement, readout: Readout, noun: str) -> str:
    gap, unit = found.bias.estimate, readout.unit
    n = found.bias.n
    count = f"{n} {noun}{'' if n == 1 else 's'}"
    way = "as in the truth" if gap == 0 else "too high" if gap > 0 else "too low"
    amount = "" if gap == 0 else f"{number(abs(gap), unit)} "
    mean = float(found.reference.mean())
    share = f", {abs(gap) / abs(mean):.0%} of {number(mean, unit)}" if mean and gap else ""
    told = f"{_capital(readout.noun)}: {amount}{way} on average{share}"
    if found.bias.low is None or found.bias.high is None:
        gaps = ", ".join(number(float(g)) for g in (found.prediction - found.reference)[:FEWEST])
        return f"{told} ({count}, differences {gaps}; fewer than {FEWEST}, so no interval)."
    return (
        f"{told} (bias {number(found.bias.low)} to {number(found.bias.high, unit)}, {count}); of "
        f"20 {noun}s 19 differ by {number(found.low.estimate)} to "
        f"{number(found.high.estimate, unit)}."
    )


def _within(
    found: UnitAgreement, within: float | None, unit: str, noun: str
) -> tuple[Verdict, str]:
    if within is None:
        return "inconclusive", "How much would do was not stated, so the value stands for itself."
    asked = f"the {number(within, unit)} that would do"
    if None in (found.low.low, found.low.high, found.high.low, found.high.high, found.bias.low):
        inside = np.abs(found.prediction - found.reference) <= within
        if inside.all() and len(inside) < FEWEST_TO_REASSURE:
            return "inconclusive", f"Each lies within {asked}{why_open(len(inside), noun)}"
        if inside.all():
            return "pass", f"Each lies within {asked}."
        if not inside.any():
            return "fail", f"None lies within {asked}."
        return "inconclusive", f"{int(inside.sum())} of {len(inside)} lie within {asked}."
    low, high = found.low, found.high
    assert low.low is not None and low.high is not None and found.bias.low is not None
    assert high.low is not None and high.high is not None and found.bias.high is not None
    if low.low >= -within and high.high <= within:
        return "pass", f"That is within {asked}, intervals included."
    if found.bias.low > within or found.bias.high < -within:
        return "fail", f"Even the mean is off by more than {asked}."
    if low.high < -within or high.low > within:
        return "fail", f"More than 1 in 20 is off by more than {asked}."
    return "inconclusive", f"Whether that is within {asked} cannot be told with so few."


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
