"""Metrics equal their slow definitions and scikit-learn; undefined is nan with a reason."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.stats import classification as metrics
from reference import classification as twin

CLASSES = ["a", "b", "c"]
labels = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=30
)
ranked = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30)


def same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or abs(ours - theirs) < 1e-9


@settings(max_examples=60, deadline=None)
@given(labels)
def test_label_metrics_equal_twins_and_sklearn(rows: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

    truth, said = [t for t, _ in rows], [p for _, p in rows]
    table = metrics.confusion(truth, said, CLASSES)
    assert np.array_equal(table, confusion_matrix(truth, said, labels=CLASSES))
    assert same(metrics.accuracy(table), accuracy_score(truth, said))
    assert same(metrics.mcc(table), twin.mcc(truth, said, CLASSES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(metrics.balanced_accuracy(table), balanced_accuracy_score(truth, said))
    wanted = [twin.per_class(truth, said, name) for name in CLASSES]
    for k in range(3):
        assert same(metrics.precision(table)[k], wanted[k][0])
        assert same(metrics.recall(table)[k], wanted[k][1])
        assert same(metrics.f1(table)[k], wanted[k][2])
    assert same(metrics.macro_f1(table), float(np.nanmean([f for *_, f in wanted])))


@settings(max_examples=60, deadline=None)
@given(ranked)
def test_ranking_metrics_equal_twins_and_sklearn(rows: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, positive = [s for s, _ in rows], [y for _, y in rows]
    ours = metrics.auroc(scores, positive)
    assert same(ours, twin.auroc(scores, positive))
    if 0 < sum(positive) < len(positive):
        assert same(ours, roc_auc_score(positive, scores))
    precise = metrics.average_precision(scores, positive)
    assert same(precise, twin.average_precision(scores, positive))
    if any(positive):
        assert same(precise, average_precision_score(positive, scores))


@pytest.mark.parametrize("count", [2, 3])
def test_probability_metrics_equal_twins_and_sklearn(count: int) -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    rng = np.random.default_rng(0)
    names = CLASSES[:count]
    p = rng.dirichlet(np.ones(count), 200)
    truth = [names[k] for k in rng.integers(0, count, 200)]
    assert metrics.log_loss(truth, p, names) == pytest.approx(log_loss(truth, p, labels=names))
    second = p[:, 1] if count == 2 else p
    pos = {"pos_label": "b"} if count == 2 else {"labels": names}
    assert metrics.brier(truth, p, names) == pytest.approx(brier_score_loss(truth, second, **pos))
    assert metrics.expected_calibration_error(truth, p, names) == pytest.approx(
        twin.calibration_error(truth, p.tolist(), names), abs=1e-9
    )
    scores = metrics.evaluate(truth, [names[k] for k in p.argmax(1)], names, p)
    assert scores["auroc"].value == pytest.approx(
        np.mean(
            [
                twin.auroc(p[:, k].tolist(), [t == names[k] for t in truth])
                for k in ([1] if count == 2 else range(count))
            ]
        )
    )


def test_undefined_is_nan_and_says_why() -> None:
    scores = metrics.evaluate(["a", "a"], ["a", "a"], ["a", "b"], [[0.9, 0.1], [0.8, 0.2]])
    assert scores["accuracy"].value == 1.0
    assert math.isnan(scores["mcc"].value)
    assert scores["mcc"].undefined == "only a is there"
    assert math.isnan(scores["auroc"].value)
    assert scores["auroc"].undefined == "only a is there"
    assert math.isnan(scores["precision:b"].value)
    assert scores["precision:b"].undefined == "nothing was called b"
    assert scores["f1:b"].undefined == "no b is there, nothing was called b"
    plain = metrics.evaluate(["a", "b"], ["b", "b"], ["a", "b"])
    assert plain["auroc"].undefined == "the model gives no probabilities"
    assert plain["mcc"].undefined == "every answer is b"
    assert plain["f1:a"].value == 0.0
    for name, score in (scores | plain).items():
        assert math.isnan(score.value) == bool(score.undefined), name
    empty = metrics.evaluate([], [], ["a", "b"], np.zeros((0, 2)))
    assert all(math.isnan(score.value) and score.undefined for score in empty.values())


def test_refusals_name_what_was_got() -> None:
    with pytest.raises(UsageError, match="unknown class 'fedd', did you mean 'fed'"):
        metrics.confusion(["fed"], ["fedd"], ["fed", "starved"])
    with pytest.raises(UsageError, match="got 1 predictions for 2 truths"):
        metrics.confusion(["a", "b"], ["a"], ["a", "b"])
    with pytest.raises(UsageError, match="add up to 1"):
        metrics.brier(["a"], [[0.2, 0.2]], ["a", "b"])
    with pytest.raises(UsageError, match="nan or infinite"):
        metrics.auroc([math.nan, 1], [True, False])
