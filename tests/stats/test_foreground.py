"""Foreground and centre lines against loops over pixels and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from lucyte.stats.centre_line import cl_dice, skeleton
from lucyte.stats.foreground import PixelCounts, count_pixels, foreground_scores
from reference import foreground as slow

labels = arrays(np.int32, (5, 6), elements=st.integers(0, 3))


@settings(max_examples=50, deadline=None)
@given(labels, labels)
def test_foreground_equals_its_definition(truth, prediction):
    got = foreground_scores(count_pixels(truth, prediction))
    assert got == pytest.approx(slow.foreground(truth, prediction), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(labels, labels)
def test_foreground_equals_scikit_learn(truth, prediction):
    truth[0, 0] = prediction[4, 5] = 1
    t, p = truth.ravel() > 0, prediction.ravel() > 0
    expected = [*precision_recall_fscore_support(t, p, average="binary")[:3], jaccard_score(t, p)]
    got = foreground_scores(count_pixels(truth, prediction))
    assert list(got.values()) == pytest.approx([float(each) for each in expected])


def test_pooled_and_empty():
    whole = count_pixels(np.ones((2, 2), int), np.ones((2, 2), int))
    missed = count_pixels(np.ones((2, 2), int), np.zeros((2, 2), int))
    assert whole + missed == PixelCounts(8, 4, 4)
    assert foreground_scores(whole + missed)["pixel_recall"] == 0.5
    lone = foreground_scores(missed)
    assert (lone["pixel_recall"], lone["pixel_F1"], lone["pixel_Jaccard"]) == (0.0, 0.0, 0.0)
    assert math.isnan(lone["pixel_precision"])
    assert all(math.isnan(value) for value in foreground_scores(PixelCounts()).values())


def blobs(seed: int, shape: tuple[int, int] = (24, 26)) -> np.ndarray:
    from scipy import ndimage

    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return field > np.quantile(field, 0.6)


def shape_of(mask: np.ndarray) -> tuple[int, int]:
    """Parts (8-connected) and holes (4-connected) of a mask."""
    from scipy import ndimage

    around = np.pad(~mask, 1, constant_values=True)
    return ndimage.label(mask, np.ones((3, 3)))[1], ndimage.label(around)[1] - 1


@pytest.mark.parametrize("seed", range(6))
def test_centre_line_dice_equals_its_definition(seed):
    truth, prediction = blobs(seed), blobs(seed) | (blobs(seed + 100) & blobs(seed + 200))
    assert (truth != prediction).any(), "test invalid"
    for mask in (truth, prediction):
        line = skeleton(mask)
        assert not (line & ~mask).any() and line.sum() < 0.4 * mask.sum()
        assert shape_of(line) == shape_of(mask)
    got = cl_dice(truth, prediction)
    lines = [set(map(tuple, np.argwhere(skeleton(m)).tolist())) for m in (truth, prediction)]
    assert got == pytest.approx(slow.cl_dice(truth, prediction, *lines))
    # another way to thin gives other lines, and nearly the same number
    textbook = slow.cl_dice(truth, prediction, slow.thin(truth), slow.thin(prediction))
    assert got == pytest.approx(textbook, abs=0.05)


def test_a_thicker_line_is_whole_and_a_broken_one_is_not():
    line = np.zeros((40, 60), bool)
    line[19:22, 5:55] = True
    thick, broken = np.zeros((2, 40, 60), bool)
    thick[16:25, 5:55] = True
    broken[:] = line
    broken[:, 20:40] = False
    assert cl_dice(line, thick) == 1.0
    assert 0.7 < cl_dice(line, broken) < 0.8
    assert foreground_scores(count_pixels(line, thick))["pixel_F1"] == 0.5
    assert cl_dice(line, np.zeros_like(line)) == 0.0
    assert cl_dice(line, np.roll(line, 15, axis=0)) == 0.0
    assert math.isnan(cl_dice(line * 0, line * 0))
    deep = np.repeat(line[None], 3, axis=0)
    assert cl_dice(deep, deep) == 1.0
    box = np.zeros((5, 20, 20), bool)
    box[1:3, 4:12, 4:12] = True
    assert not skeleton(box).any(), "test invalid"
    assert math.isnan(cl_dice(box, box))
