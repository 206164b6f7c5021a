"""Closed form: the border is met, only the cause moves, and what is impossible is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from lucyte.explain.counterfactual import (
    against_control,
    cell_plane,
    class_plane,
    counterfactual,
    film_strips,
)
from lucyte.explain.counterfactual.changes import change_words, feature_tables, twin_error
from lucyte.explain.counterfactual.crossing import FARTHEST, REACH, crossing, transport
from lucyte.explain.counterfactual.measures import (
    accepted,
    plausibility,
    proximity,
    validity_finding,
)
from lucyte.explain.counterfactual.transfer import as_other
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.learn.models import load_model, save_model
from lucyte.networks.invertible_classifier import NO_DETAIL, NO_LEVELS, InvertibleClassifier
from lucyte.networks.invertible_residual import NotInverted
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Differentiable

PX = 16
DOT = (slice(2, 5), slice(2, 5))
"""Where the cause is planted."""
LIGHT = 900.0
QUICK = InvertibleTraining(epochs=14, patience=14, batch=16, rate=1e-2, average=0.9)
STILL = replace(
    QUICK.augment, mirror=False, quarter_turns=False, gain=0.0, offset=0.0
)  # a corner is a place: turning would spread the cause over four


def _pictures(n: int, seed: int, classes: int = 2) -> tuple[npt.NDArray[np.uint16], list[str]]:
    """Blobs that say nothing of the class, and a dot of the class's light in one corner."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:PX, :PX]
    out = rng.normal(200, 12, (n, 2, PX, PX))
    names = []
    for k in range(n):
        for channel in range(2):
            place, wide = rng.uniform(5, 11, 2), rng.uniform(2, 4)
            blob = np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * wide**2))
            out[k, channel] += rng.uniform(100, 500) * blob
        kind = k % classes
        out[k, 0][DOT] += kind * LIGHT / (classes - 1)
        names.append(("control", "low", "high")[kind] if classes == 3 else ("off", "on")[kind])
    return out.clip(0).astype(np.uint16), names


