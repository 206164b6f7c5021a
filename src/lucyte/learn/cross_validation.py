"""Cross-validation by whole groups: answers come from models that never saw the group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from lucyte.learn.image_learner import check_labels
from lucyte.learn.row_view import take_rows
from lucyte.learn.splits import group_folds, random_folds
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Learner, Predictor
from lucyte.schema.samples import Samples
from lucyte.stats.classification import (
    Counts,
    Score,
    accuracy,
    balanced_accuracy,
    confusion,
    evaluate,
    macro_f1,
    mcc,
)
from lucyte.stats.intervals import Interval, cluster_interval

Floats = npt.NDArray[np.float64]
MakeLearner = Callable[[int], Learner]
"""Number of the fold (-1 for the model on all folds) to a fresh learner."""
Told = Callable[[str], None]
HELD_OUT = -1
METRICS: Mapping[str, Callable[[Counts], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "mcc": mcc,
}
LOWEST = {"mcc": -1.0}
"""Of scores that may fall below 0."""
NEVER_SEEN = -50.0
"""Logit below the row's lowest for a class that a fold's training rows did not hold."""


@dataclass(frozen=True)
class CrossValidation:
    """Answers for every sample, by models that did not see its group.

    Attributes
    ----------
    classes : tuple of K str
    logits : float array N K
        Out-of-fold; of held-out samples those of the model on all folds.
    fold : int array N
        0 to k - 1; -1 for held-out groups.
    labels, groups, names : tuple of N str
    unit : str
        What groups count.
    warnings : tuple of str
        What must go with everything made from this; a random split says so here.
    leakage : bool
        Groups were on both sides.
    model : Predictor or None
        Fitted on all folds, where groups were held out.
    """

    classes: tuple[str, ...]
    logits: Floats
    fold: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    names: tuple[str, ...]
    unit: str
    warnings: tuple[str, ...] = ()
    leakage: bool = False
    model: Predictor | None = field(default=None, repr=False)

    @property
    def folds(self) -> int:
        """How many folds."""
        return int(self.fold.max()) + 1

    @property
    def probabilities(self) -> Floats:
        """``N x K``."""
        told: Floats = softmax(self.logits, axis=1)
        return told

    @property
    def predicted(self) -> tuple[str, ...]:
        """The likeliest class of each sample."""
        return tuple(self.classes[k] for k in self.logits.argmax(axis=1))

    def table(self, rows: npt.ArrayLike | None = None) -> Counts:
        """Confusion counts ``truth x predicted``; of the folds where no rows are given."""
        at = self.rows() if rows is None else np.asarray(rows)
        answers = self.logits.argmax(axis=1)
        truth = [self.labels[k] for k in at]
        return confusion(truth, [self.classes[answers[k]] for k in at], self.classes)

    def rows(self, fold: int | None = None) -> npt.NDArray[np.int64]:
        """Rows of one fold (-1: held out), or of all folds."""
        return np.flatnonzero(self.fold >= 0 if fold is None else self.fold == fold)

    def scores(self, fold: int | None = None) -> Mapping[str, Score]:
        """Every metric, of one fold (-1: held out) or pooled over folds."""
        at = self.rows(fold)
        predicted = self.predicted
        truth, answers = [self.labels[k] for k in at], [predicted[k] for k in at]
        return evaluate(truth, answers, self.classes, self.probabilities[at])

    def interval(self, metric: str = "balanced_accuracy", seed: int = 0) -> Interval:
        """A pooled metric with its interval over groups.

        Raises
        ------
        UsageError
            A metric that is none of `METRICS`.
        """
        measure = find_metric(metric)
        at = self.rows()
        code, answer = self.codes(at)
        size = len(self.classes)

        def statistic(rows: npt.NDArray[np.int64]) -> float:
            return measure(count(code[rows], answer[rows], size))

        found = cluster_interval(statistic, [self.groups[k] for k in at], seed=seed)
        return within_range(metric, found)

    def codes(
        self, rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Positions of the true and the answered class of these rows."""
        place = {name: k for k, name in enumerate(self.classes)}
        code = np.array([place[self.labels[k]] for k in rows], dtype=np.int64)
        return code, np.asarray(self.logits[rows].argmax(axis=1), dtype=np.int64)


