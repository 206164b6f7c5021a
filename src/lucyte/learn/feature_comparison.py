"""Feature models side by side: one table of features, the same folds, every set of channels.

The rows are those of :mod:`lucyte.learn.fusion_comparison`, so that forests stand in one table
with networks; with the same samples, folds and seed they answer the same held-out groups.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lucyte.learn.boosting import BoostingModel, fit_boosting
from lucyte.learn.cross_validation import NEVER_SEEN, CrossValidation, find_metric
from lucyte.learn.dense_features import DenseModel, fit_dense
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.forest import ForestModel, ForestSettings, fit_forest
from lucyte.learn.fusion_comparison import Entry, FusionComparison, Trained
from lucyte.learn.logistic import LogisticSettings, fit_logistic
from lucyte.learn.splits import Names, group_folds
from lucyte.learn.table_model import Arrays, TableModel
from lucyte.measure.columns import parse
from lucyte.schema.errors import UsageError, unknown

AnyModel = FeatureModel | TableModel
Fit = Callable[[pd.DataFrame, Sequence[str], Names, Names, int], AnyModel]


class FeatureForm(NamedTuple):
    """A row of the table of feature models.

    Attributes
    ----------
    name : str
    fit : callable
        ``(table, columns, labels, groups, seed) -> model``.
    restore : callable
        ``(config, arrays) -> model``.
    what : str
        For a person.
    """

    name: str
    fit: Fit
    restore: Callable[[Mapping[str, Any], Arrays], AnyModel]
    what: str


def _logistic(t: pd.DataFrame, c: Sequence[str], y: Names, g: Names, seed: int) -> AnyModel:
    return fit_logistic(t, c, y, g, seed, LogisticSettings(rule="best"))


def _extra(t: pd.DataFrame, c: Sequence[str], y: Names, g: Names, seed: int) -> AnyModel:
    return fit_forest(t, c, y, g, seed, ForestSettings("extra_trees"))


FEATURE_FORMS: tuple[FeatureForm, ...] = (
    FeatureForm("logistic", _logistic, FeatureModel.restore, "sparse logistic regression"),
    FeatureForm("forest", fit_forest, ForestModel.restore, "random forest of 300 trees"),
    FeatureForm("extra_trees", _extra, ForestModel.restore, "300 trees with random thresholds"),
    FeatureForm("boosting", fit_boosting, BoostingModel.restore, "gradient boosting, 80 rounds"),
    FeatureForm("dense", fit_dense, DenseModel.restore, "three networks of one hidden layer"),
)
FORM_NAMES = tuple(row.name for row in FEATURE_FORMS)


def feature_form(name: str) -> FeatureForm:
    """A row of ``FEATURE_FORMS``.

    Raises
    ------
    UsageError
        No feature model is called so.
    """
    rows = {row.name: row for row in FEATURE_FORMS}
    if name not in rows:
        raise unknown("feature model", name, rows)
    return rows[name]


def columns_of(columns: Sequence[str], channels: Sequence[str]) -> list[str]:
    """Columns that these channels (or kinds of organelle) alone give, in the order given.

    A column of two channels is there only where both are; one that is no feature of a channel is
    left out, for it does not depend on the choice.
    """
    out = []
    for column in columns:
        found = parse(column)
        if found is not None and found[1] and set(found[1]) <= set(channels):
            out.append(column)
    return out


def compare_features(
    table: pd.DataFrame,
    columns: Sequence[str],
    labels: Names,
    groups: Names,
    *,
    channels: Sequence[str],
    forms: Sequence[str] = FORM_NAMES,
    every_combination: bool = True,
    folds: int = 5,
    seed: int = 0,
    unit: str = "group",
    metric: str = "balanced_accuracy",
    told: Callable[[str], None] = lambda _: None,
) -> FusionComparison:
    """Fit every feature model on every set of channels under one group-wise protocol.

    Parameters
    ----------
    table : DataFrame
        One row per sample.
    columns : sequence of str
        Features on offer, named as :mod:`lucyte.measure.columns` says.
    labels, groups : sequence of N names
    channels : sequence of str
        Channels or kinds of organelle to compare.
    forms : sequence of str
        Names in ``FEATURE_FORMS``.
    every_combination : bool
        Also every set of channels between one and all.
    folds, seed : int
        Of the group-wise folds, and of every model.
    unit : str
        What groups count.
    metric : str
        One of `lucyte.learn.cross_validation.METRICS`.
    told : callable
        Receives a line per model.

    Returns
    -------
    FusionComparison
        ``form`` is the name of the feature model; ``frame()`` gives the rows.

    Raises
    ------
    UsageError
        No column for a channel, an unknown model, or fewer groups than folds.
    """
    measure = find_metric(metric)
    chosen = [feature_form(name) for name in forms]
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    fold = group_folds(y, g, folds, seed)
    names = tuple(str(name) for name in table.index)
    trained: list[Trained] = []
    for some in _sets(channels, every=every_combination):
        mine = columns_of(columns, some)
        if not mine:
            raise UsageError(f"no feature column belongs to {' and '.join(some)} alone.")
        for form in chosen:
            entry = Entry(form.name, some)
            told(f"{entry.name}: {len(mine)} columns")
            start = time.perf_counter()
            logits, size = _out_of_fold(form, table, mine, (y, g), fold, seed)
            result = CrossValidation(
                classes=tuple(str(name) for name in np.unique(y)),
                logits=logits,
                fold=fold,
                labels=tuple(map(str, y)),
                groups=tuple(map(str, g)),
                names=names,
                unit=unit,
            )
            seconds = time.perf_counter() - start
            trained.append(Trained(entry, result, size, seconds, (0,) * folds))
    singles = [each for each in trained if len(each.entry.channels) == 1]
    best = max(singles, key=lambda each: measure(each.result.table()))
    said = f"{len(columns)} feature columns, {folds} group folds, seed {seed}"
    return FusionComparison(tuple(trained), metric, best.entry.name, said, seed)


def feature_carriers(comparison: FusionComparison, form: str) -> pd.DataFrame:
    """Per channel: how far it gets alone, and what all lose without it (paired, over groups).

    Parameters
    ----------
    comparison : FusionComparison
        Of `compare_features` with every combination.
    form : str
        Which feature model.

    Returns
    -------
    DataFrame
        ``channel, alone, loss_without, low, high, n``, the greatest loss first.
    """
    measure = find_metric(comparison.metric)
    sets = [each.entry.channels for each in comparison.trained if each.entry.form == form]
    if not sets:
        raise unknown("feature model", form, {each.entry.form for each in comparison.trained})
    whole = max(sets, key=len)
    rows: list[dict[str, Any]] = []
    for channel in whole:
        alone = comparison.find(Entry(form, (channel,)).name)
        row: dict[str, Any] = {"channel": channel, "alone": measure(alone.result.table())}
        others = tuple(name for name in whole if name != channel)
        if others in sets:
            loss = comparison.difference(Entry(form, whole).name, Entry(form, others).name)
            row |= {"loss_without": loss.estimate, "low": loss.low, "high": loss.high, "n": loss.n}
        rows.append(row)
    order = "loss_without" if "loss_without" in rows[0] else "alone"
    return pd.DataFrame(rows).sort_values(order, ascending=False, ignore_index=True)


def _sets(channels: Sequence[str], *, every: bool) -> list[tuple[str, ...]]:
    if not channels:
        raise UsageError("got no channel to compare.")
    sizes = range(1, len(channels) + 1) if every else sorted({1, len(channels)})
    return [some for size in sizes for some in combinations(tuple(channels), size)]


def _out_of_fold(
    form: FeatureForm,
    table: pd.DataFrame,
    columns: Sequence[str],
    named: tuple[Any, Any],
    fold: Any,
    seed: int,
) -> tuple[Any, int]:
    """Logits ``N K`` of models that did not see the row's group, and the last model's size."""
    y, g = named
    classes = [str(name) for name in np.unique(y)]
    logits, size = np.full((len(y), len(classes)), np.nan), 0
    for k in range(int(fold.max()) + 1):
        train, test = fold != k, fold == k
        model = form.fit(table[train], columns, y[train], g[train], seed)
        found = model.logits(table[test])
        # Nothing measured: no class is likelier than another.
        found = np.where(np.isnan(found), 0.0, found)
        part = np.repeat(found.min(axis=1, keepdims=True) + NEVER_SEEN, len(classes), axis=1)
        part[:, [classes.index(name) for name in model.classes]] = found
        logits[test] = part
        size = model_size(model)
    return logits, size


def model_size(model: AnyModel) -> int:
    """How many numbers a feature model learned: weights that are not 0, or nodes of trees."""
    if isinstance(model, TableModel):
        return model.parameters
    return int(np.count_nonzero(model.coefficients)) + len(model.intercept)
