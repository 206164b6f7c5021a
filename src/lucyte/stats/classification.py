"""Metrics of classification. Undefined is nan, never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Labels = Sequence[Any] | npt.NDArray[Any]


def confusion(truth: Labels, predicted: Labels, classes: Sequence[Any]) -> Counts:
    """Counts ``truth x predicted`` in the order of ``classes``.

    Raises
    ------
    UsageError
        Lengths differ, or a label is not one of the classes.
    """
    if len(truth) != len(predicted):
        raise UsageError(f"got {len(predicted)} predictions for {len(truth)} truths.")
    place = {each: k for k, each in enumerate(classes)}
    for each in sorted({str(x) for x in [*truth, *predicted] if x not in place}):
        raise unknown("class", each, [str(name) for name in classes])
    table = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(table, ([place[x] for x in truth], [place[x] for x in predicted]), 1)
    return table


def accuracy(table: Counts) -> float:
    """Share of right answers in a confusion matrix; nan where empty."""
    return _ratio(float(np.trace(table)), float(table.sum()))


def recall(table: Counts) -> Floats:
    """Per class: of those that are, how many were found; nan for a class that is not there."""
    return _divide(np.diag(table), table.sum(axis=1))


def precision(table: Counts) -> Floats:
    """Per class: of those called so, how many are; nan for a class never called."""
    return _divide(np.diag(table), table.sum(axis=0))


def f1(table: Counts) -> Floats:
    """Per class ``2 TP / (2 TP + FP + FN)``; nan for a class neither there nor called."""
    return _divide(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))


def macro_f1(table: Counts) -> float:
    """Mean of the classes' F1 over the classes that are there or were called."""
    return _mean(f1(table))


def balanced_accuracy(table: Counts) -> float:
    """Mean recall over the classes that are there."""
    return _mean(recall(table))


def mcc(table: Counts) -> float:
    """Matthews' correlation for any number of classes; nan where truth or answers are constant.

    References
    ----------
    Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006.
    """
    t, p = table.sum(axis=1).astype(np.float64), table.sum(axis=0).astype(np.float64)
    n, right = float(table.sum()), float(np.trace(table))
    below = (n**2 - float(t @ t)) * (n**2 - float(p @ p))
    return _ratio(right * n - float(t @ p), math.sqrt(below))


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Chance that a positive outscores a negative, ties one half; nan with one class.

    References
    ----------
    Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.
    """
    s, y = _binary(scores, positive)
    low = np.sort(s[~y])
    if not len(low) or not y.any():
        return math.nan
    beaten = np.searchsorted(low, s[y], "left") + np.searchsorted(low, s[y], "right")
    return float(beaten.sum() / (2.0 * len(low) * np.count_nonzero(y)))


def average_precision(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """``sum_k (R_k - R_(k-1)) P_k`` over distinct thresholds; nan without positives."""
    s, y = _binary(scores, positive)
    if not y.any():
        return math.nan
    order = np.argsort(-s, kind="stable")
    last = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    hits = np.cumsum(y[order])[last].astype(np.float64)
    gained = np.diff(hits, prepend=0.0) / hits[-1]
    return float((gained * hits / (last + 1)).sum())


def brier(truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any]) -> float:
    """Mean squared error of the probabilities.

    Two classes: of the second class's probability, 0 to 1. More: summed over classes, 0 to 2.

    References
    ----------
    Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    hot, p = _probabilities(truth, probabilities, classes)
    gap = float(((p - hot) ** 2).sum(axis=1).mean()) if len(p) else math.nan
    return gap / 2 if len(classes) == 2 else gap


def log_loss(truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any]) -> float:
    """Mean of ``-log p(truth)`` in nats, p kept at least 2.2e-16 so that it stays finite."""
    hot, p = _probabilities(truth, probabilities, classes)
    if not len(p):
        return math.nan
    told = (p * hot).sum(axis=1)
    return float(-np.log(np.clip(told, np.finfo(np.float64).eps, 1.0)).mean())


