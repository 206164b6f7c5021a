"""Every score of states by name, on codes: quick enough to be asked for each resample of units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.stats import classification as plain
from lucyte.stats.classification import Counts, Score
from lucyte.stats.costs import (
    expected_cost,
    f_beta,
    likelihood_ratio,
    net_benefit,
    weighted_kappa,
)
from lucyte.stats.intervals import Interval, cluster_interval, grouped_jackknife, inside
from lucyte.stats.operating import sensitivity_at_specificity
from lucyte.stats.reliability import class_calibration_error, root_brier
from lucyte.stats.roc import auroc_interval

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
MOST_UNITS = 500
"""More units than this are left out by groups: one by one it would take minutes."""
RESAMPLES = 499


@dataclass(frozen=True)
class Answers:
    """States beside the truth.

    Attributes
    ----------
    classes : tuple of C str
        In the order of the columns of ``p``; of two the second is the positive one.
    truth, said : int array N
        Codes.
    p : float array N x C, or None
        Probabilities.
    """

    classes: tuple[str, ...]
    truth: Codes
    said: Codes
    p: Floats | None

    def table(self) -> Counts:
        """Counts ``truth x answer``."""
        n = len(self.classes)
        return np.bincount(self.truth * n + self.said, minlength=n * n).reshape(n, n)

    def take(self, rows: Codes, *, chances: bool = True) -> Answers:
        """Some rows; one may come twice. Without probabilities where a score needs none."""
        p = self.p[rows] if self.p is not None and chances else None
        return Answers(self.classes, self.truth[rows], self.said[rows], p)


@dataclass(frozen=True)
class Stated:
    """What a decision needs to be told.

    Attributes
    ----------
    costs : float array C x C, or None
        ``truth x answer``.
    beta, threshold : float
        As in `Fingerprint`.
    specificity : float or None
        That must be kept.
    """

    costs: Floats | None = None
    beta: float = 1.0
    threshold: float = 0.5
    specificity: float | None = None


def state_scores(answers: Answers, stated: Stated | None = None) -> dict[str, Score]:
    """Every score, with the reason where it is not defined."""
    asked = stated or Stated()
    names = answers.classes
    truth, said = ([names[k] for k in codes.tolist()] for codes in (answers.truth, answers.said))
    out = dict(plain.evaluate(truth, said, names, answers.p))
    for name, each in OWN.items():
        value = each(answers, asked)
        out[name] = Score(value, "" if math.isfinite(value) else _why(name, answers, asked))
    for name, by_class in BY_CLASS.items():
        values = by_class(answers.table(), asked)
        for k, kind in enumerate(answers.classes):
            value = float(values[k])
            why = "" if math.isfinite(value) else _why_class(name, answers.table(), k, kind)
            out[f"{name}:{kind}"] = Score(value, why)
    return out


def state_score(name: str, answers: Answers, stated: Stated) -> float:
    """One score by name; nan where it is not defined."""
    if name in OWN:
        return OWN[name](answers, stated)
    if name in PLAIN:
        return PLAIN[name](answers)
    head, _, kind = name.partition(":")
    rows: Mapping[str, Callable[[Counts, Stated], Floats]] = {**BY_CLASS, **PLAIN_BY_CLASS}
    return float(rows[head](answers.table(), stated)[answers.classes.index(kind)])


def score_interval(
    name: str, answers: Answers, units: npt.NDArray[np.str_], stated: Stated
) -> Interval:
    """A score over all rows, with an interval that draws whole units."""
    chances = name in OF_CHANCES

    def score(rows: Codes) -> float:
        return state_score(name, answers.take(rows, chances=chances), stated)

    if len(np.unique(units)) > MOST_UNITS:
        found = grouped_jackknife(score, units)
    elif name == "auroc" and len(answers.classes) == 2 and answers.p is not None:
        return auroc_interval(answers.p[:, 1], answers.truth == 1, units, "cells")
    else:
        found = cluster_interval(score, units, resamples=RESAMPLES)
    return inside(found) if name.startswith(BOUNDED) else found


OF_CHANCES = ("auroc", "average_precision", "brier", "log_loss", "ece", "class_ece",
              "root_brier", "net_benefit", "sensitivity_at_specificity")  # fmt: skip
BOUNDED = ("accuracy", "balanced", "macro", "recall", "precision", "f1", "fbeta", "auroc",
           "average", "sensitivity", "ece", "class_ece")  # fmt: skip


def _with_p(score: Callable[[Answers, Floats], float]) -> Callable[[Answers], float]:
    return lambda answers: math.nan if answers.p is None else score(answers, answers.p)


def _ranked(score: Callable[[Floats, npt.NDArray[np.bool_]], float]) -> Callable[[Answers], float]:
    """Of the second of two classes; the mean over classes, one against the rest, with more."""

    def of(answers: Answers, p: Floats) -> float:
        which = [1] if len(answers.classes) == 2 else range(len(answers.classes))
        values = np.array([score(p[:, k], answers.truth == k) for k in which])
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else math.nan

    return _with_p(of)


def _chances(score: Callable[..., float]) -> Callable[[Answers], float]:
    return _with_p(lambda a, p: score(a.truth.tolist(), p, range(len(a.classes))))


PLAIN: Mapping[str, Callable[[Answers], float]] = {
    "accuracy": lambda a: plain.accuracy(a.table()),
    "balanced_accuracy": lambda a: plain.balanced_accuracy(a.table()),
    "macro_f1": lambda a: plain.macro_f1(a.table()),
    "mcc": lambda a: plain.mcc(a.table()),
    "auroc": _ranked(plain.auroc),
    "average_precision": _ranked(plain.average_precision),
    "brier": _chances(plain.brier),
    "log_loss": _chances(plain.log_loss),
    "ece": _chances(plain.expected_calibration_error),
}
"""Those that :func:`lucyte.stats.classification.evaluate` gives, one at a time."""
PLAIN_BY_CLASS: Mapping[str, Callable[[Counts, Stated], Floats]] = {
    "recall": lambda t, _: plain.recall(t),
    "precision": lambda t, _: plain.precision(t),
    "f1": lambda t, _: plain.f1(t),
}


def _benefit(answers: Answers, stated: Stated) -> float:
    if answers.p is None or len(answers.classes) != 2:
        return math.nan
    return net_benefit(answers.p[:, 1], answers.truth == 1, stated.threshold)


def _sensitivity(answers: Answers, stated: Stated) -> float:
    if answers.p is None or len(answers.classes) != 2 or stated.specificity is None:
        return math.nan
    return sensitivity_at_specificity(answers.p[:, 1], answers.truth == 1, stated.specificity)


OWN: Mapping[str, Callable[[Answers, Stated], float]] = {
    "expected_cost": lambda a, s: expected_cost(a.table(), s.costs).value,
    "expected_cost_normalised": lambda a, s: expected_cost(a.table(), s.costs).normalised,
    "weighted_kappa": lambda a, _: weighted_kappa(a.table()),
    "class_ece": lambda a, _: _chances(class_calibration_error)(a),
    "root_brier": lambda a, _: _chances(root_brier)(a),
    "net_benefit": _benefit,
    "sensitivity_at_specificity": _sensitivity,
}
BY_CLASS: Mapping[str, Callable[[Counts, Stated], Floats]] = {
    "fbeta": lambda t, s: f_beta(t, s.beta),
    "likelihood_ratio": lambda t, _: likelihood_ratio(t),
}


def _why(name: str, answers: Answers, stated: Stated) -> str:
    if not len(answers.truth):
        return "there is no object to judge"
    if name in ("class_ece", "root_brier", "net_benefit", "sensitivity_at_specificity"):
        if answers.p is None:
            return "there are no probabilities"
        if name in ("net_benefit", "sensitivity_at_specificity") and len(answers.classes) != 2:
            return f"it needs two classes, and there are {len(answers.classes)}"
        if name == "sensitivity_at_specificity" and stated.specificity is None:
            return "no target_specificity is in the fingerprint"
    if name.startswith("expected_cost"):
        return expected_cost(answers.table(), stated.costs).undefined
    return "only one class is there and answered"


def _why_class(name: str, table: Counts, k: int, kind: str) -> str:
    there = int(table[k].sum())
    if not there and not table[:, k].sum():
        return f"no {kind} is there or was answered"
    if name == "fbeta":
        return f"no {kind} is there"
    if not there or there == int(table.sum()):
        return f"no {kind} is there" if not there else f"all are {kind}"
    return f"no false {kind}: the ratio has no upper end"
