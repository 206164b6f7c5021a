"""What the latents of an autoencoder show: borders in closed form, walks, one change each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lucyte.explain.counterfactual import class_plane
from lucyte.explain.latent import (
    keep_rest,
    latent_counterfactual,
    latent_effects,
    latent_strips,
    one_change_finding,
    score_finding,
    told_apart,
    traverse,
    traverse_first,
)
from lucyte.explain.latent.traversal import strip_of
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Differentiable
from reference import latents as slow
from worlds.discs import measure


def test_it_knows_the_class_and_draws_the_cells(model, cells) -> None:
    assert isinstance(model, Differentiable)
    assert np.mean(np.array(model.answers(cells.crops)) == cells.names) >= 0.95
    x = model.prepare(cells.crops)
    left = float((model.planes_of(model.encode(cells.crops)) - x).square().mean())
    assert left < 0.5 * float(x.var()), "test invalid: it draws nothing"
    with torch.inference_mode():
        told = model.module()(x).numpy()
    np.testing.assert_allclose(told, model.logits(cells.crops), atol=1e-4)


def test_the_boundary_is_met_in_closed_form(model, cells) -> None:
    made = latent_counterfactual(model, cells.crops, "on", "boundary")
    told = model.latent_logits(torch.from_numpy(made.latents))
    np.testing.assert_allclose(told[:, 0], told[:, 1], atol=1e-4)
    moved = made.latents[:, :, 0, 0] - model.embed(cells.crops)
    assert np.abs(moved[:, model.plan.told :]).max() < 1e-6
    weight, _ = model.head()
    normal = weight[1] - weight[0]
    np.testing.assert_allclose(
        np.abs(moved @ normal), np.linalg.norm(moved, axis=1) * np.linalg.norm(normal), rtol=1e-3
    )


def test_a_counterfactual_moves_the_cause(model, cells) -> None:
    off = np.array(cells.names) == "off"
    made = latent_counterfactual(model, cells.crops[off], "on")
    assert (made.after > 0.5).mean() >= 0.9
    before = measure(cells.crops[off], cells.masks[off])
    after = measure(made.images, cells.masks[off])
    assert (after["mean_red"] > before["mean_red"]).all()
    change = (after - before).mean().abs() / before.std()
    assert change["mean_red"] > 2 * change["mean_green"]


def test_nothing_moved_changes_nothing(model, cells) -> None:
    made = latent_counterfactual(model, cells.crops, "on", 0.0)
    np.testing.assert_array_equal(made.images, cells.crops)
    smooth = latent_counterfactual(model, cells.crops, "on", 0.0, keep=False)
    assert np.abs(smooth.images.astype(int) - cells.crops.astype(int)).mean() > 1


def test_the_rest_is_kept_for_its_own_crops_alone(model, cells) -> None:
    kept = keep_rest(model, cells.crops[:3])
    with pytest.raises(UsageError, match="rest of 3 crops is kept, got the latents of 2"):
        kept.planes_of(model.encode(cells.crops[:2]))


def test_strips_and_planes_take_an_autoencoder(model, cells) -> None:
    strips = latent_strips(model, cells.crops[:4], "on", steps=4)
    assert strips.images.shape == (4, 4, 2, 16, 16)
    np.testing.assert_array_equal(strips.images[:, 0], cells.crops[:4])
    assert (np.diff(strips.probability[::2], axis=1) > -0.05).all()
    plane = class_plane(model, cells.crops[:6])
    assert len(plane.answers) == 6


def test_a_walk_says_what_it_claims_and_what_is_seen(model, cells) -> None:
    walks = traverse_first(model, cells.crops, "on")
    assert [walk.latent for walk in walks] == [0, 1, 2]
    for walk in walks:
        np.testing.assert_array_equal(walk.images[:, 2], cells.crops)
        weight, _ = model.head()
        slope = (weight[1] - weight[0])[walk.latent] * model.spread[walk.latent]
        claimed = walk.claimed - walk.claimed[:, [2]]
        wanted = slope * walk.shifts / model.calibration.temperature
        np.testing.assert_allclose(claimed, np.tile(wanted, (48, 1)), rtol=1e-3, atol=1e-3)
    assert strip_of(walks[0], 3).shape == (5, 2, 16, 16)
    found = score_finding(walks, cells.groups, "well")
    assert found.verdict == "pass"
    assert found.n == 8
    assert found.why.startswith("Asked about the pictures, the model itself moves by")


def test_a_latent_beyond_the_first_claims_nothing(model, cells) -> None:
    walk = traverse(model, cells.crops, 7, "on", (-2, 2))
    np.testing.assert_allclose(walk.claimed[:, 0], walk.claimed[:, 1], atol=1e-6)
    found = score_finding([walk], cells.groups, "well")
    assert found.verdict == "inconclusive"
    assert found.why == "No latent claims any change of the score."


def test_a_judge_who_sees_nothing_fails_the_pictures(model, cells) -> None:
    class Blind:
        classes, channels, pixel_size_um, input_px = ("off", "on"), ("red",), None, 16

        def logits(self, crops):
            return np.zeros((len(crops), 2))

    walks = traverse_first(model, cells.crops, "on", judge=Blind())
    found = score_finding(walks, cells.groups, "well", "a blind judge")
    assert found.verdict == "fail"
    assert "a blind judge moves by 0.00" in found.why


def test_walks_that_make_no_sense_are_refused(model, cells) -> None:
    with pytest.raises(UsageError, match="latents are numbered 0 to 7, got 8; the class is in"):
        traverse(model, cells.crops, 8, "on")
    with pytest.raises(UsageError, match=r"2 or more rising numbers, got \[1\]"):
        traverse(model, cells.crops, 0, "on", (1,))
    with pytest.raises(UsageError, match="unknown class 'onn', did you mean 'on'"):
        traverse(model, cells.crops, 0, "onn")
    with pytest.raises(UsageError, match="no traversal is given"):
        latent_effects((), cells.masks, measure, ("mean_red",), pd.Series({"mean_red": 1.0}))


def test_effects_share_and_words(model, cells) -> None:
    walks = traverse_first(model, cells.crops, "on")
    spread = measure(cells.crops, cells.masks).std()
    names = ("mean_red", "mean_green")
    found = latent_effects(walks, cells.masks, measure, names, spread)
    assert found.cells.shape == (3, 48, 2)
    for row, cell in zip(found.table.itertuples(), found.cells, strict=True):
        if row.length >= 0.1:
            assert row.share == pytest.approx(slow.share_of_one(list(cell.mean(axis=0))))
            assert row.feature.replace("_", " ") in row.words
    told = one_change_finding(found, cells.groups, "well")
    assert told.n == 8
    assert 0.5 <= told.statistic <= 1
    with pytest.raises(UsageError, match="not measured: spots"):
        latent_effects(walks, cells.masks, measure, ("spots",), spread)
    with pytest.raises(UsageError, match="same in all real cells: mean_red, mean_green;"):
        latent_effects(walks, cells.masks, measure, names, spread * 0)


def test_mixed_latents_are_not_one_change(model, cells) -> None:
    walks = traverse_first(model, cells.crops, "on")[:1]
    light = walks[0].images.astype(np.float64)
    light[:, -1] = light[:, 0] + 200
    both = [replace(walks[0], images=light)]
    spread = pd.Series({"mean_red": 100.0, "mean_green": 100.0})
    found = latent_effects(both, cells.masks, measure, ("mean_red", "mean_green"), spread)
    assert found.table["share"][0] == pytest.approx(0.5)
    light[:, -1, 1] = light[:, 0, 1]
    one = latent_effects(both, cells.masks, measure, ("mean_red", "mean_green"), spread)
    assert one.table["share"][0] == pytest.approx(1.0)
    assert one_change_finding(one, cells.groups, "well").verdict == "pass"
    assert one.table["words"][0].startswith("mean red +")


def test_latents_are_told_apart_by_what_they_draw(model, cells) -> None:
    walk = traverse(model, cells.crops, 0, "on", (-1, 1))
    first, second = (np.repeat(cells.crops[:, None], 2, axis=1).astype(float) for _ in range(2))
    first[:, 1, 0] += 300
    second[:, 1, 1] += 300
    apart = [replace(walk, images=first), replace(walk, images=second)]
    assert told_apart(apart, cells.groups).mean() == 1.0
    same = [replace(walk, images=first), replace(walk, images=first)]
    assert told_apart(same, cells.groups).mean() == 0.5
    with pytest.raises(UsageError, match="two latents or more, and two units or more"):
        told_apart(apart, ["a"] * 48)
