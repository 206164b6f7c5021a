"""Outlines against lists of pixels, against scikit-image, and against shapes known by heart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import hausdorff_distance

from lucyte.schema.errors import UsageError
from lucyte.stats.boundary import boundary_scores, outline, surface_distances
from lucyte.stats.object_boundary import mean_boundaries, object_boundaries
from reference import boundary as slow

plane = arrays(np.bool_, (7, 8))
volume = arrays(np.bool_, (3, 4, 5))
steps = st.sampled_from([0.25, 0.5, 1.0, 3.0])


def same(truth, prediction, spacing, tolerance, width):
    got = boundary_scores(truth, prediction, spacing, tolerance, width)
    assert got.undefined == ""
    expected = slow.scores(truth, prediction, spacing, tolerance, width)
    assert (got.iou, got.nsd, got.hd95, got.mean_distance) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(plane, plane, st.tuples(steps, steps), st.sampled_from([0.0, 1.0, 2.0]), steps)
def test_planes_equal_their_definitions(truth, prediction, spacing, tolerance, width):
    truth[3, 3] = prediction[3, 4] = True
    same(truth, prediction, spacing, tolerance, width)


@settings(max_examples=15, deadline=None)
@given(volume, volume, st.tuples(steps, steps, steps))
def test_anisotropic_volumes_equal_their_definitions(truth, prediction, spacing):
    truth[1, 1, 1] = prediction[1, 2, 2] = True
    same(truth, prediction, spacing, 1.0, 1.5)


@settings(max_examples=25, deadline=None)
@given(plane, plane)
def test_the_largest_distance_is_the_hausdorff_distance_of_scikit_image(truth, prediction):
    truth[0, 0] = prediction[6, 7] = True
    away, back = surface_distances(truth, prediction)
    expected = hausdorff_distance(outline(truth), outline(prediction))
    assert max(away.max(), back.max()) == pytest.approx(expected)


def square(y: int, x: int, side: int = 20, size: int = 60) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_a_square_moved_by_three():
    truth, prediction = square(10, 10), square(10, 13)
    away, back = surface_distances(truth, prediction)
    assert away.max() == back.max() == 3.0
    assert boundary_scores(truth, prediction, tolerance=3.0).nsd == 1.0
    got = boundary_scores(truth, prediction)
    assert got.hd95 == 3.0
    # of either outline (76 px) the whole rear side lies 3 away, and of the front all but 3 + 3
    assert got.nsd == pytest.approx(1 - (20 + 14) / 76)
    # bands of 144 px share the sides along the move, 4 rows of 17 px, and nothing of the others
    assert got.iou == pytest.approx(68 / (2 * 144 - 68))


def test_um_are_px_times_the_pixel_size():
    truth, prediction = square(10, 10), square(14, 12)
    px = boundary_scores(truth, prediction)
    um = boundary_scores(truth, prediction, (0.3, 0.3), tolerance=0.6, width=0.6)
    assert um.hd95 == pytest.approx(0.3 * px.hd95)
    assert um.mean_distance == pytest.approx(0.3 * px.mean_distance)
    assert (um.nsd, um.iou) == (px.nsd, px.iou)


def test_a_tall_voxel_counts_for_what_it_is():
    truth, prediction = np.zeros((2, 6, 8, 8), bool)
    truth[2, 2:6, 2:6] = True
    prediction[3, 2:6, 2:6] = True
    assert boundary_scores(truth, prediction).mean_distance == 1.0
    tall = boundary_scores(truth, prediction, (5.0, 1.0, 1.0))
    assert tall.mean_distance == tall.hd95 == 5.0
    assert tall.nsd == 0.0


@pytest.mark.parametrize(
    ("truth", "prediction", "reason"),
    [(0, 1, "no foreground in the truth"), (1, 0, "no foreground in the prediction")],
)
def test_one_empty_mask(truth: int, prediction: int, reason: str):
    shape = (5, 6)
    got = boundary_scores(np.full(shape, truth), np.full(shape, prediction))
    assert (got.iou, got.nsd, got.undefined) == (0.0, 0.0, reason)
    assert math.isnan(got.hd95) and math.isnan(got.mean_distance)


def test_both_empty_masks():
    got = boundary_scores(np.zeros((5, 6), int), np.zeros((5, 6), int))
    assert math.isnan(got.nsd) and math.isnan(got.iou)
    assert got.undefined == "no foreground in truth or prediction"


def test_an_object_that_fills_the_image_ends_at_its_border():
    full = np.ones((30, 30), bool)
    assert outline(full).sum() == 4 * 29
    assert boundary_scores(full, full).nsd == 1.0
    got = boundary_scores(full, np.pad(np.ones((28, 28), bool), 1))
    assert (got.nsd, got.mean_distance) == (1.0, pytest.approx(1.0, abs=0.02))
    assert boundary_scores(full, full[:, :] & (np.arange(30) < 20)).hd95 == 10.0


def test_objects_are_compared_with_their_partners():
    truth, prediction = np.zeros((2, 60, 60), np.int64)
    truth[2:22, 2:22] = 3_000_000_000
    truth[30:50, 30:50] = 7
    truth[2:8, 40:46] = 9
    prediction[2:22, 3:23] = 5
    prediction[30:50, 30:50] = 2
    found = object_boundaries(truth, prediction)
    assert found.truth_label.tolist() == [7, 3_000_000_000]
    assert found.prediction_label.tolist() == [2, 5]
    assert found.scores[0].nsd == found.scores[1].nsd == 1.0
    whole = boundary_scores(truth == 3_000_000_000, prediction == 5)
    assert found.scores[1] == whole
    means = mean_boundaries(found)
    assert means["object_HD95"] == pytest.approx((0 + whole.hd95) / 2) == 0.5
    assert math.isnan(mean_boundaries(object_boundaries(truth, truth * 0))["object_NSD"])


def test_refusals():
    one = np.eye(3, dtype=bool)
    with pytest.raises(UsageError, match="spacing of 2 numbers for 3 axes; give one per axis"):
        boundary_scores(np.ones((2, 2, 2), int), np.ones((2, 2, 2), int), (1, 1))
    with pytest.raises(UsageError, match="spacing must be positive, got 0, 1"):
        boundary_scores(one, one, (0, 1))
    with pytest.raises(UsageError, match="tolerance must be 0 or more, got nan"):
        boundary_scores(one, one, tolerance=math.nan)
    with pytest.raises(UsageError, match="bands must be more than 0, got 0"):
        boundary_scores(one, one, width=0)
    with pytest.raises(UsageError, match=r"truth \(3, 3\) and prediction \(2, 3\)"):
        boundary_scores(one, one[:2])
    with pytest.raises(UsageError, match="prediction: a mask holds whole numbers or booleans"):
        boundary_scores(one, one * 0.5)
