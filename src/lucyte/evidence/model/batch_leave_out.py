"""What leaving whole batches out costs, against leaving out units and against a random split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.retrain import HeldOut, compare, held_out, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval, unit_mean_interval

Floats = npt.NDArray[np.float64]
DEALS = 39
"""Random deals of units into as many parts as there are batches."""


def leave_out(
    name: str,
    features: Floats,
    design: tuple[Sequence[str], Sequence[str], Sequence[str]],
    unit: str,
    settings: ChallengeSettings,
) -> Finding:
    """``batch.leave_out.<name>``, by a ridge logistic model on these features.

    ``design`` is (labels, units, values) of each row. Units are left out in parts as large as the
    batches, dealt at random again and again, so that models are made from as many units either
    way; a failure also asks that leaving batches out does worse than every such deal.
    """
    labels, groups, values = design
    answer = with_table(features, labels, settings.seed)
    how = (settings.folds, settings.seed)
    away = held_out(answer, labels, values, *how)
    if not away.undefined:
        away = compare(away.logits, away.fold_of, labels, groups)
    parts = max(2, len(set(away.fold_of[away.fold_of >= 0].tolist())))
    deals = [held_out(answer, labels, groups, parts, settings.seed + k) for k in range(DEALS)]
    near = deals[0]
    cells = [f"{k}" for k in range(len(labels))]
    random = held_out(answer, labels, cells, *how)
    question = f"Is a model as good in a {name} that it has not seen?"
    why_not = away.undefined or near.undefined
    if why_not:
        return Finding(
            name=f"batch.leave_out.{name}",
            question=question,
            verdict="inconclusive",
            statistic=math.nan,
            low=None,
            high=None,
            n=0,
            unit=name,
            assumed=(),
            why=f"Whole {name}s could not be left out: {why_not.replace('units', f'{name}s')}.",
            statistic_name="AUROC lost",
            details={"grouped_auroc": near.auroc, "random_auroc": random.auroc},
        )
    lost = _lost(deals, away, groups, values)
    usual = float(np.mean([each.auroc for each in deals]))
    beaten = sum(each.auroc <= away.auroc for each in deals)
    chance = (beaten + 1) / (DEALS + 1)
    gap = unit_mean_interval(list(lost.values()), list(lost))
    positive = sum(value > 0 for value in lost.values()) / len(lost)
    sure = gap.low > 0 if gap.low is not None else positive >= 0.75
    seen = (
        f"Leaving whole {name}s out, crops tell the classes with AUROC {away.auroc:.2f}; leaving "
        f"as many {unit}s out, {usual:.2f}; splitting cells at random, {random.auroc:.2f}"
    )
    verdict: Verdict = "inconclusive"
    if gap.estimate >= settings.margin and sure and chance > max(settings.alpha, 1 / (DEALS + 1)):
        rest = f"{beaten} of {DEALS} random deals of {unit}s lose as much, so it may be chance"
    elif gap.estimate >= settings.margin and sure:
        verdict, rest = "fail", f"what is learned holds within a {name} more than beyond it"
    elif usual < 0.5 + settings.margin:
        rest = "they hardly tell the classes, so there is nothing to lose"
    elif below(gap, list(lost.values()), settings.margin):
        verdict, rest = "pass", f"it holds in a new {name} too"
    else:
        rest = f"too few {name}s, or too uneven, to say"
    return Finding(
        name=f"batch.leave_out.{name}",
        question=question,
        verdict=verdict,
        statistic=gap.estimate,
        low=gap.low,
        high=gap.high,
        n=gap.n,
        unit=name,
        assumed=("the learner can see what a stronger model would see",),
        why=f"{seen}: {rest}.",
        statistic_name="AUROC lost",
        details={
            "per_value": lost,
            "left_out_auroc": away.auroc,
            "grouped_auroc": usual,
            "p": chance,
            "random_auroc": random.auroc,
            "margin": settings.margin,
            "reviewer": (
                f"Ridge logistic model on statistics of the crops; AUROC per {unit} with {unit}s "
                f"left out in {parts} parts (mean of {DEALS} random deals) less the same with "
                f"whole {name}s left out, averaged per {name}; against the deals p = {chance:.2f}."
            ),
        },
    )


def _lost(
    deals: Sequence[HeldOut], away: HeldOut, groups: Sequence[str], values: Sequence[str]
) -> dict[str, float]:
    """AUROC lost per batch: mean over its units of grouped less left-out AUROC."""
    found: dict[str, list[float]] = {}
    for value, unit in sorted(set(zip(values, groups, strict=True))):
        near = [each.units[unit] for each in deals if unit in each.units]
        if near and unit in away.units:
            found.setdefault(value, []).append(float(np.mean(near)) - away.units[unit])
    return {value: float(np.mean(each)) for value, each in found.items()}


def below(interval: Interval, values: list[float], limit: float) -> bool:
    """Evidence that a gain is small: the interval's upper end, or with few units every unit."""
    if interval.n < FEWEST:
        return len(values) >= 4 and max(values) < limit
    return interval.high is not None and interval.high < limit
