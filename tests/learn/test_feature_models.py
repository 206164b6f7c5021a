"""Forests, boosting and small networks on features: as scikit-learn, stored whole, compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucyte.learn.boosting import BoostingSettings, boosted_trees, fit_boosting, plain_boosting
from lucyte.learn.dense_features import DenseSettings, fit_dense
from lucyte.learn.feature_comparison import (
    FEATURE_FORMS,
    columns_of,
    compare_features,
    feature_carriers,
    feature_form,
)
from lucyte.learn.forest import ForestSettings, as_trees, fit_forest, plain_forest
from lucyte.learn.table_model import learn_from
from lucyte.networks.model_folder import StoredModel, pack, read_folder
from lucyte.schema.errors import UsageError

COLUMNS = [
    "organelle_elongation_median_tubes",
    "organelle_size_median_px_tubes",
    "organelle_place_median_dots",
    "organelle_touching_dots_to_tubes",
]


def features(groups: int = 8, classes: int = 3, seed: int = 0) -> tuple[pd.DataFrame, list, list]:
    """Tubes tell the first class, dots the second, sizes nothing; 5 rows in each group."""
    rng = np.random.default_rng(seed)
    rows, labels, names = [], [], []
    for c in range(classes):
        for g in range(groups):
            own = 0.2 * rng.standard_normal(4)
            for _ in range(5):
                x = own + 0.5 * rng.standard_normal(4) + 2 * np.array((c == 0, 0, c == 1, 0))
                rows.append(x)
                labels.append(f"class {c}")
                names.append(f"{c}-{g}")
    table = pd.DataFrame(np.array(rows), columns=COLUMNS)
    table.iloc[3, 1] = np.nan
    return table, labels, names


@pytest.mark.parametrize("kind", ["forest", "extra_trees"])
def test_a_forest_answers_exactly_as_scikit_learn(kind: str) -> None:
    table, labels, groups = features()
    how = ForestSettings(kind, trees=40)  # type: ignore[arg-type]
    given = learn_from(table, COLUMNS, labels, groups)
    forest = plain_forest(how, 5).fit(given.x, given.code, given.weight * len(given.x))
    theirs = forest.predict_proba(given.x)
    model = fit_forest(table, COLUMNS, labels, groups, 5, how)
    assert np.array_equal(model.shares(given.x), theirs)
    assert np.abs(model.probabilities(table) - theirs).max() < 1e-5
    assert as_trees(forest).total(given.x, 3).shape == (120, 3)
    assert model.parameters == sum(tree.tree_.node_count for tree in forest.estimators_)
    assert set(model.used) <= set(COLUMNS)


@pytest.mark.parametrize("classes", [2, 3])
def test_boosting_answers_as_scikit_learn(classes: int) -> None:
    table, labels, groups = features(classes=classes)
    how = BoostingSettings(rounds=15)
    given = learn_from(table, COLUMNS, labels, groups)
    booster = plain_boosting(how, 5).fit(given.x, given.code, given.weight * len(given.x))
    model = fit_boosting(table, COLUMNS, labels, groups, 5, how)
    assert model.probabilities(table) == pytest.approx(booster.predict_proba(given.x), abs=1e-12)
    trees, base = boosted_trees(booster, classes)
    assert len(trees.start) == 15 * (classes if classes > 2 else 1) and len(base) == classes


def test_a_dense_network_learns_and_is_decided_by_its_seed() -> None:
    table, labels, groups = features()
    model = fit_dense(table, COLUMNS, labels, groups, 1, DenseSettings(epochs=60))
    again = fit_dense(table, COLUMNS, labels, groups, 1, DenseSettings(epochs=60))
    other = fit_dense(table, COLUMNS, labels, groups, 2, DenseSettings(epochs=60))
    assert np.array_equal(model.logits(table), again.logits(table))
    assert not np.array_equal(model.logits(table), other.logits(table))
    answers = [model.classes[k] for k in model.logits(table).argmax(axis=1)]
    assert np.mean(np.array(answers) == labels) > 0.85
    assert model.parameters == 3 * (4 * 48 + 48 + 48 * 3 + 3)
    assert "inner group-wise folds" in model.chosen


@pytest.mark.parametrize("form", [row.name for row in FEATURE_FORMS])
def test_every_model_is_stored_whole_and_says_nothing_of_an_empty_row(
    form: str, tmp_path: Path
) -> None:
    table, labels, groups = features()
    row = feature_form(form)
    model = row.fit(table, COLUMNS, labels, groups, 3)
    stored = StoredModel(
        "feature-table", form, model.classes, (), 0, None, model.config(), model.arrays()
    )
    for name, data in pack(stored).items():
        (tmp_path / name).write_bytes(data)
    read = read_folder(tmp_path)
    assert json.loads(json.dumps(model.config())) == read.config
    back = row.restore(read.config, read.arrays)
    assert np.array_equal(back.logits(table), model.logits(table))
    assert back.classes == ("class 0", "class 1", "class 2")
    empty = pd.DataFrame(np.full((1, 4), np.nan), columns=COLUMNS)
    assert np.isnan(back.logits(empty)).all()
    assert model.probabilities(table).sum(axis=1) == pytest.approx(1)
    with pytest.raises(UsageError, match="class 7"):
        model.index("class 7")


def test_comparison_names_the_channel_that_carries_the_difference() -> None:
    table, labels, groups = features()
    found = compare_features(
        table, COLUMNS, labels, groups, channels=("tubes", "dots"), forms=("forest", "logistic")
    )
    rows = found.frame().set_index("model")
    assert {
        "form",
        "channels",
        "balanced_accuracy",
        "low",
        "high",
        "n",
        "unit",
        "parameters",
        "seconds",
    } <= set(rows.columns)
    assert rows.loc["forest tubes+dots", "balanced_accuracy"] > 0.9
    assert rows.loc["forest tubes", "balanced_accuracy"] < 0.8
    assert (rows["n"] == 24).all() and (rows["unit"] == "group").all()
    lost = feature_carriers(found, "forest")
    assert set(lost["channel"]) == {"tubes", "dots"} and (lost["low"] > 0).all()


def test_out_of_fold_answers_never_saw_the_group() -> None:
    # Each group has a value of its own: a model that saw it would know its class.
    rng = np.random.default_rng(0)
    names = [f"g{k}" for k in range(20) for _ in range(6)]
    value = np.repeat(rng.permutation(20).astype(float), 6)
    labels = [f"c{k % 2}" for k in range(20) for _ in range(6)]
    table = pd.DataFrame({COLUMNS[0]: value, COLUMNS[1]: value + 0.01})
    seen = fit_forest(table, COLUMNS[:2], labels, names, 0)
    answers = np.array(seen.classes)[seen.logits(table).argmax(axis=1)]
    assert (answers == labels).mean() > 0.9, "test invalid: nothing to memorise"
    found = compare_features(
        table, COLUMNS[:2], labels, names, channels=("tubes",), forms=("forest",)
    )
    assert found.frame()["balanced_accuracy"][0] < 0.75


def test_columns_of_a_pair_need_both_channels() -> None:
    assert columns_of([*COLUMNS, "state", "area_px"], ["dots"]) == [COLUMNS[2]]
    assert columns_of(COLUMNS, ["tubes", "dots"]) == COLUMNS


def test_refusals_name_what_to_do() -> None:
    table, labels, groups = features()
    with pytest.raises(UsageError, match=r"one class only \('a'\)"):
        fit_forest(table, COLUMNS, ["a"] * len(table), groups, 0)
    with pytest.raises(UsageError, match=r"got 120 rows, 3 labels and 120 groups"):
        fit_boosting(table, COLUMNS, labels[:3], groups, 0)
    with pytest.raises(UsageError, match="no feature column belongs to nucleus alone"):
        compare_features(table, COLUMNS, labels, groups, channels=("nucleus",))
    with pytest.raises(UsageError, match="forests"):
        feature_form("forests")
    with pytest.raises(UsageError, match="no feature column can be used"):
        fit_dense(replace_all(table), COLUMNS, labels, groups, 0)
    with pytest.raises(UsageError, match="trees and min_leaf"):
        replace(ForestSettings(), trees=0)


def replace_all(table: pd.DataFrame) -> pd.DataFrame:
    return table * 0.0 + 1.0
