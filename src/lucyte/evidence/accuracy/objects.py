"""Accuracy against a truth: one number per independent unit, judged against a stated need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.requirement import GROUP, Requirement, meets, shown
from lucyte.evidence.accuracy.states import classification_accuracy
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.boxes import COCO_THRESHOLDS, BoxHits, pooled_precision
from lucyte.stats.classification import balanced_accuracy, confusion, evaluate
from lucyte.stats.goodness import find_measure
from lucyte.stats.intervals import (
    Interval,
    cluster_interval,
    inside,
    unit_means,
    unit_score_interval,
)

__all__ = [
    "Requirement",
    "called_accuracy",
    "classification_accuracy",
    "detection_accuracy",
    "instance_accuracy",
    "score_accuracy",
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
        Column to judge. nan rows are left out and counted.
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
            Interval(math.nan, None, None, 0, _lacking(metric)),
            noun,
            {},
            (Requirement().at_least, metric),
        )
    names, means = unit_means(values, units)
    asked = requirement or Requirement()
    interval = unit_score_interval(values, units, _bounds(metric), seed=asked.seed)
    return _finding(
        f"accuracy.{metric}",
        f"How well were {kind} found ({metric})?",
        interval,
        noun,
        dict(zip(names, means.tolist(), strict=True)),
        (asked.at_least, metric),
        {"rows": len(values), "rows_undefined": missing},
    )


def score_accuracy(
    metric: str, interval: Interval, unit: str, requirement: Requirement | None = None
) -> Finding:
    """A score over all rows at once, from its interval over units.

    Parameters
    ----------
    metric : str
    interval : Interval
        nan with the reason as its method where the score is not defined.
    unit : str
        Column of the independent unit.
    requirement : Requirement
    """
    asked = requirement or Requirement()
    noun = _noun(unit)
    return _finding(
        f"accuracy.{metric}",
        f"How good are the answers ({metric})?",
        interval,
        noun,
        {noun: interval.estimate},
        (asked.at_least, metric),
    )


def detection_accuracy(
    images: Sequence[BoxHits],
    units: Sequence[str],
    metric: str = "mAP50",
    unit: str = "image",
    requirement: Requirement | None = None,
    kind: str = "objects",
) -> Finding:
    """COCO average precision pooled over images, with an interval over whole units.

    Parameters
    ----------
    images : sequence of BoxHits
        At the thresholds of COCO.
    units : sequence of str
        The independent unit of each image.
    metric : {"mAP50", "mAP50-95"}
    unit : str
        What a unit is.
    requirement : Requirement
    kind : str
        What was found, for the sentence.

    Raises
    ------
    UsageError
        Another metric.
    """
    if metric not in ("mAP50", "mAP50-95"):
        raise unknown("average precision", metric, ("mAP50", "mAP50-95"))
    asked = requirement or Requirement()
    taken = (0.5,) if metric == "mAP50" else COCO_THRESHOLDS
    held = [replace(each, hits=each.hits[: len(taken)]) for each in images]

    def precision(rows: npt.NDArray[np.int64]) -> float:
        return pooled_precision([held[k] for k in rows], taken)[metric]

    names = np.asarray(units, dtype=str)
    interval = inside(cluster_interval(precision, names, seed=asked.seed))
    values = {str(u): precision(np.flatnonzero(names == u)) for u in np.unique(names)}
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    return _finding(
        f"accuracy.{metric}",
        f"How well were {kind} found ({metric})?",
        interval,
        _noun(unit),
        known,
        (asked.at_least, metric),
        {"rows": len(images), "true_boxes": sum(each.truth for each in images)},
    )


def called_accuracy(
    table: pd.DataFrame,
    classes: Sequence[str],
    unit: str,
    requirement: Requirement | None = None,
) -> Finding:
    """Balanced accuracy of states that come without probabilities.

    Parameters
    ----------
    table : DataFrame
        One row per object: ``truth``, ``state``, the column named by ``unit``.
    classes : sequence of str
    unit : str
        Column of the independent unit.
    requirement : Requirement

    Raises
    ------
    UsageError
        A missing column, or a truth or state that is not one of the classes.
    """
    for column in ("truth", "state", unit):
        if column not in table.columns:
            raise unknown("column", column, [str(name) for name in table.columns])
    asked = requirement or Requirement()
    truth = table["truth"].astype(str).to_numpy(dtype=str)
    said = table["state"].astype(str).to_numpy(dtype=str)
    units = table[unit].astype(str).to_numpy(dtype=str)

    def recall(rows: npt.NDArray[np.int64]) -> float:
        return balanced_accuracy(confusion(truth[rows].tolist(), said[rows].tolist(), classes))

    interval = inside(cluster_interval(recall, units, seed=asked.seed))
    told = evaluate(truth.tolist(), said.tolist(), list(classes))
    return _finding(
        "accuracy.classification",
        f"How well do the states tell {' from '.join(classes)}?",
        interval,
        _noun(unit),
        {str(u): recall(np.flatnonzero(units == u)) for u in np.unique(units)},
        (asked.at_least, "balanced accuracy"),
        {
            "metrics": {name: score.value for name, score in told.items()},
            "undefined": {name: each.undefined for name, each in told.items() if each.undefined},
            "confusion": confusion(truth.tolist(), said.tolist(), classes).tolist(),
            "classes": list(classes),
            "objects": len(table),
        },
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
        unit_score_interval(values, names, _bounds(metric), seed=asked.seed)
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
    measure = find_measure(asked[1])
    better = measure.better if measure else "higher"
    verdict, because = meets(interval, list(values.values()), asked[0], better)
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


def _bounds(metric: str) -> tuple[float, float]:
    measure = find_measure(metric)
    return (measure.low, measure.high) if measure else (-math.inf, math.inf)


def _lacking(metric: str) -> str:
    """Why a score is defined in no row."""
    measure = find_measure(metric)
    return f"it needs {measure.needs}" if measure else "no row defines it"


def _noun(column: str) -> str:
    return column.removesuffix("_id")
