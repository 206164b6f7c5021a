"""A stack plane by plane: touching ellipsoids, planes that disagree, gaps and flakes."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.planes_agree import agree
from lucyte.segment.stack import cut_waists, segment_stack
from lucyte.segment.stitch import stitch_planes
from lucyte.segment.threshold import threshold_objects
from lucyte.stats.instances import count_instances, scores
from worlds.ellipsoids import crowd, ellipsoids, photographed


def f1(truth, found, level="0.5"):
    width = truth.shape[-1]
    counted = count_instances(truth.reshape(-1, width), found.reshape(-1, width))
    return scores(counted)[f"F1@{level}"]


def renamed(labels, seed=0):
    """Planes whose numbers say nothing about those of other planes."""
    rng = np.random.default_rng(seed)
    planes = []
    for plane in labels:
        present = np.unique(plane[plane > 0])
        new = np.zeros(int(labels.max()) + 1, np.int32)
        new[rng.permutation(present)] = 1 + np.arange(len(present))
        planes.append(new[plane])
    return np.stack(planes)


@pytest.mark.parametrize("anisotropy", [2.0, 4.0])
def test_true_planes_of_a_crowd_give_back_the_true_objects(anisotropy):
    truth = crowd(1, anisotropy, shape=(int(60 / anisotropy), 160, 160))
    got = segment_stack(renamed(truth), lambda plane: plane, anisotropy=anisotropy)
    assert f1(truth, got, "0.75") == 1.0


def test_a_crowd_is_found_through_the_microscope():
    truth = crowd(0, 4.0, shape=(15, 160, 160))
    nucleus = ObjectSettings(kind="nucleus", diameter_px=24, threshold="otsu")
    got = segment_stack(
        photographed(truth, 0, 4.0), lambda p: threshold_objects([p], nucleus), anisotropy=4.0
    )
    assert f1(truth, got) > 0.9


def test_two_on_top_of_each_other_are_cut_at_the_waist():
    truth = ellipsoids([(5, 40, 40), (14, 41, 40)], [(15, 15, 15)] * 2, (20, 80, 80))
    assert (truth[:, 40, 40] > 0).sum() > 15, "test invalid: they must touch"
    assert stitch_planes(renamed(truth)).max() == 1
    assert f1(truth, segment_stack(renamed(truth), lambda plane: plane), "0.75") == 1.0


def test_one_sphere_has_no_waist():
    truth = ellipsoids([(8, 30, 30)], [(20, 16, 16)], (17, 60, 60))
    assert cut_waists(truth).max() == 1


def test_two_that_ran_together_in_one_plane_are_divided():
    truth = ellipsoids([(6, 30, 22), (6, 30, 45)], [(15, 13, 13)] * 2, (13, 60, 70))
    broken = truth.copy()
    broken[6][broken[6] > 0] = 1
    assert f1(truth, stitch_planes(renamed(broken)), "0.9") < 1, "test invalid"
    got = segment_stack(renamed(broken), lambda plane: plane)
    assert f1(truth, got, "0.9") == 1.0


def test_one_that_fell_apart_in_one_plane_is_joined():
    truth = ellipsoids([(6, 30, 30)], [(15, 13, 13)], (13, 60, 60))
    broken = truth.copy()
    broken[5, :, 30:] *= 2
    assert stitch_planes(renamed(broken)).max() == 2, "test invalid"
    got = segment_stack(renamed(broken), lambda plane: plane)
    assert np.array_equal(got, truth)


def test_agreement_leaves_planes_that_agree_alone():
    truth = crowd(2, 3.0, shape=(12, 120, 120), number=15)
    for before, after in zip(renamed(truth), agree(list(renamed(truth))), strict=True):
        assert np.array_equal(before, after)


def test_a_plane_that_was_missed_is_filled_half_way():
    truth = ellipsoids([(6, 30, 30)], [(15, 13, 13)], (13, 60, 60))
    missed = truth.copy()
    missed[4] = 0
    got = segment_stack(missed, lambda plane: plane)
    assert got.max() == 1
    union, both = ((got[4] > 0) | (truth[4] > 0)).sum(), ((got[4] > 0) & (truth[4] > 0)).sum()
    assert both > 0.9 * union


def test_a_flake_is_dropped_only_where_the_step_in_z_is_known():
    flake = np.zeros((7, 40, 40), np.int32)
    flake[3, 10:30, 10:30] = 1
    assert segment_stack(flake, lambda plane: plane).max() == 1
    assert segment_stack(flake, lambda plane: plane, anisotropy=1.0).max() == 0
    assert segment_stack(flake, lambda plane: plane, anisotropy=6.0).max() == 1
    assert segment_stack(flake[3:], lambda plane: plane, anisotropy=1.0).max() == 1


def test_a_plane_of_channels_goes_to_the_method_whole():
    image = np.zeros((3, 2, 9, 9))
    shapes = []

    def none(plane):
        shapes.append(plane.shape)
        return np.zeros(plane.shape[-2:], np.int32)

    assert segment_stack(image, none).shape == (3, 9, 9)
    assert shapes == [(2, 9, 9)] * 3


def test_refusals_and_no_planes():
    with pytest.raises(UsageError, match="a stack has an axis Z before Y and X, got 2 axes"):
        segment_stack(np.zeros((4, 4)), lambda plane: plane)
    with pytest.raises(UsageError, match=r"anisotropy is step in Z over px, above 0, got -1"):
        segment_stack(np.zeros((2, 4, 4)), lambda plane: plane, anisotropy=-1)
    assert segment_stack(np.zeros((0, 4, 5)), lambda plane: plane).shape == (0, 4, 5)