def expected_calibration_error(
    truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any], bins: int = 15
) -> float:
    """Gap between confidence and accuracy of the top class, over equal-width bins.

    ``sum_b n_b / n |accuracy_b - confidence_b|``; bins are open below and closed above.

    References
    ----------
    Guo et al. 2017, arXiv 1706.04599.
    """
    hot, p = _probabilities(truth, probabilities, classes)
    if not len(p):
        return math.nan
    top = p.argmax(axis=1)
    sure, right = p.max(axis=1), hot[np.arange(len(p)), top]
    at = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(at, weights=right - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


@dataclass(frozen=True)
class Score:
    """A metric's value, and where it is nan the reason in words."""

    value: float
    undefined: str = ""


def evaluate(
    truth: Labels,
    predicted: Labels,
    classes: Sequence[Any],
    probabilities: npt.ArrayLike | None = None,
) -> Mapping[str, Score]:
    """Every metric of this module that the input allows, by name.

    AUROC and average precision treat the second of two classes as positive; with more classes
    they are means over classes, one against the rest. Without probabilities they say so.
    """
    table = confusion(truth, predicted, classes)
    there = [k for k in range(len(classes)) if table[k].sum()]
    names = [str(each) for each in classes]
    empty = "" if table.sum() else "there is no object to judge"
    lone = empty or (f"only {names[there[0]]} is there" if len(there) == 1 else "")
    called = np.count_nonzero(table.sum(axis=0))
    told = f"every answer is {names[int(table.sum(axis=0).argmax())]}" if called == 1 else ""
    out = {
        "accuracy": Score(accuracy(table), empty),
        "balanced_accuracy": Score(balanced_accuracy(table), empty),
        "macro_f1": Score(macro_f1(table), empty),
        "mcc": Score(mcc(table), lone or told),
    }
    for k, name in enumerate(names):
        absent = "" if table[k].sum() else f"no {name} is there"
        never = "" if table[:, k].sum() else f"nothing was called {name}"
        out[f"recall:{name}"] = Score(float(recall(table)[k]), absent)
        out[f"precision:{name}"] = Score(float(precision(table)[k]), never)
        out[f"f1:{name}"] = Score(float(f1(table)[k]), absent and never and f"{absent}, {never}")
    if probabilities is None:
        missing = Score(math.nan, "the model gives no probabilities")
        return out | dict.fromkeys(
            ("auroc", "average_precision", "brier", "log_loss", "ece"), missing
        )
    hot, p = _probabilities(truth, probabilities, classes)
    ranked = [1] if len(classes) == 2 else list(range(len(classes)))
    out["auroc"] = Score(_mean([auroc(p[:, k], hot[:, k] > 0) for k in ranked]), lone)
    precise = _mean([average_precision(p[:, k], hot[:, k] > 0) for k in ranked])
    out["average_precision"] = Score(precise, empty or ("" if precise == precise else lone))
    out["brier"] = Score(brier(truth, p, classes), empty)
    out["log_loss"] = Score(log_loss(truth, p, classes), empty)
    out["ece"] = Score(expected_calibration_error(truth, p, classes), empty)
    return out


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


def _divide(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    out: Floats = np.full(a.shape, np.nan)
    np.divide(a, b, out=out, where=b > 0)
    return out


def _mean(values: npt.ArrayLike) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def _binary(scores: npt.ArrayLike, positive: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    if s.shape != y.shape or s.ndim != 1:
        raise UsageError(f"got scores {s.shape} for truths {y.shape}; one each.")
    if not np.isfinite(s).all():
        raise UsageError("scores hold nan or infinite values; leave those objects out first.")
    return s, y


def _probabilities(
    truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any]
) -> tuple[Floats, Floats]:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != (len(truth), len(classes)):
        raise UsageError(
            f"probabilities must be {len(truth)} objects x {len(classes)} classes, got {p.shape}."
        )
    if p.size and (p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-6):
        raise UsageError("probabilities must be at least 0 and add up to 1 for each object.")
    place = {each: k for k, each in enumerate(classes)}
    for each in truth:
        if each not in place:
            raise unknown("class", str(each), [str(name) for name in classes])
    hot = np.zeros_like(p)
    hot[np.arange(len(p)), [place[each] for each in truth]] = 1.0
    return hot, p
