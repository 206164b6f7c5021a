"""Detail of another class: spots come and go, decoys and what both classes share stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lucyte.explain.counterfactual.transfer import as_other, fit_transfer, transfer
from lucyte.networks.invertible_detail import (
    ZONES,
    broad_levels,
    broad_light,
    over_zones,
    remember,
    take_apart,
)
from reference.detail import broad_by_hand, levels_by_hand, sorted_transport, spread_by_hand

PX = 24
RED, GREEN = 0, 1
SPOT = 3.0
STAY = np.zeros((2, ZONES))


def _cells(
    n: int, spots: int, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Prepared planes, where red spots are, and where decoys are: spots in both channels."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:PX, :PX]
    planes = chance.normal(0, 0.15, (n, 2, PX, PX))
    red, both = np.zeros((2, n, PX, PX), dtype=bool)
    for k in range(n):
        light = chance.uniform(1, 3)
        planes[k] += light * np.exp(-((y - 11.5) ** 2 + (x - 11.5) ** 2) / (2 * 6**2))
        for place in range(spots + 1):
            at = chance.integers(6, PX - 8, 2)
            where = both if place == spots else red
            where[k, at[0] : at[0] + 2, at[1] : at[1] + 2] = True
    red &= ~both
    planes[:, RED][red | both] += SPOT
    planes[:, GREEN][both] += SPOT
    return planes, red, both


@pytest.fixture(scope="module")
def kept() -> npt.NDArray[np.float32]:
    plain, spotted = _cells(60, 0, 1)[0], _cells(60, 5, 2)[0]
    said = np.repeat([0, 1], 60)
    return remember(np.concatenate([plain, spotted]), said, 3, 0)


def test_broad_light_is_that_of_the_definition() -> None:
    planes = np.random.default_rng(0).normal(size=(1, 2, 12, 12))
    for k in range(2):
        np.testing.assert_allclose(broad_light(planes)[0, k], broad_by_hand(planes[0, k]))


def test_what_was_taken_apart_goes_together_again() -> None:
    planes = _cells(3, 2, 0)[0]
    apart = take_apart(planes)
    np.testing.assert_allclose(apart.planes(apart.fine), planes, atol=1e-12)
    counts = [int((apart.zone == zone).sum()) for zone in range(ZONES)]
    assert counts == [3 * PX * PX // ZONES] * ZONES
    middle, corner = apart.zone[:, 11, 11], apart.zone[:, 0, 0]
    assert (middle == ZONES - 1).all()
    assert (corner == 0).all()


def test_turning_a_crop_turns_its_detail(kept: npt.NDArray[np.float32]) -> None:
    planes = _cells(4, 3, 3)[0]
    turned = np.rot90(planes, 1, (2, 3)).copy()
    np.testing.assert_allclose(
        as_other(turned, kept[1], kept[0], STAY),
        np.rot90(as_other(planes, kept[1], kept[0], STAY), 1, (2, 3)),
        atol=1e-9,
    )


def test_along_one_axis_ranks_are_kept() -> None:
    chance = np.random.default_rng(0)
    source, target = chance.normal(size=4000), chance.gamma(2.0, size=4000)
    values = chance.normal(size=50)
    moved = transfer(values[:, None], fit_transfer(source[:, None], target[:, None])[:1])[:, 0]
    np.testing.assert_allclose(moved, sorted_transport(values, source, target), atol=0.03)


def test_a_cloud_takes_on_the_form_of_the_other() -> None:
    """Only together do the channels differ: each alone is spread alike in both clouds."""
    chance = np.random.default_rng(1)
    source, shared = chance.normal(size=(6000, 2)), chance.normal(size=(6000, 1))
    target = 0.9 * shared + np.sqrt(1 - 0.81) * chance.normal(size=(6000, 2))
    assert abs(np.asarray(np.corrcoef(source.T))[0, 1]) < 0.05, "test invalid: already alike"
    moved = transfer(source, fit_transfer(source, target))
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), atol=0.05)


def test_what_is_alike_stays() -> None:
    chance = np.random.default_rng(2)
    one, other = chance.normal(size=(2, 12000, 3))
    moved = transfer(one, fit_transfer(one, other))
    assert np.median(np.abs(moved - one)) < 0.05


def test_spots_vanish_and_decoys_stay(kept: npt.NDArray[np.float32]) -> None:
    planes, red, both = _cells(20, 5, 4)
    change = as_other(planes, kept[1], kept[0], STAY) - planes
    assert np.median(change[:, RED][red]) < -0.6 * SPOT
    assert abs(np.median(change[:, RED][both])) < 0.3 * SPOT
    assert abs(np.median(change[:, GREEN][both])) < 0.3 * SPOT
    assert np.median(np.abs(change[:, GREEN])) < 0.1


def test_spots_appear_in_the_cell_and_not_beside_it(kept: npt.NDArray[np.float32]) -> None:
    planes, _, both = _cells(20, 0, 5)
    change = as_other(planes, kept[0], kept[1], STAY)[:, RED] - planes[:, RED]
    new = (change > 0.5 * SPOT) & ~both
    assert new.sum() / len(planes) >= 5
    corners = np.zeros((PX, PX), dtype=bool)
    corners[:4, :4] = corners[-4:, -4:] = True
    assert new[:, corners].mean() < 0.1 * new[:, 8:16, 8:16].mean()


def test_detail_of_one_channel_is_moved_by_hand() -> None:
    """In one channel every axis is the same, so all of it is one monotone move, gone beyond."""
    planes = _cells(2, 2, 10)[0][:, :1]
    chance = np.random.default_rng(3)
    source = chance.normal(size=(ZONES, 12000, 1)).astype(np.float32)
    target = chance.uniform(-1, 5, size=(ZONES, 12000, 1)).astype(np.float32)
    apart = take_apart(planes)
    wanted = apart.fine.copy()
    for zone in range(ZONES):
        own = (apart.zone == zone)[:, None] & (np.abs(apart.fine) < 2)
        ends = sorted_transport(wanted[own], source[zone, :, 0], target[zone, :, 0])
        wanted[own] += 1.4 * (ends - wanted[own])
    sure = np.abs(apart.fine) < 2
    assert sure.mean() > 0.5, "test invalid: all lies in the tails"
    made = (as_other(planes, source, target, STAY[:1]) - apart.broad) / apart.scale
    np.testing.assert_allclose(made[sure], wanted[sure], atol=0.1)
    assert np.abs(made - apart.fine)[sure].max() > 1, "test invalid: nothing moves"


def test_levels_are_those_of_the_definition() -> None:
    planes = _cells(5, 2, 6)[0]
    found = broad_levels(planes, np.array([0, 2, 0, 2, 2]), 3)
    each = np.array([levels_by_hand(broad, ZONES) for broad in broad_light(planes)])
    np.testing.assert_allclose(found[0], each[[0, 2]].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found[2], each[[1, 3, 4]].mean(axis=0), atol=1e-12)
    assert np.isnan(found[1]).all()


def test_a_shift_is_spread_as_defined() -> None:
    broad = broad_light(_cells(3, 2, 7)[0])
    broad[0] = np.round(broad[0])  # many alike
    levels = np.random.default_rng(0).normal(size=(2, ZONES))
    wanted = [spread_by_hand(one, levels) for one in broad]
    np.testing.assert_allclose(over_zones(broad, levels), wanted, atol=1e-12)


def test_broad_light_moves_as_the_levels_do(kept: npt.NDArray[np.float32]) -> None:
    """Crowded spots lift the medians of the middle: the shift is what brings the cell there."""
    plain, crowded = _cells(40, 0, 8)[0], _cells(40, 30, 9)[0]
    said = np.repeat([0, 1], 40)
    levels = broad_levels(np.concatenate([plain, crowded]), said, 2)
    shift = levels[1] - levels[0]
    assert shift[RED, -1] > 0.1 > np.abs(shift[RED, 0]), "test invalid: medians do not move"
    without = as_other(plain, kept[0], kept[1], STAY)
    change = as_other(plain, kept[0], kept[1], shift) - without
    np.testing.assert_allclose(change, over_zones(broad_light(plain), shift), atol=1e-12)
    assert change[:, RED, 11:13, 11:13].mean() > 0.7 * shift[RED, -1]
    assert np.abs(change[:, RED, 0, 0]).max() < 0.5 * shift[RED, -1]


def test_a_class_without_crops_is_not_known(kept: npt.NDArray[np.float32]) -> None:
    assert np.isnan(kept[2]).all()
    assert np.isfinite(kept[:2]).all()


def test_a_flat_plane_has_no_detail() -> None:
    flat = np.ones((1, 2, 8, 8))
    np.testing.assert_array_equal(take_apart(flat).fine, 0.0)
