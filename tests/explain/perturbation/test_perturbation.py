"""Virtual perturbations: only what is meant changes, and a curve says what the model looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from lucyte.explain.perturbation import (
    PERTURBATIONS,
    Perturbation,
    Scene,
    elsewhere,
    perturb,
    response,
    response_finding,
)
from lucyte.explain.perturbation.filling import filled, surrounding
from lucyte.explain.perturbation.scene import a_place
from lucyte.schema.errors import UsageError
from reference import perturbed as slow

PX = 32
CHANNELS = ("red", "green", "mask:cell")
SPOT = 400


def scene(n: int = 24, seed: int = 0) -> Scene:
    """Discs of light on 100 counts, with three red spots of 3 x 3 px, in 8 wells."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:PX, :PX]
    cell = np.hypot(y - 15.5, x - 15.5) < 12
    light = np.stack([100 + 200.0 * cell, 100 + 300.0 * cell])
    crops, spots = np.zeros((n, 3, PX, PX), np.uint16), np.zeros((n, PX, PX), np.int64)
    for k in range(n):
        own = light.copy()
        for number, (dy, dx) in enumerate(((8, 14), (16, 20), (21, 10))):
            spots[k, dy : dy + 3, dx : dx + 3] = 5 * number + 2
            own[0, dy : dy + 3, dx : dx + 3] += SPOT
        crops[k, :2] = rng.poisson(own)
        crops[k, 2] = cell
    groups = tuple(f"well {k % 8}" for k in range(n))
    return Scene(crops, CHANNELS, np.tile(cell, (n, 1, 1)), spots, groups)


