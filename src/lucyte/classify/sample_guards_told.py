"""How well something tells the class of samples in groups that were held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.finding import Verdict
from lucyte.stats.intervals import FEWEST, cluster_interval

Names = npt.NDArray[np.str_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """What something tells of the class.

    Attributes
    ----------
    balanced_accuracy, accuracy : float
        nan where undefined.
    low, high : float or None
        Of the balanced accuracy, over groups.
    n : int
        Groups.
    per_class : mapping of str to float
        Recall.
    undefined : str
        Why there is nothing to say.
    """

    balanced_accuracy: float = math.nan
    accuracy: float = math.nan
    low: float | None = None
    high: float | None = None
    n: int = 0
    per_class: dict[str, float] = field(default_factory=dict)
    undefined: str = ""


def told_by_table(
    table: pd.DataFrame, labels: Names, groups: Names, folds: Ints, seed: int, trees: int = 100
) -> Told:
    """Extra trees on a table, whole groups held out; every class weighs the same.

    References
    ----------
    Geurts, Ernst and Wehenkel 2006, doi 10.1007/s10994-006-6226-1.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    x = table.to_numpy(dtype=np.float64)
    missing = ~np.isfinite(x)
    x = np.where(missing, np.nanmedian(np.where(missing, np.nan, x), axis=0), x)
    x = np.nan_to_num(x)  # a column that is missing throughout
    predicted = np.empty(len(labels), dtype=labels.dtype)
    for fold in np.unique(folds):
        test = folds == fold
        forest = ExtraTreesClassifier(
            trees, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
        )
        predicted[test] = forest.fit(x[~test], labels[~test]).predict(x[test])
    return told(labels, predicted, groups)


def told_by_level(values: Names, labels: Names, groups: Names, folds: Ints) -> Told:
    """The class that a value has most often elsewhere, whole groups held out.

    Classes weigh the same. A value that was not seen elsewhere tells nothing: it is answered with
    the commonest class.
    """
    classes, y = np.unique(labels, return_inverse=True)
    _, v = np.unique(values, return_inverse=True)
    predicted = np.empty(len(labels), dtype=labels.dtype)
    for fold in np.unique(folds):
        test = folds == fold
        counts = _counts(v[~test], y[~test], int(v.max()) + 1, len(classes))
        share = counts / np.maximum(counts.sum(axis=0), 1)
        best = np.where(counts.sum(axis=1) > 0, share.argmax(axis=1), counts.sum(axis=0).argmax())
        predicted[test] = classes[best[v[test]]]
    return told(labels, predicted, groups)


def told_by_neighbours(values: Names, labels: Names) -> tuple[float, float]:
    """Accuracy of naming the commonest class among the *other* samples of the same value.

    This is what a random split of samples gives away. Beside it: the share of the commonest class,
    which is what naming it throughout would reach.
    """
    classes, y = np.unique(labels, return_inverse=True)
    _, v = np.unique(values, return_inverse=True)
    counts = _counts(v, y, int(v.max()) + 1, len(classes))
    total = counts.sum(axis=0)
    rows = np.arange(len(y))
    others = counts[v].copy()
    others[rows, y] -= 1
    whole = np.tile(total, (len(y), 1))
    whole[rows, y] -= 1
    best = np.where(others.sum(axis=1) > 0, others.argmax(axis=1), whole.argmax(axis=1))
    return float((best == y).mean()), float(total.max() / total.sum())


def told(labels: Names, predicted: Names, groups: Names) -> Told:
    """Balanced accuracy with its interval over groups."""
    classes, y = np.unique(labels, return_inverse=True)
    right = labels == predicted

    def balanced(rows: Ints) -> float:
        n = np.bincount(y[rows], minlength=len(classes))
        hits = np.bincount(y[rows], weights=right[rows], minlength=len(classes))
        return float((hits[n > 0] / n[n > 0]).mean())

    interval = cluster_interval(balanced, groups, resamples=499)
    recall = {str(name): float(right[labels == name].mean()) for name in classes}
    low, high = interval.low, interval.high
    return Told(
        interval.estimate,
        float(right.mean()),
        None if low is None else max(low, 0.0),
        None if high is None else min(high, 1.0),
        interval.n,
        recall,
    )


def judged(shortcut: Told, pictures: float, chance: float, margin: float) -> tuple[Verdict, str]:
    """Warn without significance, reassure on evidence only.

    fail
        ``margin`` or more above chance, and within ``margin`` of what whole pictures tell.
    pass
        The interval ends below ``chance + margin``; without an interval never.
    inconclusive
        Anything else.

    Returns
    -------
    verdict, because
    """
    limit = chance + margin
    if shortcut.undefined:
        return "inconclusive", shortcut.undefined
    if shortcut.balanced_accuracy >= limit:
        if not shortcut.balanced_accuracy < pictures - margin:
            return "fail", "about as much as whole pictures tell"
        return "inconclusive", "more than chance, less than whole pictures tell"
    if shortcut.high is not None and shortcut.high < limit:
        return "pass", f"the interval ends at {shortcut.high:.2f}, below {limit:.2f}"
    if shortcut.n < FEWEST:
        return "inconclusive", f"little, but {shortcut.n} groups are too few to reassure"
    return "inconclusive", f"the interval reaches {shortcut.high or math.nan:.2f}"


def _counts(v: Ints, y: Ints, values: int, classes: int) -> npt.NDArray[np.int64]:
    flat = np.bincount(v * classes + y, minlength=values * classes)
    return flat.reshape(values, classes).astype(np.int64)


def names_array(values: Sequence[str]) -> Names:
    """A tuple of names as an array."""
    return np.asarray(values, dtype=str)
