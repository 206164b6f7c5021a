"""Non-maximum suppression against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.networks.suppression import suppress
from lucyte.schema.errors import UsageError
from reference import suppression as slow

box = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2).map(
    lambda b: [float(v) for v in (b[0], b[1], b[0] + b[2], b[1] + b[3])]
)
scored = st.lists(
    st.tuples(box, st.sampled_from([0.1, 0.5, 0.5, 0.9]), st.integers(0, 1)), max_size=12
)


@given(scored, st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]))
def test_it_equals_its_definition(rows, threshold):
    boxes = [each[0] for each in rows]
    scores = [each[1] for each in rows]
    groups = [each[2] for each in rows]
    one = [0] * len(rows)
    assert suppress(boxes, scores, threshold).tolist() == slow.suppress(
        boxes, scores, threshold, one
    )
    assert suppress(boxes, scores, threshold, groups).tolist() == slow.suppress(
        boxes, scores, threshold, groups
    )


def test_thousands_stay():
    y, x = np.meshgrid(np.arange(60) * 10.0, np.arange(60) * 10.0)
    boxes = np.stack([x, y, x + 9, y + 9], -1).reshape(-1, 4)
    twice = np.concatenate([boxes, boxes + 1])
    scores = np.concatenate([np.full(3600, 0.8), np.full(3600, 0.4)])
    np.testing.assert_array_equal(suppress(twice, scores, 0.5), np.arange(3600))


def test_exactly_the_threshold_stays():
    boxes = [[0, 0, 2, 2], [0, 1, 2, 3]]  # IoU 1/3
    assert slow.iou(*boxes) == 1 / 3, "test invalid"
    assert len(suppress(boxes, [0.9, 0.8], 0.34)) == 2
    assert len(suppress(boxes, [0.9, 0.8], 0.33)) == 1


def test_refusals():
    with pytest.raises(UsageError, match="iou must be from 0 to 1, got 70"):
        suppress([[0, 0, 1, 1]], [0.5], 70)
    with pytest.raises(UsageError, match="1 boxes need as many scores and groups, got 2 and 1"):
        suppress([[0, 0, 1, 1]], [0.5, 0.1], 0.5)
    with pytest.raises(UsageError, match="1 scores are nan"):
        suppress([[0, 0, 1, 1]], [np.nan], 0.5)
