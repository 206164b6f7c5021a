from __future__ import annotations

import numpy as np
import pytest

from lucyte.learn.object_targets import targets_from_labels
from lucyte.networks.grouping import Peaks, find_peaks, own_pixels, suppress
from lucyte.networks.object_network import CENTRE, FOREGROUND, LEFT, MAPS, UNIT, VOTE_X, VOTE_Y
from reference import grouping as slow


def discs(shape=(64, 80), radius=9):
    """Touching discs, one of them cut by the border."""
    labels = np.zeros(shape, np.int32)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for k, (cy, cx) in enumerate([(20, 20), (20, 37), (45, 30), (60, 70), (30, 60)], 1):
        labels[(np.hypot(y - cy, x - cx) <= radius) & (labels == 0)] = k
    return labels


def perfect(labels):
    """What a network that knows everything would answer at stride 1."""
    truth = targets_from_labels(labels)
    maps = np.zeros((MAPS, *labels.shape), np.float32)
    maps[FOREGROUND] = np.where(truth.foreground > 0, 8.0, -8.0)
    p = np.clip(truth.centre, 1e-4, 1 - 1e-4)
    maps[CENTRE] = np.log(p / (1 - p))
    maps[VOTE_Y], maps[VOTE_X] = truth.votes / UNIT
    maps[LEFT:MAPS] = np.log(np.maximum(truth.sides, 0.1) / UNIT)
    return maps


def test_a_perfect_answer_gives_the_labels_back():
    labels = discs()
    maps = perfect(labels)
    peaks = find_peaks(maps, 0.5)
    peaks = peaks.take(suppress(peaks))
    assert len(peaks) == 5
    names = np.arange(1, 6, dtype=np.int32)
    found = own_pixels(maps, peaks, names, labels.shape, 1.0)
    pairs = {(int(a), int(b)) for a, b in zip(labels.ravel(), found.ravel(), strict=True)}
    assert len(pairs) == 6 and (0, 0) in pairs, "each disc is one label and nothing else is"


def test_boxes_of_peaks_are_the_boxes_of_the_discs():
    labels = discs()
    peaks = find_peaks(perfect(labels), 0.5)
    peaks = peaks.take(suppress(peaks))
    own = labels[peaks.cell[:, 0], peaks.cell[:, 1]]
    for box, k in zip(peaks.boxes, own, strict=True):
        y, x = np.nonzero(labels == k)
        np.testing.assert_allclose(box, [x.min(), y.min(), x.max() + 1, y.max() + 1], atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_is_that_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    n = 120
    centre, side = rng.uniform(0, 100, (n, 2)), rng.uniform(3, 25, (n, 2))
    boxes = np.column_stack(
        [centre[:, 1] - side[:, 1], centre[:, 0] - side[:, 0], *(centre + side).T[::-1]]
    ).astype(np.float32)
    scores = rng.choice(np.linspace(0.1, 1, 20), n).astype(np.float32)
    cells = np.argsort(rng.permutation(n))[:, None] * [1, 0] + [0, 3]
    peaks = Peaks(centre.astype(np.float32), boxes, scores, cells.astype(np.int32), cells[:, 0])
    wanted = slow.kept(boxes, peaks.place, scores, cells, 0.4, 0.2)
    assert 5 < len(wanted) < n, "test invalid: nothing or everything is suppressed"
    assert suppress(peaks, 0.4, 0.2).tolist() == wanted


@pytest.mark.parametrize("step", [1.0, 0.5, 1.7])
def test_pixels_go_where_the_definition_sends_them(step):
    rng = np.random.default_rng(3)
    labels = discs((48, 48), 7)
    maps = perfect(labels) + rng.normal(0, 0.3, (MAPS, 48, 48)).astype(np.float32)
    peaks = find_peaks(perfect(labels), 0.5)
    peaks = peaks.take(suppress(peaks))
    shape = (int(48 / step), int(48 / step))
    names = np.arange(1, len(peaks) + 1, dtype=np.int32)
    found = own_pixels(maps, peaks, names, shape, step)
    sizes = np.sqrt(np.prod(peaks.boxes[:, 2:] - peaks.boxes[:, :2], axis=1))
    votes = maps[[VOTE_Y, VOTE_X]] * UNIT
    wanted = slow.owners(maps[FOREGROUND], votes, peaks.place, sizes, shape, step)
    assert wanted.max() == len(peaks), "test invalid: a peak owns nothing"
    assert (found != wanted).mean() < 2e-3, "single and double precision differ at ties alone"


def test_a_window_holds_what_the_whole_holds():
    labels = discs()
    maps = perfect(labels)
    peaks = find_peaks(maps, 0.5)
    peaks = peaks.take(suppress(peaks))
    names = np.arange(1, 6, dtype=np.int32)
    whole = own_pixels(maps, peaks, names, (128, 160), 0.5)
    part = own_pixels(maps, peaks, names, (40, 50), 0.5, (10.0, 15.0))
    np.testing.assert_array_equal(part, whole[20:60, 30:80])


def test_no_peak_no_object():
    maps = np.full((MAPS, 16, 16), -9.0, np.float32)
    peaks = find_peaks(maps, 0.3)
    assert len(peaks) == 0 and len(suppress(peaks)) == 0
    assert not own_pixels(maps, peaks, np.zeros(0, np.int32), (32, 32), 0.5).any()
