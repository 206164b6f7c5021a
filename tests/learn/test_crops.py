from __future__ import annotations

import numpy as np
import pytest

from lucyte.learn.crop_statistics import crop_statistics
from lucyte.learn.crops import CropLearner
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Learner, Predictor


def crops(n=120, px=24, seed=0, tint=6.0):
    """Noise of two channels; class b is a little brighter in the second."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(n) % 2, "b", "a")
    pixels = rng.poisson(100, (n, 2, px, px)).astype(np.float64)
    pixels[labels == "b", 1] += tint
    return (
        pixels.round().astype(np.uint16),
        labels.tolist(),
        [f"{c}{k % 5}" for k, c in zip(np.arange(n) // 2, labels, strict=True)],
    )


def test_each_statistic_is_what_its_name_says():
    rng = np.random.default_rng(1)
    x = rng.poisson(50, (3, 2, 12, 16)).astype(np.uint16)
    table = crop_statistics(x, ["R", "G"])
    one, two = x[1, 0].astype(float), x[1, 1].astype(float)
    row = table.iloc[1]
    assert row["R:mean"] == pytest.approx(one.mean())
    assert row["R:sd"] == pytest.approx(one.std())
    assert row["R:q50"] == np.sort(one.ravel())[round(0.5 * (one.size - 1))]
    steps = [abs(one[y, c] - one[y, c + 1]) for y in range(12) for c in range(15)]
    falls = [abs(one[y, c] - one[y + 1, c]) for y in range(11) for c in range(16)]
    assert row["R:edge_1px"] == pytest.approx((np.mean(steps) + np.mean(falls)) / 2)
    assert row["R:grain_1px"] == pytest.approx(row["R:edge_1px"] / one.std())
    coarse = [
        [one[4 * a : 4 * a + 4, 4 * b : 4 * b + 4].mean() for b in range(4)] for a in range(3)
    ]
    across, down = np.abs(np.diff(coarse, axis=1)).mean(), np.abs(np.diff(coarse, axis=0)).mean()
    assert row["R:edge_4px"] == pytest.approx((across + down) / 2, rel=1e-5)
    inner = [
        one[y, c]
        for y in range(12)
        for c in range(16)
        if np.hypot((y - 5.5) / 6, (c - 7.5) / 8) < 0.25
    ]
    assert row["R:ring_0"] == pytest.approx(np.mean(inner) - one.mean(), rel=1e-4)
    assert row["R-G:mean"] == pytest.approx((one - two).mean(), abs=1e-4)
    assert row["R-G:correlation"] == pytest.approx(
        np.corrcoef(one.ravel(), two.ravel())[0, 1], abs=1e-5
    )
    assert table.columns.is_unique


def test_a_flat_crop_has_no_grain_and_no_correlation():
    row = crop_statistics(np.full((1, 2, 8, 8), 7), ["R", "G"]).iloc[0]
    assert row["R:mean"] == 7
    assert row["R:edge_1px"] == 0
    assert np.isnan([row["R:grain_1px"], row["R-G:correlation"]]).all()


def test_learns_a_tint_and_holds_on_new_groups():
    pixels, labels, groups = crops()
    train = np.array([group[1] in "012" for group in groups])
    learner = CropLearner(("R", "G"))
    assert isinstance(learner, Learner)
    model = learner.fit(
        pixels[train],
        [c for c, t in zip(labels, train, strict=True) if t],
        [g for g, t in zip(groups, train, strict=True) if t],
        seed=0,
    )
    assert isinstance(model, Predictor)
    assert model.classes == ("a", "b")
    assert model.input_px == 24
    told = np.array(model.classes)[model.logits(pixels[~train]).argmax(axis=1)]
    assert (told == np.array(labels)[~train]).mean() > 0.95


def test_finds_nothing_where_nothing_is():
    pixels, labels, groups = crops(tint=0.0)
    train = np.array([group[1] in "012" for group in groups])
    model = CropLearner().fit(pixels[train], np.array(labels)[train], np.array(groups)[train], 0)
    told = np.array(model.classes)[model.logits(pixels[~train]).argmax(axis=1)]
    assert 0.2 < (told == np.array(labels)[~train]).mean() < 0.8
    assert model.channels == ("channel 0", "channel 1")


def test_masks_are_not_looked_at():
    pixels, labels, groups = crops()
    mask = np.array(labels)[:, None, None] == "b"
    with_mask = np.concatenate(
        [np.broadcast_to(mask, (len(pixels), 24, 24))[:, None].astype(np.uint16), pixels], axis=1
    )
    model = CropLearner(("mask:cell", "R", "G")).fit(with_mask, labels, groups, 0)
    plain = CropLearner(("R", "G")).fit(pixels, labels, groups, 0)
    assert np.array_equal(model.logits(with_mask), plain.logits(pixels))


def test_refusals_name_shapes():
    pixels, labels, groups = crops(40)
    model = CropLearner(("R", "G")).fit(pixels, labels, groups, 0)
    with pytest.raises(UsageError, match=r"channels R, G; got shape \(40, 1, 24, 24\)"):
        model.logits(pixels[:, :1])
    with pytest.raises(UsageError, match=r"24 x 24 px, got 20 x 24; cut them"):
        model.logits(pixels[:, :, :20])
    with pytest.raises(UsageError, match="for channels R"):
        CropLearner(("R",)).fit(pixels, labels, groups, 0)
    with pytest.raises(UsageError, match="8 px or more"):
        crop_statistics(pixels[:, :, :4], ["R", "G"])
