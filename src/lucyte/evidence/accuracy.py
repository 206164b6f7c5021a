"""Accuracy against a truth: one number per independent unit, judged against a stated need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lucyte.evidence.requirement import GROUP, Requirement, meets, shown
from lucyte.evidence.states import classification_accuracy
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.intervals import Interval, unit_mean_interval, unit_means

__all__ = [
    "Requirement",
    "classification_accuracy",
    "instance_accuracy",
    "tracking_accuracy",
]


def instance_accuracy(
    scores: pd.DataFrame,
    metric: str,
    unit: str = "field_id",
    requirement: Requirement | None = None,
    kind: str = "objects",
) -> Finding:
    """Mean over units of a metric measured field by field.

    Parameters
    ----------
    scores : DataFrame
        One row per field (or image); metric columns; the column named by ``unit``.
    metric : str
        Column to judge; larger is better. nan rows are left out and counted.
    unit : str
        The column that holds the independent unit.
    requirement : Requirement
    kind : str
        What was found, for the sentence.

    Raises
    ------
    UsageError
        A column that is not there.
    """
    for column in (metric, unit):
        if column not in scores.columns:
            raise unknown("column", column, [str(name) for name in scores.columns])
    noun = _noun(unit)
    values = scores[metric].to_numpy(dtype=np.float64)
    units = scores[unit].astype(str).to_numpy()
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing == len(values):
        return _finding(
            f"accuracy.{metric}",
            f"How well were {kind} found ({metric})?",
            Interval(math.nan, None, None, 0, "no field has a truth to compare with"),
            noun,
            {},
            (Requirement().at_least, metric),
        )
    names, means = unit_means(values, units)
    asked = requirement or Requirement()
    interval = unit_mean_interval(values, units, seed=asked.seed)
    return _finding(
        f"accuracy.{metric}",
        f"How well were {kind} found ({metric})?",
        interval,
        noun,
        dict(zip(names, means.tolist(), strict=True)),
        (asked.at_least, metric),
        {"rows": len(values), "rows_undefined": missing},
    )


def tracking_accuracy(
    scores: Mapping[str, Mapping[str, float]],
    metric: str = "TRA",
    requirement: Requirement | None = None,
) -> Finding:
    """A tracking score over whole sequences; frames of one sequence are not independent.

    Parameters
    ----------
    scores : mapping of sequence to mapping of metric to float
    metric : str
        The score to judge; the others are shown.
    """
    if not scores:
        raise UsageError("no sequence was scored; give at least one with its truth.")
    for name, own in scores.items():
        if metric not in own:
            raise unknown("tracking score", metric, own, f"In sequence {name}.")
    asked = requirement or Requirement()
    names = sorted(scores)
    values = np.array([scores[name][metric] for name in names], dtype=np.float64)
    interval = (
        unit_mean_interval(values, names, seed=asked.seed)
        if np.isfinite(values).any()
        else Interval(math.nan, None, None, len(names), "no sequence defines it")
    )
    return _finding(
        f"accuracy.{metric}",
        f"How well were cells followed ({metric})?",
        interval,
        "sequence",
        dict(zip(names, values.tolist(), strict=True)),
        (asked.at_least, metric),
        {"scores": {name: dict(scores[name]) for name in names}},
    )


def _finding(
    name: str,
    question: str,
    interval: Interval,
    unit: str,
    values: Mapping[str, float],
    asked: tuple[float | None, str],
    details: Mapping[str, Any] | None = None,
) -> Finding:
    verdict, because = meets(interval, list(values.values()), asked[0])
    return Finding(
        name=name,
        question=question,
        verdict=verdict,
        statistic=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        unit=unit,
        assumed=("the truth is right", f"{unit}s are independent"),
        why=f"{asked[1]} is {shown(interval, values, unit)}: {because}.",
        statistic_name=asked[1],
        group=GROUP,
        details={
            "per_unit": dict(values),
            "at_least": asked[0],
            "interval": interval.method,
            **(details or {}),
        },
    )


def _noun(column: str) -> str:
    return column.removesuffix("_id")
