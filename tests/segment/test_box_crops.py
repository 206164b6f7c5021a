"""Crops from boxes and back: the geometry, who wins where boxes overlap, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.segment.box_crops import cut_crops, masks_in_boxes, paste_crops, windows
from reference import box_crops as slow

HEIGHT, WIDTH = 40, 50
box = st.tuples(
    st.integers(0, WIDTH - 3), st.integers(0, HEIGHT - 3), st.integers(2, 30), st.integers(2, 30)
).map(lambda b: [b[0], b[1], min(b[0] + b[2], WIDTH), min(b[1] + b[3], HEIGHT)])


@settings(max_examples=25)
@given(st.lists(box, min_size=1, max_size=3), st.integers(0, 99))
def test_cut_and_paste_equal_their_definitions(boxes, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((2, HEIGHT, WIDTH)).astype(np.float32)
    crops = cut_crops(image, boxes, side=7)
    for crop, (x0, y0, x1, y1) in zip(crops, boxes, strict=True):
        for got, plane in zip(crop, image, strict=True):
            np.testing.assert_allclose(got, slow.resize(plane[y0:y1, x0:x1], 7, 7), atol=1e-5)
    # Few, round values: ties of probability occur, and distance decides.
    answers = rng.choice([0.25, 0.75, 1.0], (len(boxes), 1, 1)) * np.ones((1, 5, 5))
    got = paste_crops(answers, boxes, (HEIGHT, WIDTH))
    np.testing.assert_array_equal(got.labels, slow.masks(answers, boxes, (HEIGHT, WIDTH), 0.5))
    mixed = rng.random((len(boxes), 5, 5))
    got = paste_crops(mixed, boxes, (HEIGHT, WIDTH))
    different = (got.labels != slow.masks(mixed, boxes, (HEIGHT, WIDTH), 0.5)).mean()
    assert different < 1e-3  # float32 rounding at the threshold


def test_a_box_of_the_crop_size_is_cut_and_pasted_unchanged():
    image = np.random.default_rng(0).random((3, 100, 120)).astype(np.float32)
    boxes = [[20, 30, 84, 94]]
    crop = cut_crops(image, boxes)
    np.testing.assert_array_equal(crop[0], image[:, 30:94, 20:84])
    back = paste_crops(crop[:, 0], boxes, (100, 120))
    np.testing.assert_array_equal(back.probability[30:94, 20:84], image[0, 30:94, 20:84])
    assert back.probability.sum() == pytest.approx(image[0, 30:94, 20:84].sum())


@pytest.mark.parametrize("size", [(20, 31), (64, 64), (150, 90)])
def test_a_ramp_survives_both_ways(size):
    height, width = size
    y, x = np.mgrid[:200, :200]
    ramp = ((3 * x + 2 * y) / 1000).astype(np.float32)
    boxes = [[10, 15, 10 + width, 15 + height]]
    back = paste_crops(cut_crops(ramp[None], boxes)[:, 0], boxes, (200, 200), threshold=0.001)
    edge = max(2, -(-max(size) // 64))  # within a crop px of the border the border is repeated
    inner = np.s_[15 + edge : 15 + height - edge, 10 + edge : 10 + width - edge]
    np.testing.assert_allclose(back.probability[inner], ramp[inner], atol=1e-5)


def test_the_surer_box_wins_and_of_equals_the_nearer():
    boxes = [[0, 0, 20, 10], [10, 0, 30, 10]]
    answers = np.ones((2, 8, 8)) * np.array([0.9, 0.7])[:, None, None]
    labels = paste_crops(answers, boxes, (10, 30)).labels
    assert (labels[:, :20] == 1).all() and (labels[:, 20:] == 2).all()
    labels = paste_crops(np.full((2, 8, 8), 0.8), boxes, (10, 30)).labels
    assert (labels[:, :15] == 1).all() and (labels[:, 15:] == 2).all()


def test_a_network_sees_each_crop_and_its_answer_lands_in_its_box():
    y, x = np.mgrid[:90, :120]
    centres, radii = [(30, 40), (60, 80), (20, 105)], [14, 20, 9]
    image = np.zeros((2, 90, 120), np.float32)
    truth = np.zeros((90, 120), int)
    for label, ((cy, cx), radius) in enumerate(zip(centres, radii, strict=True), 1):
        disc = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image[1][disc] = 100 * label
        truth[disc] = label
    seen = []

    def network(crops):
        seen.append(crops.shape)
        return (crops[:, 1] > 50).astype(np.float32)

    boxes = [
        [cx - r, cy - r, cx + r + 1, cy + r + 1] for (cy, cx), r in zip(centres, radii, strict=True)
    ]
    got = masks_in_boxes(image, boxes, network, batch=2, margin=0.1)
    assert seen == [(2, 2, 64, 64), (1, 2, 64, 64)]
    for label in (1, 2, 3):
        a, b = got.labels == label, truth == label
        assert (a & b).sum() / (a | b).sum() > 0.93


def test_margin_and_frame():
    where = windows([[10.4, 10.6, 20.4, 30.6], [-5, -5, 8, 8], [45, 0, 70, 5]], (40, 50), 0.1)
    assert where.tolist() == [[9, 9, 21, 33], [0, 0, 9, 9], [42, 0, 50, 6]]


def test_boxes_outside_the_image_stay_empty():
    image = np.ones((1, 40, 50), np.float32)
    boxes = [[60, 60, 80, 80], [5, 5, 15, 15], [7, 7, 7, 20]]
    got = masks_in_boxes(image, boxes, lambda crops: np.ones((len(crops), 64, 64)))
    assert np.unique(got.labels).tolist() == [0, 2]
    assert (got.labels == 2).sum() == 100
    none = masks_in_boxes(image, [], lambda crops: 1 / 0)
    assert not none.labels.any()
    with pytest.raises(UsageError, match=r"box 0 holds no px of an image of 40 x 50 px"):
        cut_crops(image, boxes)


def test_refusals():
    image = np.ones((1, 40, 50), np.float32)
    boxes = [[0, 0, 9, 9]]
    with pytest.raises(UsageError, match=r"axes C Y X, got shape \(40, 50\)"):
        masks_in_boxes(image[0], boxes, len)
    with pytest.raises(UsageError, match=r"answered \(1, 1, 64, 64\) to 1 crops; \(1, 64, 64\)"):
        masks_in_boxes(image, boxes, lambda crops: np.ones((1, 1, 64, 64)))
    with pytest.raises(UsageError, match=r"probabilities from 0 to 1, got -3 to -3"):
        masks_in_boxes(image, boxes, lambda crops: np.full((1, 64, 64), -3.0))
    with pytest.raises(UsageError, match=r"finite px, got shape \(1, 3\)"):
        windows([[1, 2, 3]], (9, 9))
    with pytest.raises(UsageError, match="margin must not be negative"):
        windows(boxes, (9, 9), -1)