def cross_validate(
    samples: Samples,
    make_learner: MakeLearner,
    folds: int,
    seed: int,
    *,
    held_out_groups: Sequence[str] | None = None,
    allow_leakage: bool = False,
    told: Told = lambda _: None,
) -> CrossValidation:
    """Answer every sample by a learner that was fitted without its group.

    Parameters
    ----------
    samples : Samples
        All with labels.
    make_learner : callable
        Fold to a fresh learner; ``-1`` asks for the one that is fitted on all folds.
    folds : int
        Stratified by class, whole groups.
    seed : int
        Of the folds and of every learner.
    held_out_groups : sequence of str, optional
        Set aside before anything else; answered once, by a learner fitted on all folds.
    allow_leakage : bool
        Split samples at random instead; the result is marked.
    told : callable
        Receives a line per fold.

    Raises
    ------
    UsageError
        One class, a label missing, one group only, fewer groups than folds; names the culprit.
    """
    check_labels(samples.images, samples.labels, samples.groups)
    everywhere = sorted(set(samples.groups))
    if len(everywhere) < 2 and not allow_leakage:
        raise UsageError(
            f"all {len(samples)} samples are in one group ({everywhere[0]!r}); two or more are "
            "needed to hold one out. Give another column or expression of groups."
        )
    aside = _aside(samples, held_out_groups)
    inside = np.flatnonzero(~aside)
    fold = np.full(len(samples), HELD_OUT, dtype=np.int64)
    labels, groups = _pick(samples.labels, inside), _pick(samples.groups, inside)
    warnings: list[str] = []
    if allow_leakage:
        fold[inside], warning = random_folds(labels, groups, folds, seed, allow_leakage=True)
        warnings.append(warning)
    else:
        fold[inside] = group_folds(labels, groups, folds, seed)
    if not samples.grouped:
        warnings.append(
            f"No groups were given, so each {samples.unit} is its own: whether they are "
            "independent is unknown."
        )
    classes = samples.classes
    logits = np.full((len(samples), len(classes)), np.nan)
    for each in range(folds):
        train, test = np.flatnonzero((fold >= 0) & (fold != each)), np.flatnonzero(fold == each)
        told(f"fold {each + 1} of {folds}: {len(train)} to learn from, {len(test)} to test on")
        model = _fit(samples, make_learner(each), train, seed)
        logits[test] = _answer(samples, model, test, classes)
    final = None
    if aside.any():
        told(f"all folds: {len(inside)} to learn from, {int(aside.sum())} held out")
        final = _fit(samples, make_learner(HELD_OUT), inside, seed)
        logits[aside] = _answer(samples, final, np.flatnonzero(aside), classes)
    return CrossValidation(
        *(classes, logits, fold, samples.labels, samples.groups, samples.names, samples.unit),
        warnings=tuple(warnings),
        leakage=allow_leakage,
        model=final,
    )


def within_range(metric: str, found: Interval) -> Interval:
    """A score's limits lie where scores can, whatever a t quantile says.

    A score that no choice of groups changes (one answer throughout, no error at all) shows no
    spread, and an interval without width would be certainty: it gets none.
    """
    if found.low is None or found.high is None:
        return found
    if found.low == found.high:
        return replace(found, low=None, high=None, method="none: the same in every group")
    low = max(LOWEST.get(metric, 0.0), found.low)
    return replace(found, low=low, high=min(1.0, found.high))


def find_metric(name: str) -> Callable[[Counts], float]:
    """A metric of a confusion table.

    Raises
    ------
    UsageError
        No metric is called so.
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def count(truth: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], classes: int) -> Counts:
    """Confusion counts of class positions, ``truth x answer``."""
    flat = np.bincount(truth * classes + answer, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def learner_input(samples: Samples, learner: Any) -> npt.NDArray[Any]:
    """The images a learner takes: its own channels where it names them."""
    wanted = tuple(getattr(learner, "channels", ()))
    return samples.for_channels(wanted) if wanted else samples.images


def _fit(samples: Samples, learner: Learner, rows: npt.NDArray[np.int64], seed: int) -> Predictor:
    images = take_rows(learner_input(samples, learner), rows)
    return learner.fit(images, _pick(samples.labels, rows), _pick(samples.groups, rows), seed)


def _answer(
    samples: Samples, model: Predictor, rows: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> Floats:
    """Logits in the order of ``classes``; a class the model never saw is far below the others."""
    out = np.empty((len(rows), len(classes)))
    at = [classes.index(name) for name in model.classes]
    for start in range(0, len(rows), 1024):
        some = rows[start : start + 1024]
        found = model.logits(samples.take(some).for_channels(model.channels))
        part = np.repeat(found.min(axis=1, keepdims=True) + NEVER_SEEN, len(classes), axis=1)
        part[:, at] = found
        out[start : start + 1024] = part
    return out


def _aside(samples: Samples, held_out: Sequence[str] | None) -> npt.NDArray[np.bool_]:
    known = set(samples.groups)
    for name in held_out or ():
        if name not in known:
            raise unknown("group", name, sorted(known)[:12], "Of those to hold out.")
    return np.isin(np.asarray(samples.groups, dtype=str), list(held_out or ()))


def _pick(values: Sequence[str], rows: npt.NDArray[np.int64]) -> list[str]:
    return [values[k] for k in rows]
