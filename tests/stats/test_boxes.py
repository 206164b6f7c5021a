"""Box scores against painted boxes and the COCO procedure step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.stats.boxes import average_precision, box_iou, box_scores, match_boxes
from reference import boxes as slow

box = st.tuples(*[st.integers(0, 12) for _ in range(4)]).map(
    lambda b: [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])]
)
boxes = st.lists(box, max_size=5)
scored = st.lists(st.tuples(box, st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.9])), max_size=6)


@settings(max_examples=60, deadline=None)
@given(boxes, boxes)
def test_iou_and_matching_equal_their_definitions(first, second):
    got = box_iou(first, second)
    expected = [[slow.iou(a, b) for b in second] for a in first]
    np.testing.assert_allclose(got, np.reshape(expected, got.shape), atol=1e-9)
    for threshold in (0.2, 0.5):
        tp = len(match_boxes(first, second, threshold)[0])
        assert tp == slow.most_matches(first, second, threshold)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(boxes, scored), min_size=1, max_size=3))
def test_average_precision_equals_its_definition(images):
    truth = [t for t, _ in images]
    found = [[b for b, _ in p] for _, p in images]
    sure = [[c for _, c in p] for _, p in images]
    got = average_precision(truth, found, sure)
    for threshold in (0.5, 0.75):
        expected = slow.average_precision(truth, found, sure, threshold)
        assert got[f"AP@{threshold:g}"] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_average_precision_keeps_more_than_a_hundred_objects():
    grid = np.array([[x, y, x + 8, y + 8] for y in range(0, 300, 10) for x in range(0, 100, 10)])
    assert len(grid) > 100, "test invalid"
    got = average_precision([grid], [grid], [np.linspace(1, 0, len(grid))])
    assert got["mAP50"] == got["mAP50-95"] == 1.0


def test_boxes_are_half_open():
    assert box_iou([[0, 0, 4, 4]], [[4, 0, 8, 4]])[0, 0] == 0.0
    assert box_iou([[0, 0, 4, 4]], [[0, 0, 4, 2]])[0, 0] == 0.5


def test_scores_without_confidence_are_pooled():
    truth = [[[0, 0, 4, 4]], [[0, 0, 4, 4], [10, 10, 14, 14]]]
    found = [[[0, 0, 4, 4], [20, 20, 24, 24]], []]
    got = box_scores(truth, found)
    assert got == {"F1@0.5": pytest.approx(2 / 5), "precision@0.5": 0.5, "recall@0.5": 1 / 3}
    assert math.isnan(box_scores([[]], [[]])["F1@0.5"])


def test_refusals():
    with pytest.raises(UsageError, match="rows x0, y0, x1, y1, got shape \\(1, 3\\)"):
        box_iou([[1, 2, 3]], [])
    with pytest.raises(UsageError, match="row 1 is no box"):
        box_iou([[0, 0, 1, 1], [5, 0, 1, 1]], [])
    with pytest.raises(UsageError, match="boxes of 1 images for 2"):
        box_scores([[], []], [[]])
    with pytest.raises(UsageError, match="image 0: 1 boxes need as many scores"):
        average_precision([[]], [[[0, 0, 1, 1]]], [[]])
