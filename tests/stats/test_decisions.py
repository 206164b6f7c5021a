"""Costs, operating points, calibration, FROC: equal to slow definitions and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.stats.agreement import kappa
from lucyte.stats.area import area_error
from lucyte.stats.boxes import BoxHits, box_hits
from lucyte.stats.classification import balanced_accuracy, confusion, f1
from lucyte.stats.costs import (
    Weights,
    acting_from,
    expected_cost,
    f_beta,
    likelihood_ratio,
    net_benefit,
    weighted_kappa,
)
from lucyte.stats.foreground import PixelCounts
from lucyte.stats.froc import alarms_at_sensitivity, froc, froc_score, sensitivity_at_alarms
from lucyte.stats.operating import (
    operating_points,
    precision_at_sensitivity,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
)
from lucyte.stats.reliability import class_calibration_error, reliability_curve, root_brier
from reference import decisions as twin

CLASSES = ["a", "b", "c"]
labels = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=30
)
ranked = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30)


def same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or abs(ours - theirs) < 1e-9


@given(labels, st.lists(st.integers(0, 9), min_size=9, max_size=9))
def test_expected_cost_is_the_mean_cost(rows: list[tuple[str, str]], costs: list[int]) -> None:
    truth, said = [t for t, _ in rows], [p for _, p in rows]
    cost = np.array(costs, dtype=float).reshape(3, 3)
    found = expected_cost(confusion(truth, said, CLASSES), cost)
    value, naive = twin.expected_cost(truth, said, CLASSES, cost.tolist())
    assert same(found.value, value) and same(found.naive, naive)
    assert same(found.normalised, value / naive if naive else math.nan)
    assert bool(found.undefined) == (naive == 0)


def test_equal_weights_of_classes_are_balanced_accuracy() -> None:
    table = np.array([[8, 2, 0], [1, 5, 4], [0, 0, 80]])
    assert expected_cost(table).value == pytest.approx(1 - balanced_accuracy(table))
    assert expected_cost(table).naive == pytest.approx(2 / 3)


def test_costs_are_moved_to_the_shares_of_use() -> None:
    table, cost = np.array([[90, 10], [2, 8]]), [[0, 1], [10, 0]]
    assert expected_cost(table, cost).value == pytest.approx((10 + 20) / 110)
    rare = expected_cost(table, cost, shares=[0.99, 0.01])
    assert rare.value == pytest.approx(0.99 * 0.1 + 0.01 * 0.2 * 10)
    assert rare.best_answer == 0 and rare.naive == pytest.approx(0.1)
    assert rare.normalised > 1
    nobody = expected_cost(np.array([[5, 1], [0, 0]]), cost, shares=[0.5, 0.5])
    assert math.isnan(nobody.value) and nobody.undefined.startswith("class 1 has a share but no")


@pytest.mark.parametrize(
    ("costs", "told"),
    [([[0, 1]], "2 classes x 2 answers"), ([[0, -1], [1, 0]], "at least 0")],
)
def test_costs_that_are_none(costs: list[list[float]], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        expected_cost(np.eye(2, dtype=np.int64), costs)


@given(ranked, st.floats(0.05, 0.95))
def test_net_benefit(rows: list[tuple[int, bool]], threshold: float) -> None:
    p, y = [s / 8 for s, _ in rows], [each for _, each in rows]
    assert same(net_benefit(p, y, threshold), twin.net_benefit(p, y, threshold))


def test_net_benefit_refuses_a_threshold_that_is_none() -> None:
    with pytest.raises(UsageError, match="between 0 and 1, got 1"):
        net_benefit([0.5], [True], 1.0)


def test_acting_from_the_costs() -> None:
    assert acting_from([[0, 1], [9, 0]]) == pytest.approx(0.1)
    assert acting_from([[0, 1], [0, 5]]) is None
    assert acting_from(np.ones((3, 3))) is None


def test_likelihood_ratio_does_not_see_the_prevalence() -> None:
    one, ten = np.array([[80, 20], [1, 9]]), np.array([[80, 20], [10, 90]])
    assert likelihood_ratio(one)[1] == likelihood_ratio(ten)[1] == pytest.approx(0.9 / 0.2)
    assert np.isnan(likelihood_ratio(np.array([[5, 0], [1, 4]]))[1])  # no false alarm
    assert np.isnan(likelihood_ratio(np.array([[5, 1], [0, 0]]))).all()  # one class only


@given(labels, st.sampled_from([0.5, 1.0, 2.0]))
def test_f_beta_equals_sklearn(rows: list[tuple[str, str]], beta: float) -> None:
    from sklearn.metrics import fbeta_score

    truth, said = [t for t, _ in rows], [p for _, p in rows]
    table = confusion(truth, said, CLASSES)
    wanted = fbeta_score(truth, said, beta=beta, labels=CLASSES, average=None, zero_division=np.nan)
    for ours, theirs in zip(f_beta(table, beta), wanted, strict=True):
        assert same(ours, theirs)
    assert np.allclose(f_beta(table), f1(table), equal_nan=True)


@given(labels)
def test_weighted_kappa_equals_sklearn_and_the_twin(rows: list[tuple[str, str]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    truth, said = [t for t, _ in rows], [p for _, p in rows]
    table = confusion(truth, said, CLASSES)
    kinds: tuple[tuple[int, Weights], ...] = ((1, "linear"), (2, "quadratic"))
    for power, weights in kinds:
        ours = weighted_kappa(table, weights)
        assert same(ours, twin.weighted_kappa(truth, said, CLASSES, power))
        assert same(ours, kappa(truth, said, CLASSES, weights))
        if not math.isnan(ours):
            theirs = cohen_kappa_score(truth, said, labels=CLASSES, weights=weights)
            assert same(ours, theirs)


@given(ranked, st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_operating_points(rows: list[tuple[int, bool]], least: float) -> None:
    scores, y = [float(s) for s, _ in rows], [each for _, each in rows]
    for ours, (wanted, held) in (
        (sensitivity_at_specificity, (0, 1)),
        (specificity_at_sensitivity, (1, 0)),
        (precision_at_sensitivity, (2, 0)),
    ):
        assert same(ours(scores, y, least), twin.best_at(scores, y, wanted, held, least))


def test_operating_points_are_the_roc_curve() -> None:
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(0)
    y = rng.random(60) < 0.4
    scores = np.round(rng.normal(y, 1.0), 1)
    points = operating_points(scores, y)
    alarms, found, cuts = roc_curve(y, scores, drop_intermediate=False)
    assert np.allclose(points.sensitivity, found) and np.allclose(1 - points.specificity, alarms)
    assert np.array_equal(points.threshold, cuts)


@given(st.lists(st.tuples(st.integers(0, 2), *[st.integers(1, 9)] * 3), min_size=1, max_size=25))
def test_calibration_of_every_class(rows: list[tuple[int, int, int, int]]) -> None:
    p = np.array([row[1:] for row in rows], dtype=float)
    p /= p.sum(1, keepdims=True)
    truth = [CLASSES[row[0]] for row in rows]
    ours = class_calibration_error(truth, p, CLASSES, bins=7)
    assert same(ours, twin.class_calibration_error(truth, p.tolist(), CLASSES, 7))
    hot = np.array([[t == c for c in CLASSES] for t in truth])
    assert same(root_brier(truth, p, CLASSES), math.sqrt(((p - hot) ** 2).sum(1).mean()))
    curve = reliability_curve(truth, p, CLASSES, bins=5)
    assert curve.count.sum() == len(rows)
    right = (p.argmax(1) == [row[0] for row in rows]).sum()
    assert np.nansum(curve.accuracy * curve.count) == pytest.approx(right)


def test_reliability_curve_equals_sklearn() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1.0, 300)
    y = rng.random(300) < p
    curve = reliability_curve(
        np.where(y, "b", "a").tolist(), np.stack([1 - p, p], 1), ["a", "b"], bins=10
    )
    share, mean = calibration_curve(y, p, n_bins=10)
    there = curve.count > 0
    assert np.allclose(curve.accuracy[there], share)
    assert np.allclose(curve.confidence[there], mean)


def hits(truth: int, boxes: list[tuple[float, bool]]) -> BoxHits:
    order = sorted(boxes, key=lambda box: -box[0])
    return BoxHits(
        truth, np.array([c for c, _ in order]), np.array([[h for _, h in order]], dtype=bool)
    )


def test_froc_by_counting() -> None:
    images = [
        (3, [(0.9, True), (0.8, False), (0.5, True), (0.2, False)]),
        (2, [(0.9, True), (0.5, False), (0.4, True)]),
        (0, [(0.7, False)]),
    ]
    held = [hits(n, boxes) for n, boxes in images]
    points = twin.froc_points(images)
    curve = froc(held)
    assert sorted(zip(curve.alarms, curve.sensitivity, strict=True)) == sorted(points)
    for limit in (0.0, 0.3, 0.7, 1.0, 5.0):
        assert sensitivity_at_alarms(held, limit) == max(s for a, s in points if a <= limit)
    assert alarms_at_sensitivity(held, 0.6) == min(a for a, s in points if s >= 0.6)
    assert math.isnan(alarms_at_sensitivity(held, 0.9))
    wanted = [max(s for a, s in points if a <= at) for at in (0.125, 0.25, 0.5, 1, 2, 4, 8)]
    assert froc_score(held) == pytest.approx(np.mean(wanted))


def test_froc_without_truth_or_boxes() -> None:
    nothing = box_hits(np.zeros((0, 4)), [[0, 0, 5, 5]], [0.5])
    assert math.isnan(froc_score([nothing]))
    missed = box_hits([[0, 0, 5, 5]], np.zeros((0, 4)), [])
    assert froc_score([missed]) == 0.0
    with pytest.raises(UsageError, match="at least one image"):
        froc([])


def test_area_error() -> None:
    assert area_error(PixelCounts(100, 130, 90)) == pytest.approx(0.3)
    assert math.isnan(area_error(PixelCounts(0, 10, 0)))
