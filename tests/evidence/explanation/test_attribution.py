from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from lucyte.evidence.explanation import attribution
from lucyte.evidence.explanation.attribution import deletion_falls, inside_share
from lucyte.evidence.explanation.controls import control_maps
from lucyte.explain.attribution.occlusion import occlusion
from lucyte.schema.errors import UsageError

PX = 24


@dataclass(frozen=True)
class SpotReader:
    """Says b when the first channel is bright in one corner of the cell; no control looks there."""

    channels: tuple[str, ...] = ("R", "G", "mask:cell")
    classes: tuple[str, ...] = ("a", "b")
    input_px: int = PX
    pixel_size_um: float | None = None

    def logits(self, crops):
        spot = crops[:, 0, 6:10, 6:10].astype(float).mean(axis=(1, 2))
        return np.stack([np.zeros(len(crops)), (spot - 50) / 10], axis=1)


def case(wells=4, per=5, seed=0):
    """Bright cells with a brighter decoy in the centre of G and a dim cause in R."""
    rng = np.random.default_rng(seed)
    n = wells * per
    crops = rng.poisson(20, (n, 3, PX, PX)).astype(np.float64)
    crops[:, 1, 9:15, 9:15] += 300
    crops[:, 0, 12:18, 12:18] += 300
    crops[:, 0, 6:10, 6:10] += 60
    crops[:, 2] = 0
    crops[:, 2, 5:19, 5:19] = 1
    return crops, crops[:, 2] > 0, [f"P/{k % wells}" for k in range(n)]


def exam(maps, wells=4, **more):
    crops, masks, groups = case(wells)
    return attribution.test_attribution(SpotReader(), crops, maps, masks, groups, 0, **more)


def test_maps_of_the_true_cause_pass():
    crops, _, _ = case()
    maps = occlusion(SpotReader(), crops, "b", 4, 2)
    found = exam(maps)
    assert (found.verdict, found.n, found.unit) == ("pass", 4, "well")
    assert (found.name, found.group) == ("occlusion.deletion", "explanation")
    assert found.low is None, "fewer than 6 units allow no interval"
    assert found.statistic > 1
    assert set(found.details["falls"]) == {"map", *attribution.CONTROLS}
    assert found.details["falls"]["map"] == max(found.details["falls"].values())
    assert found.details["inside"] > 0.8
    assert found.details["area"] == pytest.approx((14 / PX) ** 2)
    assert found == exam(maps)


def test_an_interval_stands_where_units_allow_one():
    crops, masks, groups = case(8, 2)
    maps = occlusion(SpotReader(), crops, "b", 4, 2)
    found = attribution.test_attribution(SpotReader(), crops, maps, masks, groups, 0)
    assert found.verdict == "pass"
    assert 0 < found.low < found.statistic < found.high


@pytest.mark.parametrize("control", ["intensity", "centre", "edge", "moved", "random"])
def test_a_map_that_knows_nothing_of_the_model_fails(control):
    crops, _, _ = case()
    maps = occlusion(SpotReader(), crops, "b", 4, 2)
    fake = control_maps(SpotReader().channels, crops, maps, np.random.default_rng(5))[control]
    found = exam(fake)
    assert found.verdict in ("fail", "inconclusive")
    assert found.statistic < exam(maps).statistic / 3


def test_a_map_turned_upside_down_fails():
    crops, _, _ = case()
    found = exam(-occlusion(SpotReader(), crops, "b", 4, 2))
    assert found.verdict == "fail"
    assert "no better than one that knows nothing" in found.why


def test_flat_maps_are_said_to_be_flat():
    found = exam(np.zeros((20, 2, PX, PX)))
    assert found.verdict == "inconclusive"
    assert "Every map is flat" in found.why


def test_the_target_decides_the_sign():
    crops, _, _ = case()
    maps = occlusion(SpotReader(), crops, "a", 4, 2)
    against = exam(maps, targets=["a"] * 20)
    assert against.statistic != exam(maps).statistic


def test_deletion_takes_exactly_the_top_pixels():
    crops, _, _ = case(1, 1)
    relevance = np.zeros((1, 2, PX, PX))
    relevance[0, 0, 6:10, 6:10] = 1
    falls = deletion_falls(SpotReader(), crops, relevance, np.array([1]), np.random.default_rng(0))
    before = SpotReader().logits(crops)[0, 1]
    outside = np.median(crops[0, 0][crops[0, 2] == 0])
    assert falls[0, 0, 0] == pytest.approx(before - (outside - 50) / 10)
    assert falls[1, 0, 0] == pytest.approx(before - (crops[0, 0].mean() - 50) / 10)


def test_inside_share_by_hand():
    maps = np.zeros((2, 1, 4, 4))
    maps[0, 0, 0, 0], maps[0, 0, 3, 3], maps[0, 0, 1, 1] = 3.0, 1.0, -5.0
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[:, :2, :2] = True
    assert inside_share(maps, masks) == (0.75, 0.25)
    assert np.isnan(inside_share(maps[1:], masks[1:])[0])


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((20, 3, PX, PX)), r"must be N L Y X like the crops \(20, 2, 24, 24\)"),
        (np.full((20, 2, PX, PX), np.nan), "map 0 holds values that are not numbers"),
    ],
)
def test_refusals(maps, message):
    with pytest.raises(UsageError, match=message):
        exam(maps)
    with pytest.raises(UsageError, match="unknown class 'z'"):
        exam(np.zeros((20, 2, PX, PX)), targets=["z"] * 20)
