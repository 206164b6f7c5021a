"""Surrogates on groups they did not see; how complex one may be is settled on groups within."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lucyte.explain.surrogate.given import Given, Names, Surrogate
from lucyte.learn.splits import best_folds, group_folds

Fit = Callable[[Given], Sequence[Surrogate]]
"""Rows to a surrogate per level of complexity, the simplest first."""


def fit_chosen(fit: Fit, rows: Given, folds: int) -> Surrogate:
    """Fit at the simplest level within one standard error of the best on inner held-out groups.

    Without inner folds the simplest is taken.

    References
    ----------
    Breiman et al. 1984, Classification and Regression Trees, section 3.4.3.
    """
    found = fit(rows)
    if len(found) == 1:
        return found[0]
    possible, _ = best_folds(rows.answers, rows.groups, folds)
    if possible < 2:
        return found[0]
    fold = group_folds(rows.answers, rows.groups, possible, rows.seed)
    scores = []
    for k in range(possible):
        held = np.flatnonzero(fold == k)
        levels = fit(rows.take(np.flatnonzero(fold != k)))
        asked = rows.table.iloc[held]
        scores.append([_balanced(each.answers(asked), rows.answers[held]) for each in levels])
    table = np.array(scores)
    mean = table.mean(axis=0)
    best = int(mean.argmax())
    error = float(table[:, best].std(ddof=1)) / np.sqrt(len(table))
    return found[int(np.argmax(mean >= mean[best] - error))]


def held_out(fit: Fit, rows: Given, fold: Any, inner: int) -> tuple[Names, list[Surrogate]]:
    """Answers of surrogates that did not see the row's group, and those surrogates by fold."""
    said = np.full(len(rows.answers), "", dtype=object)
    made = []
    for k in range(int(fold.max()) + 1):
        held = np.flatnonzero(fold == k)
        each = fit_chosen(fit, rows.take(np.flatnonzero(fold != k)), inner)
        said[held] = each.answers(rows.table.iloc[held])
        made.append(each)
    return said.astype(str), made


def _balanced(said: Names, truth: Names) -> float:
    """Mean share of right answers over the answers that are there."""
    return float(np.mean([(said[truth == name] == name).mean() for name in np.unique(truth)]))
