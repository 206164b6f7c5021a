from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.learn import logistic
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.logistic import LogisticSettings, balanced_weights, choose_penalty, fit_logistic
from lucyte.learn.margins import class_margin, logit_margin
from lucyte.learn.sparse_path import fit_path, penalty_path
from lucyte.schema.errors import UsageError
from reference.logistic import balanced, objective, optimality_gap


def world(classes=2, wells=4, cells=30, seed=0, effect=2.0):
    """Cells of wells; ``signal_k`` differs for class k, ``noise`` does not, wells wobble."""
    rng = np.random.default_rng(seed)
    rows, labels, groups = [], [], []
    for k in range(classes):
        for well in range(wells):
            wobble = rng.normal(0, 0.3, classes + 4)
            count = cells + 5 * well
            values = rng.normal(0, 1, (count, classes + 4)) + wobble
            values[:, k] += effect
            rows.append(values)
            labels += [f"klasse {k} µ"] * count
            groups += [f"{k}{well}"] * count
    names = [f"signal_{k}" for k in range(classes)] + [f"noise_{k}" for k in range(4)]
    return pd.DataFrame(np.concatenate(rows) * 100 + 1000, columns=names), labels, groups


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 4), st.integers(0, 100), st.sampled_from([1.0, 0.9, 0.3]))
def test_every_fit_of_the_path_is_at_the_minimum(classes, seed, alpha):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 5))
    y = np.r_[np.arange(classes), rng.integers(0, classes, 40 - classes)]
    weight = rng.uniform(0.2, 3, 40)
    weight /= weight.sum()
    penalties = penalty_path(x, y, weight, classes, alpha)
    for fit in list(fit_path(x, y, weight, classes, alpha, penalties.tolist()))[::3]:
        assert fit.converged
        gap = _gap(x, y, weight, fit, classes, fit.penalty, alpha)
        assert gap < 5e-5


def _gap(x, y, weight, fit, classes, penalty, alpha):
    if classes > 2:
        return optimality_gap(x, y, weight, fit.coefficients, fit.intercept, penalty, alpha)
    single = fit.coefficients[1] - fit.coefficients[0]
    rows = [[0.0] * 5, single.tolist()]
    shift = [0.0, fit.intercept[1] - fit.intercept[0]]
    here = objective(x, y, weight, rows, shift, penalty, alpha)
    rng = np.random.default_rng(0)
    worst = 0.0
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            other = [[0.0] * 5, (single + rng.normal(0, size, 5)).tolist()]
            there = objective(
                x, y, weight, other, [0.0, shift[1] + rng.normal(0, size)], penalty, alpha
            )
            worst = max(worst, here - there)
    return worst


def test_the_first_penalty_of_the_path_leaves_nothing():
    table, labels, _ = world(3)
    x = (table.to_numpy() - 1000) / 100
    y = np.unique(labels, return_inverse=True)[1]
    weight = np.full(len(y), 1 / len(y))
    penalties = penalty_path(x, y, weight, 3, 0.9)
    fits = list(fit_path(x, y, weight, 3, 0.9, (penalties * 1.001).tolist()))
    assert not fits[0].coefficients.any()
    assert fits[1].coefficients.any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("uvw")), min_size=1, max_size=20))
def test_weights_are_balanced(pairs):
    labels, groups = [p[0] for p in pairs], [p[1] for p in pairs]
    assert np.allclose(balanced_weights(labels, groups), balanced(labels, groups))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_planted_features_carry_the_model(classes):
    table, labels, groups = world(classes)
    model = fit_logistic(table, list(table.columns), labels, groups, seed=1)
    assert model.classes == tuple(sorted(set(labels)))
    p = model.probabilities(table)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-12)
    assert (np.array(model.classes)[p.argmax(1)] == labels).mean() > 0.75
    share = np.abs(model.coefficients).sum(axis=0)
    assert share[:classes].min() > 2 * share[classes:].max()
    assert "one standard error" in model.chosen
    again = fit_logistic(table, list(table.columns), labels, groups, seed=1)
    assert np.array_equal(again.coefficients, model.coefficients)
    assert model.groups == tuple(sorted(set(groups)))


def test_a_big_well_weighs_no_more_than_a_small_one():
    table, labels, groups = world(2, wells=3, cells=20)
    before = fit_logistic(table, list(table.columns), labels, groups, seed=0)
    big = np.array(groups) == "00"
    many = pd.concat([table] + [table[big]] * 9, ignore_index=True)
    more = [*labels, *([labels[0]] * (9 * int(big.sum())))]
    wells = [*groups, *(["00"] * (9 * int(big.sum())))]
    fixed = LogisticSettings(scaling="standard")
    after = fit_logistic(many, list(table.columns), more, wells, 0, fixed)
    # Scaling sees the copies; the boundary, in raw units, does not move with them.
    raw = [m.coefficients[1] / m.scaling.scale for m in (before, after)]
    assert np.corrcoef(raw[0], raw[1])[0, 1] > 0.99


