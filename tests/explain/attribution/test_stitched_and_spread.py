from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from lucyte.classify.patch_stitching import stitch as stitch_patches
from lucyte.explain.attribution.spread import (
    MOVES,
    Move,
    move_back,
    moved,
    over_models,
    over_moves,
    spread_of,
)
from lucyte.explain.attribution.stitched import flatten_stack, stitch, window
from lucyte.schema.errors import UsageError


def test_overlapping_patches_of_a_stack_come_back_as_they_were():
    field = np.random.default_rng(0).normal(size=(2, 3, 20, 24))
    places = [(z, y, x) for z in (0, 2) for y in (0, 6, 12) for x in (0, 5, 10, 16)]
    maps = np.stack([field[:, z, y : y + 8, x : x + 8] for z, y, x in places])
    for shape in ("cosine", "gaussian", "flat"):
        out = stitch(maps, places, (3, 20, 24), shape)
        assert np.allclose(out[:, [0, 2]], field[:, [0, 2]])
        assert np.isnan(out[:, 1]).all()


def test_windows_weigh_the_centre_most_and_the_mean_is_weighted():
    for shape in ("cosine", "gaussian"):
        weight = window(8, shape)
        assert weight.max() == weight[3, 4]
        assert weight[0, 0] < 0.02 * weight[4, 4]
        assert np.allclose(weight, weight[::-1, ::-1])
    maps = np.stack([np.full((1, 4, 4), 1.0), np.full((1, 4, 4), 5.0)])
    out = stitch(maps, [(0, 0, 0), (0, 0, 2)], (1, 4, 6))[0, 0]
    a, b = np.sin(np.pi * 2.5 / 4) ** 2, np.sin(np.pi * 0.5 / 4) ** 2
    assert out[1, 2] == pytest.approx((a * 1 + b * 5) / (a + b))


def test_one_plane_is_stitched_as_classify_does():
    maps = np.random.default_rng(1).normal(size=(3, 1, 8, 8))
    y, x = [0, 4, 8], [0, 3, 8]
    ours = stitch(maps, [(0, *each) for each in zip(y, x, strict=True)], (1, 16, 16))[0, 0]
    assert np.allclose(ours, stitch_patches(maps[:, 0], y, x, (16, 16)), equal_nan=True)


def test_planes_are_weighted_and_gaps_left_to_the_others():
    stack = np.array([1.0, 3.0, np.nan])[None, :, None, None] * np.ones((1, 3, 2, 2))
    assert np.allclose(flatten_stack(stack), 2)
    assert np.allclose(flatten_stack(stack, [3, 1, 9]), 1.5)
    assert np.isnan(flatten_stack(stack, [0, 0, 1])).all()
    with pytest.raises(UsageError, match="3 planes need as many weights from 0"):
        flatten_stack(stack, [1, -1, 1])


def test_patches_that_leave_the_field_are_refused():
    with pytest.raises(UsageError, match=r"z 0, y 3, x 0 leaves the field \(1, 4, 4\)"):
        stitch(np.zeros((1, 1, 2, 2)), [(0, 3, 0)], (1, 4, 4))
    with pytest.raises(UsageError, match="unknown window 'box'"):
        stitch(np.zeros((1, 1, 2, 2)), [(0, 0, 0)], (1, 4, 4), "box")


@pytest.mark.parametrize("move", [*MOVES, Move(3, True, (2, -1))])
def test_a_move_is_undone(move):
    crops = np.random.default_rng(0).normal(size=(2, 1, 9, 9))
    back = move_back(moved(crops, move), move)
    there = np.isfinite(back)
    assert np.array_equal(back[there], crops[there])
    y, x = move.shift
    assert (~there[0, 0]).sum() == 81 - (9 - abs(y)) * (9 - abs(x))


def test_a_map_of_the_picture_agrees_with_itself_and_one_of_places_does_not():
    crops = np.random.default_rng(0).normal(size=(2, 1, 12, 12))
    picture = over_moves(lambda c: c, crops)
    assert np.allclose(picture.agreement, 1)
    assert np.allclose(picture.deviation, 0, atol=1e-12)
    ramp = np.broadcast_to(np.arange(144.0).reshape(12, 12), crops.shape)
    places = over_moves(lambda c: ramp, crops)
    assert (np.abs(places.agreement) < 0.4).all()
    assert places.runs == 12


def test_agreement_is_the_mean_rank_correlation_of_pairs():
    a, b, c = np.random.default_rng(2).normal(size=(3, 1, 2, 5, 5))
    found = over_models([lambda _: a, lambda _: b, lambda _: c], np.zeros((1, 2, 5, 5)))
    told = [spearmanr(p.ravel(), q.ravel())[0] for p, q in ((a, b), (a, c), (b, c))]
    assert found.agreement[0] == pytest.approx(np.mean(told))
    assert np.allclose(found.mean, (a + b + c) / 3)
    assert np.allclose(found.deviation, np.std([a, b, c], axis=0, ddof=1))


def test_constant_maps_have_no_agreement_and_one_way_is_refused():
    flat = np.zeros((1, 1, 3, 3))
    assert np.isnan(spread_of([flat, flat]).agreement).all()
    with pytest.raises(UsageError, match="maps found in 2 ways or more, got 1"):
        spread_of([flat])