def _train(flow: str, head: str, classes: int = 2, density: float = 0.0) -> InvertibleClassifier:
    crops, names = _pictures(300, 0, classes)
    training = replace(QUICK, augment=STILL, density=density)
    settings = InvertibleSettings(flow, head, (1, 1), (8, 8), training=training)
    groups = [str(k // classes % 12) for k in range(len(crops))]
    return InvertibleLearner(("red", "green"), settings).fit(crops, names, groups, 0)


@pytest.fixture(scope="module")
def model() -> InvertibleClassifier:
    return _train("i-resnet", "linear")


@pytest.fixture(scope="module")
def cells() -> tuple[npt.NDArray[np.uint16], list[str]]:
    return _pictures(40, 1)


def test_it_is_a_differentiable_that_knows_the_dot(model, cells) -> None:
    assert isinstance(model, Differentiable)
    crops, names = cells
    assert np.mean(np.array(model.answers(crops)) == names) >= 0.95
    with torch.inference_mode():
        told = model.module()(model.prepare(crops)).numpy()
    np.testing.assert_allclose(told, model.logits(crops), atol=1e-4)


def test_the_network_is_undone_into_the_crop(model, cells) -> None:
    crops = cells[0]
    z = model.encode(crops)
    planes = model.planes_of(z)
    exact = model.seen.prepare(torch.from_numpy(crops.astype(np.float64)))
    assert float((planes - exact).abs().max()) <= 1e-4
    np.testing.assert_allclose(model.decode(z), crops, atol=0.05)


def test_single_precision_will_do_for_pictures(model, cells) -> None:
    single = replace(model, precision="single", _working={})
    for step in single.network.flow.blocks().values():
        step.tolerance = 1e-5
    assert np.abs(single.decode(single.encode(cells[0])) - cells[0]).max() < 1
    for step in single.network.flow.blocks().values():
        step.tolerance = 1e-6


@pytest.mark.parametrize("direction", ["means", "head"])
def test_the_boundary_image_is_on_the_boundary(model, cells, direction) -> None:
    crops = cells[0].astype(np.float64)
    made = counterfactual(model, crops, "on", "boundary", direction)
    assert made.clipped.max() == 0.0 or made.clipped.max() < 0.05
    free = made.clipped == 0
    assert free.sum() >= 5, "test invalid: nearly all were clipped"
    np.testing.assert_allclose(made.after[free], 0.5, atol=1e-3)
    told = model.latent_logits(torch.from_numpy(made.latents))
    np.testing.assert_allclose(told[:, 0], told[:, 1], atol=1e-8)


@pytest.mark.parametrize("direction", ["head", "transport"])
def test_all_directions_move_the_logits_alike(model, cells, direction) -> None:
    one = counterfactual(model, cells[0], "on", 0.7, "means")
    other = counterfactual(model, cells[0], "on", 0.7, direction)
    told = [model.latent_logits(torch.from_numpy(each.latents)) for each in (one, other)]
    np.testing.assert_allclose(np.diff(told[0]), np.diff(told[1]), atol=1e-6)
    steps = [np.linalg.norm(e.latents - model.encode(cells[0]).numpy()) for e in (one, other)]
    assert (steps[1] < steps[0]) == (direction == "head")


def test_convincing_follows_the_formula(model, cells) -> None:
    crops, names = cells
    off = crops[np.array(names) == "off"]
    made = counterfactual(model, off, "on")
    expected = np.maximum(0.8 + 0.5 * made.boundary, 1.1 * made.boundary)
    np.testing.assert_allclose(made.alphas, expected)
    assert not made.already.any()
    assert made.before.max() < 0.5 < made.after.min()
    assert set(made.sources) == {"off"}


@pytest.mark.parametrize("target", ["on", "off"])
def test_only_the_dot_moves(model, cells, target) -> None:
    """The known cause: everything else in the picture says nothing of the class."""
    crops, names = cells
    others = crops[np.array(names) != target]
    made = counterfactual(model, others, target)
    change = made.difference()
    inside = change["red"][:, DOT[0], DOT[1]].mean(axis=(1, 2))
    sign = 1 if target == "on" else -1
    assert (np.sign(inside) == sign).all()
    assert 0.6 * LIGHT <= np.median(np.abs(inside)) <= 1.5 * LIGHT
    outside = np.abs(change["red"]).copy()
    outside[:, DOT[0], DOT[1]] = np.nan
    assert np.nanmean(outside) < 0.08 * np.abs(inside).mean()
    assert np.abs(change["green"]).mean() < 0.08 * np.abs(inside).mean()
    assert change["red"].dtype == np.float64


def test_what_is_impossible_is_clipped_and_said(model, cells) -> None:
    crops, names = cells
    on = crops[np.array(names) == "on"][:4]
    made = counterfactual(model, on, "off", 3.0)
    assert made.images.dtype == np.uint16
    assert made.clipped.min() > 0
    assert f"{made.clipped[0]:.1%} of its px were not possible and were clipped" in made.said(0)
    assert made.far.all()
    assert "Far outside the training data" in made.said(0)


def test_real_cells_are_not_far(model, cells) -> None:
    made = counterfactual(model, cells[0], "on")
    assert np.median(made.distance_before) < 1
    assert "Far outside" not in made.said(int(np.argmin(made.distance)))


def test_a_film_strip_begins_with_the_cell_and_crosses(model, cells) -> None:
    crops, names = cells
    off = crops[np.array(names) == "off"][:3]
    strips = film_strips(model, off, "on", 5)
    assert strips.images.shape == (3, 5, 2, PX, PX)
    np.testing.assert_array_equal(strips.images[:, 0], off)
    assert (np.diff(strips.probability, axis=1) > -0.02).all()
    assert (strips.probability[:, 0] < 0.5).all()
    assert (strips.probability[:, -1] > 0.5).all()
    with pytest.raises(UsageError, match="3 steps or more, got 2"):
        film_strips(model, off, "on", 2)


def test_a_plane_agrees_with_the_model_where_cells_lie_on_it(model, cells) -> None:
    crops, names = cells
    plane = cell_plane(model, crops, (0, 1, 2))
    assert plane.off[:3].max() < 1e-6 < plane.off[3:].min()
    told = model.probabilities(crops[:3])
    for k in range(3):
        row = np.abs(plane.up - plane.cells[k, 1]).argmin()
        column = np.abs(plane.across - plane.cells[k, 0]).argmin()
        np.testing.assert_allclose(plane.probability[:, row, column], told[k], atol=0.15)
    classes = class_plane(model, crops)
    assert set(classes.anchors) == {"off", "on"}
    assert classes.anchors["off"][0] < classes.anchors["on"][0]
    assert classes.winner[50, 0] == 0
    assert classes.winner[50, -1] == 1
    assert np.mean(np.array(classes.answers) == names) >= 0.95
    with pytest.raises(UsageError, match="two or three of off, on; got off, off"):
        class_plane(model, crops, ("off", "off"))
    with pytest.raises(UsageError, match="three different rows of 40"):
        cell_plane(model, crops, (0, 0, 1))


def test_what_is_refused(model, cells) -> None:
    crops = cells[0]
    with pytest.raises(UsageError, match="unknown class 'onn', did you mean 'on'"):
        counterfactual(model, crops, "onn")
    with pytest.raises(UsageError, match="Or give alpha, a number"):
        counterfactual(model, crops, "on", "border")
    with pytest.raises(UsageError, match="one finite number, or one per crop"):
        counterfactual(model, crops, "on", float("nan"))
    with pytest.raises(UsageError, match="unknown direction 'mean', did you mean 'means'"):
        counterfactual(model, crops, "on", 1.0, "mean")
    with pytest.raises(UsageError, match="crops of 16 x 16 px, got 8 x 8"):
        counterfactual(model, crops[:, :, :8, :8], "on")
    with pytest.raises(UsageError, match="with channels red, green"):
        counterfactual(model, crops[:, :1], "on")
    broken = crops[:2].astype(np.float64)
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="nan or infinite"):
        counterfactual(model, broken, "on")
    unseen = replace(model, centres=np.full_like(model.centres, np.nan))
    with pytest.raises(UsageError, match="no training crop was predicted"):
        counterfactual(unseen, crops, "on")


def test_latents_beyond_reason_name_the_block(model, cells) -> None:
    z = model.encode(cells[0][:1])
    network, _ = model._exact()
    block = network.flow.steps["stage2_block1"]
    most, block.most = block.most, 1
    try:
        with pytest.raises(NotInverted, match="inverse of stage2_block1 did not converge"):
            model.decode(z * 1e6)
    finally:
        block.most = most


def test_a_model_folder_gives_the_same_counterfactuals(model, cells, tmp_path) -> None:
    again = load_model(save_model(model, tmp_path / "model"))
    assert isinstance(again, InvertibleClassifier)
    one, other = (counterfactual(m, cells[0][:4], "on") for m in (model, again))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_allclose(one.distance, other.distance)
    assert one.said(0) == other.said(0)


def test_a_mask_is_never_moved_and_px_outside_it_stay() -> None:
    crops, names = _pictures(160, 0)
    mask = np.zeros((160, 1, PX, PX), dtype=np.uint16)
    mask[:, :, :12, :12] = 1
    whole = np.concatenate([crops, mask], axis=1)
    settings = InvertibleSettings(
        "coupling", "linear", (1,), (8,), training=replace(QUICK, augment=STILL, epochs=4)
    )
    learner = InvertibleLearner(("red", "green", "mask:cell"), settings)
    model = learner.fit(whole, names, [str(k // 2 % 10) for k in range(160)], 0)
    made = counterfactual(model, whole[:6], "on", 1.0)
    np.testing.assert_array_equal(made.images[:, 2], whole[:6, 2])
    outside = whole[:6, 2] == 0
    for channel in (0, 1):
        np.testing.assert_array_equal(made.images[:, channel][outside], whole[:6, channel][outside])
    assert (made.images[:, 0] != whole[:6, 0]).any()
    assert made.light == ("red", "green")


def test_detail_of_cells_less_their_background_changes_the_cell_alone() -> None:
    crops, names = _pictures(160, 0)
    mask = np.zeros((160, 1, PX, PX), dtype=np.uint16)
    mask[:, :, :12, :12] = 1
    whole = np.concatenate([crops, mask], axis=1)
    settings = InvertibleSettings(
        "coupling", "linear", (1,), (8,), training=replace(QUICK, augment=STILL, epochs=4),
        background="subtracted",
    )  # fmt: skip
    learner = InvertibleLearner(("red", "green", "mask:cell"), settings)
    model = learner.fit(whole, names, [str(k // 2 % 10) for k in range(160)], 0)
    assert model.seen.subtracts
    like = replace(
        model,
        details=np.stack([model.details[0]] * 2),
        levels=np.stack([model.levels[0]] * 2),
    )
    # Detail that is the same in both classes is no detail to change.
    way = crossing(like, whole[:12].astype(np.float64), "on", "detail")
    assert float(way.delta.abs().max()) < 1e-3 * float(way.z.abs().max())


def test_who_is_well_beyond_the_border_does_not_go_back(model, cells) -> None:
    way = crossing(model, cells[0], "on")
    beyond = replace(way, boundary=np.array([-3.0, -1.7, -0.5, 0.5]))
    np.testing.assert_allclose(beyond.alphas("convincing"), [0, 0, 0.55, 1.05])


def test_latents_beyond_all_numbers_are_far(model, cells) -> None:
    crops = cells[0][:3].astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        made = counterfactual(model, crops, "on", 3000.0)
    assert made.far.all() and np.isfinite(made.images).all()
    assert (made.clipped > 0).all()
    assert "Far outside the training data" in made.said(0)


@pytest.mark.parametrize(("flow", "head"), [("coupling", "gaussian"), ("i-resnet", "gaussian")])
def test_many_classes_each_against_control(flow, head) -> None:
    model = _train(flow, head, 3, density=1.0 if flow == "coupling" else 0.0)
    crops, names = _pictures(30, 2, 3)
    made = against_control(model, crops, names, "control")
    assert list(made) == ["high", "low"]
    dot = {k: v.difference()["red"][:, DOT[0], DOT[1]].mean() for k, v in made.items()}
    assert dot["high"] > 1.4 * dot["low"] > 0
    assert class_plane(model, crops).probability.shape[0] == 3
    with pytest.raises(UsageError, match="none of the 30 crops is labelled 'low'"):
        against_control(model, crops, ["control"] * 30, "low")


def test_one_step_along_detail_is_the_transferred_crop(model, cells) -> None:
    crops, names = cells
    off = crops[np.array(names) == "off"][:6].astype(np.float64)
    planes = model.seen.prepare(torch.from_numpy(off)).numpy()
    at = [model.classes.index(name) for name in ("off", "on")]
    shift = model.levels[at[1]] - model.levels[at[0]]
    moved = as_other(planes, *(model.details[k] for k in at), shift)
    wanted = model.seen.undo(torch.from_numpy(moved)).numpy()
    assert np.abs(wanted - off).max() > 50, "test invalid: the transfer does nothing"
    made = counterfactual(model, off, "on", 1.0, "detail")
    np.testing.assert_allclose(made.images, np.maximum(wanted, 0), atol=0.1)
    assert made.direction == "detail"


def test_detail_that_does_not_come_to_the_border_says_so(model, cells) -> None:
    way = crossing(model, cells[0], "on", "detail")
    met = np.isfinite(way.boundary)
    assert (way.boundary[met] <= FARTHEST).all()
    lost = replace(way, boundary=np.where(np.arange(len(met)) < 3, np.nan, 0.5))
    assert lost.alphas("convincing")[:4] == pytest.approx([REACH] * 4)
    far = replace(way, boundary=np.full(len(met), 2.0))
    assert far.alphas("convincing") == pytest.approx(2.2)
    with pytest.raises(UsageError, match="3 of 40 crops do not come to the border with 'on' along"):
        lost.alphas("boundary")
    made = counterfactual(model, cells[0][:2], "on", 1.0, "detail")
    unmet = replace(made, boundary=np.array([np.nan, 0.4]))
    assert "(alpha 1.00, no border on this way)" in unmet.said(0)
    assert "(alpha 1.00, border at 0.40)" in unmet.said(1)


def test_a_model_of_old_has_no_detail(model, cells, tmp_path) -> None:
    for lacking in ({"details": NO_DETAIL}, {"levels": NO_LEVELS}):
        old = replace(model, **lacking)
        with pytest.raises(UsageError, match="train an invertible classifier anew, or go along"):
            counterfactual(old, cells[0], "on", direction="detail")
    old = replace(model, details=NO_DETAIL, levels=NO_LEVELS)
    again = load_model(save_model(old, tmp_path / "old"))
    assert isinstance(again, InvertibleClassifier)
    assert again.details.size == again.levels.size == 0
    kept = load_model(save_model(model, tmp_path / "new"))
    assert isinstance(kept, InvertibleClassifier)
    np.testing.assert_array_equal(kept.levels, model.levels)
    unseen = replace(model, details=np.full_like(model.details, np.nan))
    with pytest.raises(UsageError, match="no training crop was predicted 'o"):
        counterfactual(unseen, cells[0], "on", direction="detail")


def test_transport_turns_one_covariance_into_the_other() -> None:
    chance = np.random.default_rng(0)
    one, other = (a @ a.T + np.eye(5) for a in chance.normal(size=(2, 5, 5)))
    turn = transport(one, other)
    np.testing.assert_allclose(turn, turn.T, atol=1e-10)
    np.testing.assert_allclose(turn @ one @ turn.T, other, atol=5e-3)
    np.testing.assert_allclose(transport(one, one), np.eye(5), atol=1e-9)


class Dot:
    """An independent judge: looks at the corner alone."""

    classes = ("on", "off")
    channels = ("red",)
    pixel_size_um = None
    input_px = PX

    def logits(self, crops):
        light = crops[:, 0, DOT[0], DOT[1]].mean(axis=(1, 2)) - 400 - LIGHT / 3
        return np.stack([light, -light], axis=1)


def _measure(crops, masks) -> pd.DataFrame:
    rows = [
        {
            "dot_mean_red": c[0][DOT].mean(),
            "spots_count_red": (c[0] > 900).sum(),
            "mean_green": c[1][m].mean(),
        }
        for c, m in zip(crops, masks, strict=True)
    ]
    return pd.DataFrame(rows)


def test_measures_of_counterfactuals_with_known_cause(model, cells) -> None:
    crops, names = cells
    rows = np.array(names) == "off"
    made = counterfactual(model, crops[rows], "on")
    taken = accepted(Dot(), made)
    assert taken.mean() >= 0.9
    near = proximity(made)
    assert near.touched["green"].mean() < near.touched["red"].mean() < 0.15
    masks = np.ones((int(rows.sum()), PX, PX), dtype=bool)
    before, after = feature_tables(made, masks, _measure)
    real = _measure(crops[~rows], masks).to_numpy(dtype=float)
    told = plausibility(after.to_numpy(dtype=float), real)
    assert np.median(told) < np.median(plausibility(before.to_numpy(dtype=float), real))
    twins = crops[rows].copy()
    twins[:, 0, DOT[0], DOT[1]] += int(LIGHT)
    truth = twin_error(made, twins, masks, _measure, ["dot_mean_red"])
    assert truth.sign == 1.0
    assert truth.size < 0.5
    assert truth.image["red"][0] < truth.image["red"][1]
    with pytest.raises(UsageError, match="not measured: spots_area"):
        twin_error(made, twins, masks, _measure, ["spots_area"])


def test_changes_in_words() -> None:
    before = pd.Series({"spots_count_mRFP": 2.0, "area_px_mRFP": 50.0, "skew": -1.0, "still": 3.0})
    after = pd.Series({"spots_count_mRFP": 7.0, "area_px_mRFP": 67.0, "skew": 0.5, "still": 3.0})
    spread = pd.Series({"spots_count_mRFP": 1.0, "area_px_mRFP": 10.0, "skew": 5.0, "still": 1.0})
    assert change_words(before, after, spread) == (
        "number of mRFP spots: 5 more, area px mRFP +34 %, skew +1.5"
    )
    assert change_words(before, before, spread) == "no measured feature changed"


def test_what_a_person_sees_is_told_first() -> None:
    before = pd.Series({"intensity_skewness_mRFP": 1.0, "intensity_mean_mRFP": 100.0})
    after = pd.Series({"intensity_skewness_mRFP": 3.0, "intensity_mean_mRFP": 70.0})
    spread = pd.Series({"intensity_skewness_mRFP": 1.0, "intensity_mean_mRFP": 60.0})
    seen = "mean mRFP inside the cell \u221230 %"
    assert change_words(before, after, spread, most=1) == seen
    hardly = spread * [1.0, 5.0]
    assert change_words(before, after, hardly, most=1) == "bright tail of mRFP +200 %"


def test_validity_counts_units() -> None:
    groups = [f"w{k % 8}" for k in range(80)]
    good = validity_finding(np.ones(80, dtype=bool), groups, "well", "on")
    assert (good.n, good.unit, good.statistic) == (8, "well", 1.0)
    bad = validity_finding(np.arange(80) % 2 == 0, groups, "well", "on")
    assert bad.verdict == "fail"
    assert "fool the model that made them" in bad.why
    few = validity_finding(np.ones(20, dtype=bool), ["a", "b"] * 10, "well", "on")
    assert few.low is None
    assert few.verdict == "inconclusive"
    assert few.why.endswith("with certainty; 2 wells are too few to say, 4 are needed.")
    four = validity_finding(np.ones(20, dtype=bool), list("abcd") * 5, "well", "on")
    assert (four.low, four.verdict) == (None, "pass")


def test_density_is_learned_and_needs_crops_that_halve() -> None:
    rows: list[float] = []
    crops, names = _pictures(120, 0)
    training = replace(QUICK, augment=STILL, density=0.5, epochs=3)
    settings = InvertibleSettings("i-resnet", "gaussian", (1,), (6,), training=training)
    groups = [str(k // 2 % 10) for k in range(120)]
    learner = InvertibleLearner(
        ("red", "green"), settings, None, lambda row: rows.append(row["log_density"])
    )
    learner.fit(crops, names, groups, 0)
    assert rows[-1] > rows[0]
    with pytest.raises(UsageError, match="cannot be halved 3 times"):
        InvertibleLearner(("red", "green")).fit(crops[:, :, :12, :12], names, groups, 0)