def test_inner_choice_never_scores_a_group_it_was_fitted_on(monkeypatch):
    table, labels, groups = world(2, wells=4, cells=10)
    tag = pd.Series(np.arange(len(table)), dtype=float)
    table["row"] = tag  # lets the spy know who is who, and is refused nowhere
    seen: list[tuple[set[str], set[str]]] = []
    real_fit, real_loss = logistic.fit_path, logistic.log_loss
    at = list(table.columns).index("row")
    trained = {}

    def fit_spy(x, *rest, **more):
        for fit in real_fit(x, *rest, **more):
            trained[id(fit)] = (fit, set(np.round(x[:, at], 12)))
            yield fit

    def loss_spy(fit, x, y, weight):
        seen.append((trained[id(fit)][1], set(np.round(x[:, at], 12))))
        return real_loss(fit, x, y, weight)

    monkeypatch.setattr(logistic, "fit_path", fit_spy)
    monkeypatch.setattr(logistic, "log_loss", loss_spy)
    folds_used = []
    real_folds = logistic.group_folds
    monkeypatch.setattr(
        logistic, "group_folds", lambda *a: folds_used.append(real_folds(*a)) or folds_used[-1]
    )
    fit_logistic(table, list(table.columns), labels, groups, seed=0)
    assert len(seen) >= 4 * 4, "test invalid: four folds of several penalties were expected"
    assert all(not train & held for train, held in seen)
    for fold in range(4):
        inside = {g for g, f in zip(groups, folds_used[0], strict=True) if f == fold}
        outside = {g for g, f in zip(groups, folds_used[0], strict=True) if f != fold}
        assert not inside & outside


def test_columns_that_cannot_be_used_are_named_with_the_reason():
    table, labels, groups = world(2)
    table["gone"] = np.nan
    table["flat"] = 3.3
    table["gappy"] = table["signal_0"].where(np.arange(len(table)) % 3 > 0)
    table["some"] = table["signal_0"].where(np.arange(len(table)) % 10 > 0)
    model = fit_logistic(table, list(table.columns), labels, groups, seed=0)
    assert set(model.scaling.refused) == {"gone", "flat", "gappy"}
    assert "missing in 33%" in model.scaling.refused["gappy"]
    assert "the same in all" in model.scaling.refused["flat"]
    assert model.scaling.missing == {"some": int(table["some"].isna().sum())}
    with pytest.raises(UsageError, match=r"no feature column can be used \(gone: missing in 100%"):
        fit_logistic(table, ["gone", "flat"], labels, groups, seed=0)


def test_a_cell_of_which_nothing_is_known_gets_no_logit():
    table, labels, groups = world(2)
    table.iloc[5] = np.nan
    table.iloc[6, 0] = np.inf
    model = fit_logistic(table, list(table.columns), labels, groups, seed=0)
    logits = model.logits(table)
    assert np.isnan(logits[5]).all()
    assert np.isfinite(np.delete(logits, 5, axis=0)).all()


def test_too_few_groups_for_an_inner_choice_are_said_in_the_model():
    table, labels, groups = world(2, wells=1)
    model = fit_logistic(table, list(table.columns), labels, groups, seed=0)
    assert "is in 1 group" in model.chosen
    assert model.coefficients.any()


def test_refusals():
    table, labels, groups = world(2)
    with pytest.raises(UsageError, match="one class only"):
        fit_logistic(table, ["signal_0"], ["a"] * len(table), groups, 0)
    with pytest.raises(UsageError, match="unknown feature column 'signal_9', did you mean"):
        fit_logistic(table, ["signal_9"], labels, groups, 0)
    with pytest.raises(UsageError, match=r"does not hold numbers \(for example 'x'"):
        fit_logistic(table.assign(word="x"), ["word"], labels, groups, 0)
    with pytest.raises(UsageError, match="240 rows"):
        fit_logistic(pd.concat([table, table]).iloc[:240], ["signal_0"], labels, groups, 0)
    with pytest.raises(UsageError, match="alpha must be above 0"):
        LogisticSettings(alpha=0)
    model = fit_logistic(table, list(table.columns), labels, groups, 0)
    with pytest.raises(UsageError, match="unknown class 'klasse 7 µ', did you mean"):
        model.index("klasse 7 µ")
    with pytest.raises(UsageError, match="needs coefficients of shape"):
        FeatureModel(model.scaling, model.coefficients[:1], model.intercept, model.classes)


def test_one_standard_error_takes_the_sparsest_within_it():
    losses = np.array([[1.0, 0.60, 0.52, 0.50], [1.0, 0.70, 0.70, 0.70]])
    assert choose_penalty(losses, "best")[0] == 3
    assert choose_penalty(losses, "one_se")[0] == 1


def test_margins():
    assert logit_margin(np.array([[1.0, 4.0], [2.0, 0.0]])).tolist() == [3.0, -2.0]
    assert logit_margin(np.array([[1.0, 4.0, 3.5]])).tolist() == [0.5]
    rows = np.array([[1.0, 4.0, 3.5], [1.0, 4.0, 3.5]])
    assert class_margin(rows, np.array([1, 0])).tolist() == [0.5, -3.0]


def test_a_model_comes_back_from_its_parts():
    table, labels, groups = world(3)
    model = fit_logistic(table, list(table.columns), labels, groups, seed=0)
    back = FeatureModel.restore(model.config(), model.arrays())
    assert np.array_equal(back.logits(table), model.logits(table))
    assert back.used == model.used


def test_a_guard_never_settles_for_an_empty_model() -> None:
    from lucyte.learn.logistic import FALLBACK, choose_penalty

    nothing_helps = np.array([[0.6, 0.7, 0.8], [0.6, 0.65, 0.9]])
    assert choose_penalty(nothing_helps, "best")[0] == 0, "premise: the empty model is the best"
    at, words = choose_penalty(nothing_helps, "filled")
    assert at == FALLBACK > 0
    assert "no features had the least held-out log loss" in words
    assert choose_penalty(nothing_helps[:, ::-1], "filled")[0] == 2
