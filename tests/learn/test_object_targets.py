from __future__ import annotations

import numpy as np
import torch

from lucyte.learn.object_losses import DEFAULT_WEIGHTS, LOSSES, object_loss, soft_skeleton
from lucyte.learn.object_targets import (
    Targets,
    boxes_of_labels,
    targets_from_boxes,
    targets_from_labels,
)
from lucyte.networks.object_network import CENTRE, FOREGROUND, LEFT, MAPS, UNIT, VOTE_X, VOTE_Y
from reference import object_targets as slow


def shapes():
    """A concave object, a disc, a single pixel, and one cut by the border; label 3 is absent."""
    labels = np.zeros((30, 40), np.int32)
    labels[2:14, 2:6] = labels[10:14, 2:16] = 1
    y, x = np.mgrid[:30, :40]
    labels[np.hypot(y - 20, x - 28) < 6] = 2
    labels[5, 30] = 4
    labels[24:, :5] = 5
    return labels


def test_are_those_of_the_definition():
    labels = shapes()
    found = targets_from_labels(labels)
    votes, sides, size, centres = slow.of_labels(labels)
    np.testing.assert_allclose(found.votes, votes, atol=1e-6)
    np.testing.assert_allclose(found.sides, sides, atol=1e-6)
    np.testing.assert_allclose(found.size, size, atol=1e-5)
    np.testing.assert_array_equal(found.foreground, labels > 0)
    peaks = np.argwhere(found.centre >= 0.999)
    assert len(peaks) == len(centres) == 4
    for y, x in centres:
        away = np.abs(peaks + 0.5 - (y, x)).max(1).min()
        assert away <= 0.5 + 1e-6, "each box centre has its peak in the nearest pixel"


def test_boxes_of_labels_leave_room_for_absent_labels():
    boxes = boxes_of_labels(shapes())
    assert boxes.shape == (5, 4)
    assert boxes[2].tolist() == [0, 0, 0, 0]
    assert boxes[3].tolist() == [30, 5, 31, 6]


def test_a_box_alone_leaves_its_rim_unknown():
    found = targets_from_boxes(np.array([[4, 6, 24, 18], [50, 50, 50, 60]]), (30, 30))
    assert found.foreground[12, 14] == 1
    assert np.isnan(found.foreground[7, 5])
    assert found.foreground[25, 25] == 0
    assert found.size.max() == np.float32(np.sqrt(20 * 12))
    assert (found.centre >= 0.999).sum() == 1, "a box of no area has no centre"


def test_touching_boxes_share_their_overlap_by_nearness():
    found = targets_from_boxes(np.array([[0, 0, 20, 20], [10, 0, 30, 20]]), (20, 30))
    assert found.votes[1, 10, 8] > 0 and found.votes[1, 10, 22] < 0
    assert found.votes[1, 10, 12] < 0, "nearer to the first box's centre"
    assert found.votes[1, 10, 17] > 0, "nearer to the second's"


def batch_of(targets):
    return {
        name: torch.from_numpy(np.asarray(getattr(targets, name)))[None]
        for name in Targets.__dataclass_fields__
    }


def answer_of(targets, classes=0):
    maps = torch.zeros(1, MAPS + classes, *targets.foreground.shape)
    maps[0, FOREGROUND] = torch.from_numpy(np.where(targets.foreground > 0, 12.0, -12.0))
    p = torch.from_numpy(np.clip(targets.centre, 1e-6, 1 - 1e-6))
    maps[0, CENTRE] = torch.where(p > 0.99, 12.0, torch.log(p / (1 - p)))
    maps[0, VOTE_Y : VOTE_X + 1] = torch.from_numpy(targets.votes / UNIT)
    maps[0, LEFT:MAPS] = torch.log(torch.from_numpy(np.maximum(targets.sides, 1e-3) / UNIT))
    return maps


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_does():
    targets = targets_from_labels(shapes())
    batch, perfect = batch_of(targets), answer_of(targets)
    for name in ("foreground_bce", "foreground_dice", "votes", "sides_iou"):
        assert float(LOSSES[name](perfect, batch)) < 1e-3, name
        assert float(LOSSES[name](torch.zeros_like(perfect), batch)) > 0.1, name
    assert float(LOSSES["centre_focal"](perfect, batch)) < 0.2


def test_what_is_unknown_costs_nothing():
    targets = targets_from_boxes(np.array([[4, 6, 24, 18]]), (30, 30))
    batch = batch_of(targets)
    answer = answer_of(targets)
    before = float(LOSSES["foreground_bce"](answer, batch))
    answer[0, FOREGROUND][torch.isnan(batch["foreground"][0])] = 50
    assert float(LOSSES["foreground_bce"](answer, batch)) == before


def test_classes_count_only_where_they_are_known():
    labels = shapes()
    targets = targets_from_labels(labels, np.array([-1, 0, 1, -1, -1, -1]))
    batch, answer = batch_of(targets), answer_of(targets, classes=2)
    even = float(LOSSES["classes"](answer, batch))
    assert abs(even - np.log(2)) < 1e-6
    for k, own in ((1, 0), (2, 1)):
        answer[0, MAPS + own][torch.from_numpy(labels == k)] = 20
    assert float(LOSSES["classes"](answer, batch)) < 1e-6


def test_every_loss_has_a_gradient():
    targets = targets_from_labels(shapes(), np.array([-1, 0, 1, 0, 1, 0]))
    answer = (answer_of(targets, 2) * 0.3).requires_grad_()
    loss, parts = object_loss([answer * 0.5, answer], batch_of(targets), DEFAULT_WEIGHTS)
    loss.backward()
    assert set(parts) == set(DEFAULT_WEIGHTS)
    assert torch.isfinite(answer.grad).all() and answer.grad.abs().sum() > 0


def test_the_skeleton_of_a_bar_is_its_middle_line():
    bar = torch.zeros(1, 1, 15, 31)
    bar[..., 5:10, 3:28] = 1
    line = soft_skeleton(bar)[0, 0]
    assert line[7, 8:23].min() > 0.99
    assert line[[5, 6, 8, 9]][:, 8:23].max() < 0.01
