"""Training on crops: how they are drawn, and a tiny world that is learnt in seconds."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lucyte.learn.crop_mask_training import (  # noqa: E402
    CropSamples,
    crop_loss,
    crop_scores,
    draw,
    train_crop_masks,
)
from lucyte.schema.errors import UsageError  # noqa: E402

WIDE = 48


def discs(n: int, seed: int = 0) -> CropSamples:
    """Bright ellipses that fill their box, on noise; the box is the inner two thirds."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:WIDE, :WIDE] + 0.5) / WIDE - 0.5
    masks = np.stack([(x**2 + y**2) < (1 / 3) ** 2] * n)
    light = rng.normal(100, 10, (n, 1, WIDE, WIDE)) + 60 * masks[:, None]
    inner = np.tile([WIDE / 6, WIDE / 6, 5 * WIDE / 6, 5 * WIDE / 6], (n, 1))
    return CropSamples(light.astype(np.float32), masks, inner, np.arange(n) % 3)


def test_exact_boxes_are_cut_out_and_resized():
    samples = discs(2)
    crops, masks = draw(samples, np.array([1, 0]), 32, 0.0, np.random.default_rng(0))
    inner = samples.crops[[1, 0], :, 8:40, 8:40]
    np.testing.assert_allclose(crops, inner, atol=1e-3)
    np.testing.assert_array_equal(masks, samples.masks[[1, 0], 8:40, 8:40])


def test_jittered_boxes_keep_mask_and_light_together():
    samples = discs(8)
    marked = CropSamples(
        samples.masks[:, None].astype(np.float32), samples.masks, samples.inner, samples.groups
    )
    rng = np.random.default_rng(1)
    crops, masks = draw(marked, np.arange(8), 32, 0.1, rng)
    np.testing.assert_array_equal(crops[:, 0] >= 0.5, masks > 0)
    exact = draw(marked, np.arange(8), 32, 0.0, rng)[1]
    changed = (masks != exact).float().mean((1, 2))
    assert (changed > 0).all() and (changed < 0.3).all()


def test_mirroring_and_turning_reach_all_eight():
    light = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    one = CropSamples(light, light[:, 0] >= 0, np.array([[0.0, 0, 4, 4]]), np.zeros(1))
    crops, _ = draw(one, np.zeros(200, int), 4, 1e-9, np.random.default_rng(0))
    seen = {tuple(np.rint(each.ravel()).astype(int)) for each in crops.numpy()}
    plain = light[0, 0]
    turned = [np.rot90(each, k) for each in (plain, plain.T) for k in range(4)]
    assert seen == {tuple(each.ravel().astype(int)) for each in turned}


def test_the_loss_is_its_equation():
    logits = torch.tensor([[[0.0, 2.0], [-1.0, 3.0]]])
    truth = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    p, t = 1 / (1 + np.exp(-logits.numpy())), truth.numpy()
    expected = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    expected += 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    assert crop_loss(logits, truth).item() == pytest.approx(expected, abs=1e-6)


def test_a_tiny_world_is_learnt_and_repeats_itself():
    samples = discs(24)
    fit = {"side_px": 32, "steps": 25, "batch": 8, "seed": 3}
    losses: list[float] = []
    model = train_crop_masks(samples, ("GFP",), told=lambda _, loss: losses.append(loss), **fit)
    assert losses[0] > 1.0 > losses[-1]
    unseen = discs(12, seed=9)
    scores = crop_scores(model, unseen)
    assert scores["IoU"] > 0.9 and scores["Dice"] > 0.94
    again = crop_scores(train_crop_masks(samples, ("GFP",), **fit), unseen)
    assert again == pytest.approx(scores, abs=1e-4)


def test_refusals():
    samples = discs(2)
    with pytest.raises(UsageError, match=r"differ in number: \[1, 2\]"):
        CropSamples(samples.crops, samples.masks[:1], samples.inner, samples.groups)
    with pytest.raises(UsageError, match="no crops to train on"):
        train_crop_masks(samples.take(np.zeros(0, int)), ("GFP",))
    bad = CropSamples(samples.crops * np.nan, samples.masks, samples.inner, samples.groups)
    with pytest.raises(UsageError, match="training diverged at step 0: the loss is nan"):
        train_crop_masks(bad, ("GFP",), side_px=32, steps=2)
