"""Masks from prompts in the frame: who is on top, where masks end, tiles, any channels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from lucyte.networks.sam import read_sam
from lucyte.schema.errors import UsageError
from lucyte.segment.box_crops import windows
from lucyte.segment.box_prompted import segment_boxes, segment_points
from worlds.tiny_sam import write_sam, write_sam2

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
BOXES = np.array([[10, 10, 40, 40], [30, 20, 70, 80], [80, 50, 119, 89], [25, 5, 60, 45]])


@pytest.fixture(scope="module", params=["sam", "sam2"])
def model(request, tmp_path_factory):
    write = {"sam": write_sam, "sam2": write_sam2}[request.param]
    return read_sam(write(tmp_path_factory.mktemp(request.param)))


def test_masks_are_those_of_each_box_alone_with_the_surest_on_top(model):
    got = segment_boxes(model, PICTURE, BOXES)
    alone = [segment_boxes(model, PICTURE, box[None]) for box in BOXES]
    assert all(each.labels.any() for each in alone), "test invalid: an empty mask"
    covered = sum(each.labels for each in alone)
    assert covered.max() > 1, "test invalid: no overlap"
    np.testing.assert_allclose(got.scores, [each.scores[0] for each in alone], atol=1e-5)
    expected = np.zeros((90, 120), int)
    for row in np.argsort(got.scores):
        expected[alone[row].labels > 0] = row + 1
    assert (got.labels != expected).sum() <= 3  # logits of float32 at 0
    assert got.labels.dtype == np.int32


def test_masks_equal_whole_pictures_of_logits(model):
    seen = model.embed(PICTURE)
    answer = model.ask(seen, boxes=BOXES)
    for row, box in enumerate(BOXES):
        whole = model.window(seen, answer.logits[row], (0, 0, 120, 90)) > 0
        x0, y0, x1, y1 = windows(box[None], (90, 120), 0.1)[0]
        outside = np.ones((90, 120), bool)
        outside[y0:y1, x0:x1] = False
        assert (whole & outside).any(), "test invalid: nothing to cut"
        whole[outside] = False
        got = segment_boxes(model, PICTURE, box[None], margin=0.1).labels
        assert (got.astype(bool) != whole).sum() <= 3


def test_batches_do_not_matter(model):
    one = segment_boxes(model, PICTURE, BOXES, batch=1)
    many = segment_boxes(model, PICTURE, BOXES, batch=3)
    np.testing.assert_allclose(one.scores, many.scores, atol=1e-5)
    assert (one.labels != many.labels).sum() <= 3


def test_a_tile_is_looked_at_alone(model):
    boxes = np.array([[4, 4, 24, 24], [90, 60, 112, 84]])
    got = segment_boxes(model, PICTURE, boxes, tile_px=60)
    left = segment_boxes(model, np.ascontiguousarray(PICTURE[:60, :60]), boxes[:1])
    right = segment_boxes(model, PICTURE[30:, 60:], boxes[1:] - [60, 30, 60, 30])
    np.testing.assert_allclose(got.scores, [left.scores[0], right.scores[0]], atol=1e-5)
    expected = np.zeros((90, 120), int)
    expected[:60, :60] = left.labels
    expected[30:, 60:][right.labels > 0] = 2
    assert (got.labels != expected).sum() <= 3
    whole = segment_boxes(model, PICTURE, boxes, tile_px=500)
    np.testing.assert_allclose(whole.scores, segment_boxes(model, PICTURE, boxes).scores)


def test_points_give_one_mask_each(model):
    got = segment_points(model, PICTURE, [[20, 20], [500, 3], [100, 70]])
    assert set(np.unique(got.labels)) <= {0, 1, 3}
    assert np.isnan(got.scores).tolist() == [False, True, False]
    seen = model.embed(PICTURE)
    answer = model.ask(seen, points=np.array([[20.0, 20.0]]), several=True)
    whole = model.window(seen, answer.logits[0], (0, 0, 120, 90)) > 0
    alone = segment_points(model, PICTURE, [[20, 20]])
    assert (alone.labels.astype(bool) != whole).sum() <= 3


def test_any_number_of_channels_is_shown(model):
    rng = np.random.default_rng(3)
    for count in (1, 2, 3, 5):
        image = rng.random((count, 90, 120)) * 4000
        assert segment_boxes(model, image, BOXES).labels.shape == (90, 120)
    plane = rng.integers(0, 256, (90, 120)).astype(np.uint8)
    grey = segment_boxes(model, plane, BOXES)
    same = segment_boxes(model, np.repeat(plane[..., None], 3, 2), BOXES)
    np.testing.assert_array_equal(grey.labels, same.labels)


def test_boxes_outside_and_no_boxes(model):
    got = segment_boxes(model, PICTURE, [[200, 200, 220, 220], [-10, -10, 30, 30]])
    assert set(np.unique(got.labels)) <= {0, 2}
    assert np.isnan(got.scores).tolist() == [True, False]
    for nothing in (segment_boxes(model, PICTURE, []), segment_points(model, PICTURE, [])):
        assert not nothing.labels.any() and len(nothing.scores) == 0


def test_refusals(model):
    with pytest.raises(UsageError, match=r"at least twice the largest box \(60 px\), got 64"):
        segment_boxes(model, PICTURE, BOXES, tile_px=64)
    with pytest.raises(UsageError, match="batch must be at least 1"):
        segment_boxes(model, PICTURE, BOXES, batch=0)
    with pytest.raises(UsageError, match=r"rows x, y of finite px, got shape \(1, 3\)"):
        segment_points(model, PICTURE, [[1, 2, 3]])
    with pytest.raises(UsageError, match=r"axes Y X or C Y X, got shape \(2, 2, 2, 2\)"):
        segment_boxes(model, np.zeros((2, 2, 2, 2)), BOXES)