class SpotCounter:
    """Counts bright red patches in the cell: a model whose reasons are known."""

    classes, channels, pixel_size_um, input_px = ("few", "many"), CHANNELS, None, PX

    def logits(self, crops: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
        bright = (crops[:, 0] > 450) & (crops[:, 2] > 0)
        count = np.array([ndimage.label(each, np.ones((3, 3)))[1] for each in bright])
        margin = 3.0 * (count - 1.5)
        return np.stack([-margin / 2, margin / 2], axis=1)


def inside(of: Scene, crops: npt.NDArray[np.uint16], channel: int = 0) -> float:
    return float(crops[:, channel][of.labels > 0].mean())


def test_the_light_around_is_the_weighted_mean_of_kept_px() -> None:
    rng = np.random.default_rng(0)
    plane, kept = rng.normal(size=(9, 11)), rng.random((9, 11)) < 0.4
    np.testing.assert_allclose(surrounding(plane, kept, 1.0), slow.surrounding(plane, kept, 1.0))
    assert np.isnan(surrounding(plane, kept & False)).all()


def test_a_hole_is_filled_with_level_and_noise() -> None:
    rng = np.random.default_rng(1)
    plane = rng.normal(200, 15, (64, 64))
    hole = np.zeros((64, 64), bool)
    hole[20:30, 20:30] = True
    plane[hole] = 1000
    out = filled(plane, hole, ~hole, rng)
    np.testing.assert_array_equal(out[~hole], plane[~hole])
    assert out[hole].mean() == pytest.approx(200, abs=4)
    assert out[hole].std() == pytest.approx(15, rel=0.15)
    np.testing.assert_array_equal(filled(plane, hole, ~hole & False, rng), plane)


def test_removing_takes_the_share_and_nothing_else() -> None:
    of = scene()
    red = Perturbation("remove_spots", ("red",))
    third = perturb(of, red, 1 / 3)
    gone = np.array([[(a[s == j].mean() < 400) for j in (1, 2, 3)] for a, s in zip(
        third[:, 0], of.labels, strict=True)])  # fmt: skip
    np.testing.assert_array_equal(gone.sum(axis=1), 1)
    assert gone.any(axis=0).all(), "always the same spot goes"
    full = perturb(of, red, 1.0)
    assert inside(of, full) == pytest.approx(300, abs=3)
    rim = ndimage.binary_dilation(of.labels > 0, np.ones((1, 3, 3)))
    changed = (full != of.crops).any(axis=1)
    assert not (changed & ~rim).any()
    np.testing.assert_array_equal(full[:, 1:], of.crops[:, 1:])
    assert full.dtype == np.uint16
    np.testing.assert_array_equal(perturb(of, red, 0.0), of.crops)


def test_moving_keeps_the_light() -> None:
    of = scene()
    moved = perturb(of, Perturbation("move_spots", ("red",)), 1.0)
    assert inside(of, moved) < 420
    before = of.crops[:, 0].astype(float).sum(axis=(1, 2))
    after = moved[:, 0].astype(float).sum(axis=(1, 2))
    np.testing.assert_allclose(after, before, rtol=0.01)
    outside = ~of.masks
    np.testing.assert_array_equal(moved[:, 0][outside], of.crops[:, 0][outside])


def test_adding_adds_spots_of_the_cell_or_of_others() -> None:
    of = scene()
    none = of.with_spots(of.labels * (np.arange(len(of)) > 0)[:, None, None])
    added = perturb(none, Perturbation("add_spots", ("red",)), 2.0)
    more = added[:, 0].astype(float).sum((1, 2)) - of.crops[:, 0].astype(float).sum((1, 2))
    np.testing.assert_allclose(more, 2 * 9 * SPOT, rtol=0.25)
    bare = of.with_spots(np.zeros_like(of.labels))
    np.testing.assert_array_equal(perturb(bare, Perturbation("add_spots"), 2.0), of.crops)


def test_dimming_and_swapping() -> None:
    of = scene()
    half = perturb(of, Perturbation("dim_channel", ("green",)), 0.5)
    assert half[:, 1][of.masks].mean() == pytest.approx(100 + 150, abs=2)
    np.testing.assert_array_equal(half[:, 0], of.crops[:, 0])
    swapped = perturb(of, Perturbation("swap_channels", ("red", "green")), 1.0).astype(float)
    for channel in (0, 1):
        assert swapped[:, channel].mean() == pytest.approx(of.crops[:, channel].mean(), abs=1)
        np.testing.assert_allclose(
            swapped[0, channel].std(), of.crops[0, channel].astype(float).std(), rtol=0.02
        )
    assert np.corrcoef(swapped[0, 1].ravel(), of.crops[0, 0].ravel())[0, 1] > 0.999


def test_the_background_comes_from_another_unit() -> None:
    of = scene()
    lifted = of.crops.copy()
    lifted[np.array(of.groups) == "well 3", :2] += 500
    of = replace(of, crops=lifted)
    out = perturb(of, Perturbation("exchange_background"), 1.0)
    cells = ndimage.binary_erosion(of.masks, np.ones((1, 3, 3)))
    np.testing.assert_array_equal(out[:, 0][cells], of.crops[:, 0][cells])
    own = np.array(of.groups) == "well 3"
    far = np.zeros((PX, PX), bool)
    far[:3, :3] = True
    assert (out[own, 0][:, far].mean(axis=1) < 200).all()
    half = perturb(of, Perturbation("exchange_background"), 0.5)
    share = (half[own, 0] != of.crops[own, 0]).mean() / (out[own, 0] != of.crops[own, 0]).mean()
    assert share == pytest.approx(0.5, abs=0.03)
    one = replace(of, groups=("well 0",) * len(of))
    with pytest.raises(UsageError, match=r"no crop of another well than well 0"):
        perturb(one, Perturbation("exchange_background"), 1.0)


def test_a_sham_is_the_same_spots_where_none_is() -> None:
    of = scene()
    sham = elsewhere(of)
    assert not (sham.labels > 0)[of.labels > 0].any()
    assert not ((sham.labels > 0) & ~of.masks).any()
    np.testing.assert_array_equal((sham.labels > 0).sum((1, 2)), 27)
    assert a_place(np.array([[0, 0], [0, 40]]), of.masks[0], np.random.default_rng(0)) is None


def test_the_dose_of_spots_moves_a_model_that_counts_them() -> None:
    of, model = scene(), SpotCounter()
    red = Perturbation("remove_spots", ("red",))
    assert (model.logits(of.crops).argmax(1) == 1).all(), "test invalid"
    found = response(model, of, red, "many")
    sham = response(model, elsewhere(of), red, "many")
    told = response_finding(found, "moves", sham, "true spots")
    assert (told.verdict, told.n, told.unit) == ("pass", 8, "well")
    assert told.name == "perturbation.remove_spots"
    assert told.statistic == pytest.approx(-0.978, abs=0.01)
    assert told.high is not None
    assert told.high < -0.9
    assert found.steadiness == pytest.approx(-1, abs=0.06)
    assert found.flipped()[0] == 0
    assert found.flipped()[-1] == 1
    assert told.why == (
        "Removing spots (red): true spots takes the probability of many down by 0.98 at the full "
        "dose and turns 100% of the answers: the more, the further, so the model looks at it."
    )
    assert told.details["levels"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert len(told.details["per_unit"]) == 8


def test_what_does_not_matter_stays() -> None:
    of, model = scene(), SpotCounter()
    green = response(model, of, Perturbation("dim_channel", ("green",)), "many")
    assert response_finding(green, "stays").verdict == "pass"
    assert response_finding(green, "moves").verdict == "fail"
    assert np.isnan(green.steadiness)
    red = response(model, of, Perturbation("dim_channel", ("red",)), "many")
    assert response_finding(red, "stays").verdict == "fail"
    assert "relies on what it should not" in response_finding(red, "stays").why


def test_adding_spots_turns_few_into_many() -> None:
    of = scene()
    none = perturb(of, Perturbation("remove_spots", ("red",)), 1.0)
    bare = replace(of, crops=none)
    donors = replace(of, groups=tuple(f"donor {k}" for k in range(len(of))))
    both = Scene(
        np.concatenate([bare.crops, donors.crops]),
        CHANNELS,
        np.concatenate([of.masks, of.masks]),
        np.concatenate([np.zeros_like(of.labels), of.labels]),
        bare.groups + donors.groups,
    )
    found = response(SpotCounter(), both, Perturbation("add_spots", ("red",)), "many")
    own = found.probability[: len(of)].mean(axis=0)
    assert (np.diff(own) >= 0).all()
    assert own[0] < 0.05
    assert own[-1] > 0.9


def test_few_units_show_points_and_no_interval() -> None:
    of = replace(scene(), groups=tuple(f"well {k % 3}" for k in range(24)))
    red = Perturbation("remove_spots", ("red",))
    told = response_finding(response(SpotCounter(), of, red, "many"))
    assert (told.low, told.high, told.n, told.verdict) == (None, None, 3, "inconclusive")
    assert "3 wells are too few to say, 4 are needed." in told.why
    of = replace(scene(), groups=tuple(f"well {k % 4}" for k in range(24)))
    assert response_finding(response(SpotCounter(), of, red, "many")).verdict == "pass"
    still = response(SpotCounter(), scene(1), Perturbation("dim_channel", ("green",)), "many")
    assert response_finding(still, "stays").verdict == "inconclusive"


def test_a_crop_full_of_its_cell_lends_no_background() -> None:
    of = scene()
    full = of.masks.copy()
    full[np.array(of.groups) != "well 0"] = True
    with pytest.raises(UsageError, match="shows anything beside its cell"):
        perturb(replace(of, masks=full), Perturbation("exchange_background"), 1.0)
    full[np.array(of.groups) == "well 5"] = of.masks[0]
    out = perturb(replace(of, masks=full), Perturbation("exchange_background"), 1.0)
    assert out[0, 0, 0, 0] < 200, "another cell was pasted"


def test_every_row_runs_and_leaves_masks_alone() -> None:
    of = scene(6)
    named = {0: (), 1: ("red",), 2: ("red", "green")}
    for row in PERTURBATIONS:
        out = perturb(of, Perturbation(row.name, named[row.channels]), row.levels[-1])
        np.testing.assert_array_equal(out[:, 2], of.crops[:, 2])
        assert (out != of.crops).any(), row.name


def test_refusals() -> None:
    of, model = scene(4), SpotCounter()
    with pytest.raises(UsageError, match="unknown perturbation 'remove_spot', did you mean"):
        Perturbation("remove_spot")
    with pytest.raises(UsageError, match="swapping two channels takes 2 named channels, got red"):
        Perturbation("swap_channels", ("red",))
    removing = Perturbation("remove_spots")
    with pytest.raises(UsageError, match=r"rise from 0 to at most 1 .*; got 0, 2\."):
        response(model, of, removing, "many", (0, 2))
    with pytest.raises(UsageError, match="unknown class 'mny', did you mean 'many'"):
        response(model, of, removing, "mny")
    with pytest.raises(UsageError, match="unknown channel of light 'rde', did you mean 'red'"):
        response(model, of, Perturbation("remove_spots", ("rde",)), "many")
    with pytest.raises(UsageError, match="the scene has red, green"):
        two = replace(of, crops=of.crops[:, :2], channels=("red", "green"))
        response(model, two, removing, "many")
    with pytest.raises(UsageError, match=r"level 0 or 1, got 0\.5"):
        response(model, of, Perturbation("swap_channels", ("red", "green")), "many", (0, 0.5))
    with pytest.raises(UsageError, match="unknown expectation 'move', did you mean 'moves'"):
        response_finding(response(model, of, removing, "many"), "move")
    with pytest.raises(UsageError, match="spots must be N Y X like the crops"):
        of.with_spots(of.labels[:2])
    with pytest.raises(UsageError, match="nan or infinite"):
        replace(of, crops=np.full(of.crops.shape, np.nan))
