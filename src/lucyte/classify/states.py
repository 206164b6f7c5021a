"""States of objects, each said by a model that never saw the object's group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from lucyte.classify.units import Names, Units, independent_units, text_column
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.logistic import LogisticSettings, fit_logistic
from lucyte.learn.margins import logit_margin
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.plan import ClassifySettings
from lucyte.schema.states import States

FEWEST_OBJECTS = 10
"""Objects of a class below which nothing is learned."""


@dataclass(frozen=True)
class Task:
    """What is learned from which rows.

    Attributes
    ----------
    table : DataFrame
        Objects of one kind.
    labels : str array N
        Class of each; an empty string where unknown.
    units : Units
        Of the rows whose class is known.
    folds : int array N
        -1 where the class is unknown.
    features : tuple of str
    """

    table: pd.DataFrame
    labels: Names
    units: Units
    folds: npt.NDArray[np.int64]
    features: tuple[str, ...]


def fit_states(
    objects: pd.DataFrame,
    settings: ClassifySettings,
    seed: int,
    features: Sequence[str] | None = None,
    channels: Sequence[str] = (),
) -> tuple[States, FeatureModel]:
    """Learn the target column, and give every object an out-of-fold state.

    Parameters
    ----------
    objects : DataFrame
        One row per object per frame: identity columns and features.
    settings : ClassifySettings
    seed : int
    features : sequence of str, optional
        Columns to learn from; default those that describe an object and not its place.
    channels : sequence of str
        Channels of light the features were measured in, kept with the model.

    Returns
    -------
    States
        Objects whose class is known are predicted by a model fitted on other groups. Objects
        without one are predicted by the model of all data, with fold -1. Of an object in which
        nothing was measured the state is empty and its numbers are nan.
    FeatureModel
        Fitted on all groups; its outputs on objects it was fitted on are not out-of-fold.

    Raises
    ------
    UsageError
        One class only, a class in fewer than 2 independent groups, a group column with one
        value, or too few objects of a class.
    """
    task = prepare(objects, settings, seed, features)
    how = LogisticSettings(channels=tuple(channels))

    def fit(rows: npt.NDArray[np.bool_]) -> FeatureModel:
        chosen = _sample(task, rows, settings.max_objects, seed)
        return fit_logistic(
            task.table.iloc[chosen],
            list(task.features),
            task.labels[chosen],
            task.units.values[chosen],
            seed,
            how,
        )

    known = task.folds >= 0
    final = fit(known)
    logits = np.full((len(task.table), len(final.classes)), np.nan)
    for fold in range(int(task.folds.max()) + 1):
        held = task.folds == fold
        model = fit(known & ~held)
        logits[held] = model.logits(task.table[held])
    if not known.all():
        logits[~known] = final.logits(task.table[~known])
    ids = task.table["object_id"].to_numpy()
    groups = len(np.unique(task.units.values[known]))
    table = state_table(ids, logits, final.classes, task.folds)
    return States(table, final.classes, settings.target, task.units.name, groups), final


def refusal(
    objects: pd.DataFrame, settings: ClassifySettings, features: Sequence[str] | None = None
) -> str:
    """Why states cannot be learned from these objects, or an empty string."""
    try:
        prepare(objects, settings, 0, features)
    except UsageError as error:
        return str(error)
    return ""


def prepare(
    objects: pd.DataFrame,
    settings: ClassifySettings,
    seed: int,
    features: Sequence[str] | None = None,
) -> Task:
    """Choose the rows, the classes, the independent unit, the folds and the columns.

    Raises
    ------
    UsageError
        As `fit_states`.
    """
    table = objects[objects["kind"] == choose_kind(objects, settings.kind)]
    labels = text_column(table, settings.target)
    known = labels != ""
    _check_classes(labels[known], settings.target)
    named = table[known].assign(**{settings.target: labels[known]})
    units = independent_units(named, settings.target, settings.group)
    _check_units(labels[known], units, settings)
    possible, _ = best_folds(labels[known], units.values, settings.folds)
    folds = np.full(len(table), -1, dtype=np.int64)
    folds[known] = group_folds(labels[known], units.values, possible, seed)
    values = np.full(len(table), "", dtype=units.values.dtype)
    values[known] = units.values
    columns = _columns(table, settings, features)
    return Task(table, labels, Units(units.name, values, units.why), folds, columns)


def state_table(
    ids: npt.ArrayLike,
    logits: npt.NDArray[np.float64],
    classes: Sequence[str],
    folds: npt.ArrayLike,
) -> pd.DataFrame:
    """The table of `States` from logits ``N x K``."""
    probability = softmax(logits, axis=1)
    blank = np.isnan(logits).any(axis=1)
    best = np.where(blank, 0, np.nan_to_num(logits, nan=-np.inf).argmax(axis=1))
    state = np.where(blank, "", np.asarray(classes, dtype=object)[best])
    columns = {
        "object_id": np.asarray(ids),
        "state": state,
        "margin": logit_margin(logits),
        "fold": np.asarray(folds, dtype=np.int64),
    }
    shares = {f"p_{name}": probability[:, at] for at, name in enumerate(classes)}
    return pd.DataFrame({**columns, **shares})


def choose_kind(objects: pd.DataFrame, setting: str = "auto") -> str:
    """The kind of object that has states: cells, else nuclei, else the first kind there is."""
    kinds = [str(kind) for kind in pd.unique(objects["kind"])] if "kind" in objects else []
    if not kinds:
        raise UsageError("no objects were found, so there are no states to learn.")
    if setting != "auto":
        if setting not in kinds:
            raise unknown("kind of object", setting, sorted(kinds), "Set classify.kind.")
        return setting
    return next((kind for kind in ("cell", "nucleus") if kind in kinds), kinds[0])


def _columns(
    table: pd.DataFrame, settings: ClassifySettings, features: Sequence[str] | None
) -> tuple[str, ...]:
    if features is None:
        from lucyte.measure.columns import model_features

        features = model_features([str(name) for name in table.columns])
    for pattern in settings.exclude:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"classify.exclude: {pattern!r} is no expression: {error}.") from None
    kept = [f for f in features if not any(re.search(p, f) for p in settings.exclude)]
    if not kept:
        raise UsageError("no feature column is left to learn from; see classify.exclude.")
    return tuple(kept)


def _check_classes(labels: Names, target: str) -> None:
    classes, count = np.unique(labels, return_counts=True)
    if not len(classes):
        raise UsageError(
            f"column {target!r} is empty for every object; give a plate map (input.plate_map) "
            "or another column (classify.target)."
        )
    if len(classes) == 1:
        raise UsageError(
            f"column {target!r} holds one class only ({str(classes[0])!r}); states need two or "
            "more. Add the wells of another condition, or set classify.target."
        )
    few = int(np.argmin(count))
    if count[few] < FEWEST_OBJECTS:
        raise UsageError(
            f"class {str(classes[few])!r} has {count[few]} objects; at least {FEWEST_OBJECTS} "
            "are needed to learn from."
        )


def _check_units(labels: Names, units: Units, settings: ClassifySettings) -> None:
    found = np.unique(units.values)
    if len(found) == 1:
        raise UsageError(
            f"group column {units.name!r} has one value ({str(found[0])!r}); states are tested on "
            "groups that were not learned from, so two or more of each class are needed. "
            "Set classify.group."
        )
    for name in np.unique(labels):
        mine = np.unique(units.values[labels == name])
        if len(mine) < 2:
            raise UsageError(
                f"class {str(name)!r} is in one {units.name} only ({str(mine[0])!r}): whatever is "
                f"peculiar to that {units.name} would pass for the class. At least 2 independent "
                f"groups of each class are needed (classify.group is {settings.group!r})."
            )


def _sample(task: Task, rows: npt.NDArray[np.bool_], most: int, seed: int) -> npt.NDArray[np.int64]:
    chosen = []
    for name in np.unique(task.labels[rows]):
        here = np.flatnonzero(rows & (task.labels == name))
        chosen.append(here[even_sample(task.units.values[here], most, seed)])
    return np.sort(np.concatenate(chosen))
