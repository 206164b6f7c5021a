"""Which form an output has, and what it says."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.networks.yolo_output import decode, recognise
from lucyte.schema.errors import UsageError

FULL = (640, 640)


@pytest.mark.parametrize(
    ("shape", "size", "classes", "expected"),
    [
        ((1, 25200, 85), FULL, 80, ("v5", 80)),
        ((1, 25200, 6), FULL, None, ("v5", 1)),  # as wide as an end-to-end output
        ((1, 8400, 85), FULL, 80, ("v5", 80)),  # v6: one anchor, objectness 1
        ((1, 102000, 8), (1280, 1280), 3, ("v5", 3)),  # four levels
        ((1, 84, 8400), FULL, None, ("v8", 80)),
        ((1, 5, 21504), (1024, 1024), 1, ("v8", 1)),
        ((1, 7, 6300), (480, 640), 3, ("v8", 3)),
        ((1, 300, 6), FULL, 4, ("end2end", 4)),
        ((1, None, 6), FULL, None, ("end2end", None)),
        ((1, 8400, 6), FULL, 4, ("end2end", 4)),
        ((None, 7), FULL, 2, ("v7-end2end", 2)),
    ],
)
def test_forms_are_told_apart_by_shape(shape, size, classes, expected):
    assert recognise(shape, size, classes, end2end=shape == (1, 8400, 6)) == expected


def test_refusals_say_what_was_got():
    with pytest.raises(
        UsageError, match=r"\(1, 37, 8400\) has room for 33 classes, the file names 1"
    ):
        recognise((1, 37, 8400), FULL, 1)
    with pytest.raises(UsageError, match=r"raw anchor grids. Export YOLOv7 again with --grid"):
        recognise((1, 3, 80, 80, 85), FULL)
    with pytest.raises(UsageError, match=r"\(1, 1000\) is no list of boxes; known forms"):
        recognise((1, 1000), FULL)
    with pytest.raises(UsageError, match=r"fits no YOLO detector with an input of 640 x 640 px"):
        recognise((1, 84, 8401), FULL)


def test_objectness_counts_in_v5():
    table = np.array([[[10, 20, 4, 6, 0.5, 0.2, 0.8], [30, 30, 2, 2, 0.0, 1.0, 0.0]]])
    got = decode(table, "v5")
    np.testing.assert_allclose(got.boxes, [[8, 17, 12, 23], [29, 29, 31, 31]])
    np.testing.assert_allclose(got.scores, [0.4, 0.0])
    assert got.classes.tolist() == [1, 0]


def test_v8_has_places_last():
    table = np.array([[[10, 20, 4, 6, 0.1, 0.7], [30, 30, 2, 2, 0.6, 0.3]]]).transpose(0, 2, 1)
    got = decode(table, "v8")
    np.testing.assert_allclose(got.boxes, [[8, 17, 12, 23], [29, 29, 31, 31]])
    np.testing.assert_allclose(got.scores, [0.7, 0.6])
    assert got.classes.tolist() == [1, 0]


def test_final_boxes_are_corners():
    got = decode(np.array([[[8, 17, 12, 23, 0.9, 2]]]), "end2end")
    np.testing.assert_array_equal(got.boxes, [[8, 17, 12, 23]])
    assert (got.scores.tolist(), got.classes.tolist()) == ([0.9], [2])
    got = decode(np.array([[0, 8, 17, 12, 23, 2, 0.9]]), "v7-end2end")
    np.testing.assert_array_equal(got.boxes, [[8, 17, 12, 23]])
    assert (got.scores.tolist(), got.classes.tolist()) == ([0.9], [2])


def test_nan_is_not_passed_on():
    with pytest.raises(UsageError, match="answered 1 times with nan"):
        decode(np.array([[[8, 17, 12, 23, np.nan, 2]]]), "end2end")
