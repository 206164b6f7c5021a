"""Stitching against its definition, and the small worlds that break it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lucyte.schema.errors import UsageError
from lucyte.segment.stitch import stitch_planes
from reference.stitching import stitch


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.int32, (5, 4, 5), elements=st.integers(0, 3)),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.integers(0, 2),
)
def test_stitching_is_what_its_definition_says(planes, min_overlap, max_gap):
    got = stitch_planes(planes, min_overlap=min_overlap, max_gap=max_gap)
    assert np.array_equal(got, stitch(planes, min_overlap, max_gap))


def square(y, x, side=6, name=1, shape=(20, 30)):
    plane = np.zeros(shape, np.int32)
    plane[y : y + side, x : x + side] = name
    return plane


def test_numbers_of_the_planes_mean_nothing():
    planes = [square(2, 2, name=7), square(2, 3, name=1), square(3, 3, name=9)]
    got = stitch_planes(planes)
    assert got.dtype == np.int32
    assert [np.unique(plane).tolist() for plane in got] == [[0, 1]] * 3


def test_an_object_missing_from_one_plane_is_one_object_if_the_gap_is_allowed():
    planes = [square(2, 2), np.zeros((20, 30), np.int32), square(2, 2)]
    assert stitch_planes(planes, max_gap=1).max() == 1
    assert stitch_planes(planes, max_gap=0).max() == 2


def test_the_cap_of_a_round_object_stays_on_it_though_it_is_small():
    planes = [square(4, 4, side=3), square(2, 2, side=8)]
    assert 9 / 64 < 0.5, "test invalid"
    assert stitch_planes(planes).max() == 1


def test_of_two_that_overlap_the_better_continues():
    one = square(2, 2, side=8)
    two = square(2, 2, side=8)
    two[2:5, 2:10], two[5:10, 2:10] = 1, 2
    got = stitch_planes([one, two])
    assert got[1, 8, 4] == got[0, 5, 5] == 1
    assert got[1, 3, 4] == 2


def test_objects_side_by_side_do_not_join():
    assert stitch_planes([square(2, 2), square(2, 6)]).max() == 2


@pytest.mark.parametrize(
    ("planes", "limits", "message"),
    [
        ([np.zeros((3, 3), int)], {"min_overlap": 0}, "min_overlap must be above 0 and at most 1"),
        ([np.zeros((3, 3), int)], {"max_gap": -1}, "max_gap is a number of planes, 0 or more"),
        ([np.zeros((3, 3), int), np.zeros((3, 4), int)], {}, "Y X and of one size"),
        ([np.full((3, 3), 0.5)], {}, "plane 0: a label image holds whole numbers"),
    ],
)
def test_refusals(planes, limits, message):
    with pytest.raises(UsageError, match=message):
        stitch_planes(planes, **limits)


def test_no_planes_and_empty_planes():
    assert stitch_planes([]).shape == (0, 0, 0)
    assert stitch_planes([np.zeros((4, 5), int)] * 3).shape == (3, 4, 5)
