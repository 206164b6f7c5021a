"""A sparse logistic model of named features, its penalty chosen on groups it did not see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.scaling import Scale, fit_scaling
from lucyte.learn.sparse_path import Floats, Ints, fit_path, log_loss, penalty_path
from lucyte.learn.splits import Names, best_folds, even_sample, group_folds
from lucyte.schema.errors import UsageError, unknown

PATIENCE = 2
"""Penalties in a row without a smaller held-out loss after which the path is left."""
FALLBACK = 4
"""Position on the path of penalties where no inner split is possible."""


@dataclass(frozen=True)
class LogisticSettings:
    """How `fit_logistic` works.

    Attributes
    ----------
    alpha : float
        1 is the lasso; a little less keeps correlated features together.
    scaling : {"robust", "standard"}
    max_missing : float
        Share of rows in which a column may be missing.
    folds : int
        Inner group-wise folds, where the groups allow as many.
    rows : int
        Rows on which the penalty is chosen, drawn evenly over groups; the fit itself takes all.
    rule : {"one_se", "best", "filled"}
        Sparsest model within one standard error of the best; the best; or the best that uses a
        feature at all, for a guard that must try (an empty model ranks nothing and warns of
        nothing).
    channels : tuple of str
        Channels the features were measured in; kept with the model.
    """

    alpha: float = 0.95
    scaling: Scale = "robust"
    max_missing: float = 0.2
    folds: int = 4
    rows: int = 4000
    rule: Literal["one_se", "best", "filled"] = "one_se"
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise UsageError(f"alpha must be above 0 and at most 1, got {self.alpha:g}.")
        if self.rule not in ("one_se", "best", "filled"):
            raise unknown("rule for the penalty", self.rule, ["one_se", "best", "filled"])


def fit_logistic(
    table: pd.DataFrame,
    columns: Sequence[str],
    labels: Names,
    groups: Names,
    seed: int,
    settings: LogisticSettings | None = None,
) -> FeatureModel:
    """Fit a sparse logistic model in which every class, and in it every group, weighs the same.

    Parameters
    ----------
    table : DataFrame
        One row per object.
    columns : sequence of str
        Features on offer.
    labels, groups : sequence of N names
        Class, and the independent unit (well), of each row.
    seed : int
    settings : LogisticSettings, optional

    Raises
    ------
    UsageError
        One class only, no row, lengths that differ, or no column that can be used.

    References
    ----------
    Friedman, Hastie and Tibshirani 2010, doi 10.18637/jss.v033.i01.
    """
    how = settings or LogisticSettings()
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    if not len(table) == len(y) == len(g):
        raise UsageError(f"got {len(table)} rows, {len(y)} labels and {len(g)} groups.")
    classes = tuple(str(name) for name in np.unique(y))
    possible, why = best_folds(y, g, how.folds)
    # The penalty is chosen on scaled columns; a row with nothing measured teaches nothing.
    scaling = fit_scaling(table, columns, how.scaling, how.max_missing)
    x = scaling.apply(table)
    known = ~np.isnan(x[:, 0])
    code = np.searchsorted(classes, y)
    if len(np.unique(code[known])) < len(classes):
        raise UsageError("a class has no object in which anything was measured; leave it out.")
    weight = balanced_weights(y, g, known)
    penalties = penalty_path(x[known], code[known], weight[known], len(classes), how.alpha)
    if possible < 2:
        at, chosen = FALLBACK, f"fixed share of the largest penalty, for {why}"
    else:
        some = even_sample(_stratum(y, g), how.rows, seed)
        folds = group_folds(y[some], g[some], possible, seed)
        losses = _inner_losses(table.iloc[some], columns, y[some], g[some], folds, penalties, how)
        at, chosen = choose_penalty(losses, how.rule)
    path = penalties[max(0, at - 1) : at + 1].tolist()  # one step for a warm start
    fits = fit_path(x[known], code[known], weight[known], len(classes), how.alpha, path)
    fit = list(fits)[-1]
    names = tuple(str(name) for name in np.unique(g))
    return FeatureModel(
        scaling, fit.coefficients, fit.intercept, classes, how.channels, names, fit.penalty, chosen
    )


def choose_penalty(losses: Floats, rule: str) -> tuple[int, str]:
    """Position on the path from held-out losses ``folds x penalties``, and how in words.

    Penalties fall along the path, so the first within the limit is the sparsest.
    """
    mean = losses.mean(axis=0)
    best = int(np.argmin(mean))
    folds = len(losses)
    said = f"least held-out log loss over {folds} group-wise folds ({mean[best]:.3f})"
    if rule == "filled" and best == 0:
        return FALLBACK, f"fixed share of the largest penalty, for no features had the {said}"
    if rule in ("best", "filled"):
        return best, said
    error = float(losses[:, best].std(ddof=1)) / math.sqrt(folds)
    at = int(np.argmax(mean <= mean[best] + error))
    return at, f"sparsest within one standard error of the {said}"


def balanced_weights(
    labels: Names, groups: Names, known: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Weights that add up to 1: classes weigh the same, and groups the same within a class.

    Parameters
    ----------
    labels, groups : sequence of N names
    known : bool array N, optional
        Rows that count; the others weigh 0.
    """
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    live = np.ones(len(y), dtype=np.bool_) if known is None else known
    weight = np.zeros(len(y))
    classes = np.unique(y[live])
    for name in classes:
        rows = np.flatnonzero(live & (y == name))
        _, at, count = np.unique(g[rows], return_inverse=True, return_counts=True)
        weight[rows] = 1.0 / (len(classes) * len(count) * count[at])
    return weight


def _inner_losses(
    table: pd.DataFrame,
    columns: Sequence[str],
    y: npt.NDArray[np.str_],
    g: npt.NDArray[np.str_],
    folds: Ints,
    penalties: Floats,
    how: LogisticSettings,
) -> Floats:
    """Held-out losses ``folds x penalties``, as far along the path as they still fall."""
    classes = np.unique(y)
    code = np.searchsorted(classes, y)
    tried = []
    for fold in range(int(folds.max()) + 1):
        train, held = folds != fold, folds == fold
        scaling = fit_scaling(table[train], columns, how.scaling, how.max_missing)
        x = scaling.apply(table)
        known = ~np.isnan(x[:, 0])
        train &= known
        # A class whose groups all fell into this fold cannot be told by a model of the others.
        held &= known & np.isin(code, code[train])
        path = fit_path(
            x[train],
            code[train],
            balanced_weights(y[train], g[train]),
            len(classes),
            how.alpha,
            penalties.tolist(),
            exact=False,
        )
        tried.append((path, x[held], code[held], balanced_weights(y[held], g[held])))
    losses: list[list[float]] = []
    for _ in penalties:
        losses.append([log_loss(next(path), *rest) for path, *rest in tried])
        mean = np.mean(losses, axis=1)
        if len(mean) > PATIENCE and mean[-PATIENCE:].min() > mean.min():
            break
    return np.array(losses).T


def _stratum(y: npt.NDArray[np.str_], g: npt.NDArray[np.str_]) -> list[str]:
    return [f"{label}\n{group}" for label, group in zip(y, g, strict=True)]
