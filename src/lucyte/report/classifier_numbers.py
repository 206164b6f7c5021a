r"""Scores of a classifier with their intervals over groups.

AUROC over whole groups drawn again and again is too slow sample by sample, so each class is sorted
once and a draw is a weight per sample:

.. math:: A = \frac{\sum_{i \in +} w_i \big(\sum_{j \in -, s_j < s_i} w_j
          + \tfrac12 \sum_{j \in -, s_j = s_i} w_j\big)}{\sum_+ w \sum_- w}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.cross_validation import METRICS, CrossValidation, count, within_range
from lucyte.report.wording import count as counted
from lucyte.stats.classification import evaluate
from lucyte.stats.intervals import FEWEST, Interval, cluster_interval

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "mcc": "MCC",
    "auroc": "AUROC",
    "accuracy": "accuracy",
}
"""The scores on the page, in their order."""


@dataclass(frozen=True)
class Measured:
    """A score with all that goes with it.

    Attributes
    ----------
    name : str
        One of `WORDS`.
    interval : Interval
    points : mapping of group to float
        Where there are too few groups for an interval.
    chance : float or None
        What guessing reaches.
    undefined : str
        Why there is no number.
    """

    name: str
    interval: Interval
    points: Mapping[str, float]
    chance: float | None
    undefined: str = ""


def measured(result: CrossValidation, rows: Rows, seed: int = 0) -> tuple[Measured, ...]:
    """Every score of `WORDS` on these rows.

    Parameters
    ----------
    result : CrossValidation
    rows : int array
    seed : int
        Of the bootstrap.
    """
    truth, answer = result.codes(rows)
    groups = [result.groups[k] for k in rows]
    told = _scores(result, rows)
    size = len(result.classes)
    area = PooledAuroc(result.probabilities[rows], truth)
    statistics: dict[str, Any] = {
        name: lambda at, metric=metric: metric(count(truth[at], answer[at], size))
        for name, metric in METRICS.items()
    }
    statistics["auroc"] = area
    points: dict[str, Mapping[str, Any]] = {}
    if len(set(groups)) < FEWEST:
        where = np.asarray(groups)
        points = {name: _scores(result, rows[where == name]) for name in sorted(set(groups))}
    shares = np.bincount(truth, minlength=size) / max(len(truth), 1)
    present = np.count_nonzero(shares)
    chances = {
        "balanced_accuracy": 1 / present if present else None,
        "accuracy": float(shares.max()),
        "mcc": 0.0,
        "auroc": 0.5,
    }
    out = []
    for name in WORDS:
        found = cluster_interval(statistics[name], groups, seed=seed)
        own = {group: score[name].value for group, score in points.items()}
        own = {group: value for group, value in own.items() if math.isfinite(value)}
        undefined = told[name].undefined
        out.append(Measured(name, within_range(name, found), own, chances.get(name), undefined))
    return tuple(out)


def _scores(result: CrossValidation, rows: Rows) -> Mapping[str, Any]:
    predicted = result.logits[rows].argmax(axis=1)
    return evaluate(
        [result.labels[k] for k in rows],
        [result.classes[k] for k in predicted],
        result.classes,
        result.probabilities[rows],
    )


class PooledAuroc:
    """AUROC of any draw of rows: one against the rest, mean over classes; of two classes the
    second.

    Parameters
    ----------
    probabilities : float array N K
    truth : int array N
    """

    def __init__(self, probabilities: Floats, truth: Rows) -> None:
        size = probabilities.shape[1]
        self.sorted = [
            _Sorted(probabilities[:, k], truth == k) for k in ([1] if size == 2 else range(size))
        ]
        self.n = len(truth)

    def __call__(self, rows: Rows) -> float:
        """The area for these rows, each as often as it comes; nan where undefined."""
        weights = np.bincount(rows, minlength=self.n).astype(np.float64)
        values = np.array([each.area(weights) for each in self.sorted])
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else math.nan


class _Sorted:
    """Scores of one class in rising order, ties together."""

    def __init__(self, scores: Floats, positive: npt.NDArray[np.bool_]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self.starts = np.flatnonzero(np.append(True, ranked[1:] > ranked[:-1]))
        self.positive = positive[self.order]

    def area(self, weights: Floats) -> float:
        w = weights[self.order]
        above = np.add.reduceat(w * self.positive, self.starts)
        below = np.add.reduceat(w * ~self.positive, self.starts)
        pairs = float(above.sum() * below.sum())
        if not pairs:
            return math.nan
        return float(above @ (np.cumsum(below) - below / 2)) / pairs


def fixed(value: float | None, digits: int = 3) -> str:
    """Always so many decimals, so that a column can be read down; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def limits(found: Interval, digits: int = 3) -> str:
    """``0.581 to 0.662``; a dash where there is no interval."""
    if found.low is None or found.high is None:
        return "–"
    return f"{fixed(found.low, digits)} to {fixed(found.high, digits)}"


def basis(result: CrossValidation, rows: Rows, thing: str) -> str:
    """``2,264 pictures of 171 plates``."""
    groups = len({result.groups[k] for k in rows})
    if thing == result.unit and groups == len(rows):
        return counted(len(rows), thing)
    return f"{counted(len(rows), thing)} of {counted(groups, result.unit)}"
