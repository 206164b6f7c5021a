"""Instance scores against sets of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lucyte.schema.errors import UsageError
from lucyte.stats.instances import (
    InstanceCounts,
    count_instances,
    match,
    mean_scores,
    overlap,
    scores,
    undefined,
)
from reference import instances as slow

THRESHOLDS = (0.1, 0.3, 0.5, 0.75, 0.9)
small = arrays(np.int32, (6, 7), elements=st.integers(0, 5))


def same(fast: dict[str, float], definition: dict[str, float]) -> None:
    assert fast.keys() == definition.keys()
    for name, value in definition.items():
        assert fast[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@settings(max_examples=60, deadline=None)
@given(small, small)
def test_scores_equal_their_definitions(truth, prediction):
    same(
        scores(count_instances(truth, prediction, THRESHOLDS)),
        slow.scores(truth, prediction, THRESHOLDS),
    )


@settings(max_examples=20, deadline=None)
@given(small, small)
def test_renaming_labels_changes_nothing(truth, prediction):
    names = np.array([0, 40_000_000, 7, 2_000_000_000, 123_456, 99])
    expected = scores(count_instances(truth, prediction))
    same(scores(count_instances(names[truth], names[prediction] // 3)), expected)


def test_blobs_that_shift_are_scored_as_defined():
    truth = np.zeros((40, 40), np.int32)
    for label, (y, x) in enumerate([(2, 2), (2, 20), (20, 2), (20, 20)], 1):
        truth[y : y + 12, x : x + 12] = label
    prediction = np.roll(truth, 2, axis=1)
    premise = overlap(truth, prediction).iou
    assert premise.max() < 0.75 < 0.9
    got = scores(count_instances(truth, prediction))
    assert got["AP@0.5"] == 1.0
    assert got["AP@0.75"] == 0.0
    assert got["SEG"] == pytest.approx(120 / 168)


def test_halves_at_one_half_are_matched_one_to_one():
    truth = np.ones((2, 4), np.int32)
    prediction = np.array([[1, 1, 2, 2], [1, 1, 2, 2]])
    assert (overlap(truth, prediction).iou == 0.5).all(), "test invalid"
    assert len(match(overlap(truth, prediction), 0.5)[0]) == 1
    assert scores(count_instances(truth, prediction))["AP@0.5"] == 0.5


def test_more_pairs_win_over_a_better_pair():
    # 1 meets both; taking its better partner would leave 2 with none.
    truth = np.array([[1, 1, 1, 1, 1, 2, 2]])
    prediction = np.array([[3, 4, 4, 4, 4, 4, 4]])
    value = overlap(truth, prediction).iou
    assert value.argmax() != 0, "test invalid"
    assert len(match(overlap(truth, prediction), 0.1)[0]) == 2


def test_pooled_scores_are_not_image_means():
    one = count_instances(np.array([[1, 0]]), np.array([[1, 0]]))
    many = count_instances(np.array([[1, 2, 3]]), np.array([[0, 0, 0]]))
    assert scores(one + many)["AP@0.5"] == 0.25
    assert mean_scores([one, many])["AP@0.5"] == 0.5


def test_an_image_without_objects_is_undefined_with_a_reason():
    empty = count_instances(np.zeros((3, 3), int), np.zeros((3, 3), int))
    assert math.isnan(scores(empty)["AP@0.5"])
    assert undefined(empty)["PQ"] == "no object in truth or prediction"
    full = count_instances(np.array([[1, 0]]), np.array([[1, 0]]))
    assert mean_scores([empty, full])["AP@0.5"] == 1.0
    assert undefined(full) == {}
    missed = count_instances(np.array([[1, 0]]), np.array([[0, 0]]))
    assert undefined(missed)["precision@0.5"] == "no object in the prediction"
    assert undefined(InstanceCounts())["PQ"] == "no image was compared"


def test_volumes_are_scored_like_planes():
    rng = np.random.default_rng(3)
    truth, prediction = rng.integers(0, 4, (2, 3, 4, 5))
    same(
        scores(count_instances(truth, prediction, THRESHOLDS)),
        slow.scores(truth, prediction, THRESHOLDS),
    )


def test_refusals():
    with pytest.raises(UsageError, match="must have one shape, got truth \\(2, 2\\)"):
        overlap(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(UsageError, match="prediction: a label image holds whole numbers"):
        overlap(np.zeros((2, 2), int), np.zeros((2, 2)))
    with pytest.raises(UsageError, match="no negative numbers, got -1"):
        overlap(np.zeros((2, 2), int), np.full((2, 2), -1))
    with pytest.raises(UsageError, match="different IoU thresholds"):
        count_instances(np.eye(2, dtype=int), np.eye(2, dtype=int), (0.5,)) + count_instances(
            np.eye(2, dtype=int), np.eye(2, dtype=int), (0.7,)
        )
