"""Learning images: a world whose answer is known, repeatable, resumable, refused in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lucyte.learn.image_augment import AugmentSettings, augment
from lucyte.learn.image_learner import ImageLearner, ImageSettings, channels_for
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.models import load_model, save_model
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Differentiable, Learner
from worlds.image_classes import stripes

QUICK = ImageSettings(
    width=8,
    dropout=0.1,
    wanted_error=0.2,
    training=TrainingSettings(
        epochs=14, batch=8, rate=5e-3, average=0.8, augment=AugmentSettings(turn_deg=0.0)
    ),
)


def right(model, samples):
    answers = model.logits(samples.images).argmax(1)
    return np.mean([model.classes[k] == y for k, y in zip(answers, samples.labels, strict=True)])


@pytest.fixture(scope="module")
def world():
    return stripes()


@pytest.fixture(scope="module")
def model(world):
    return ImageLearner(world.channels, QUICK).fit(world.images, world.labels, world.groups, 0)


def test_learns_what_is_there_and_nothing_else(world, model):
    new = stripes(seed=9)
    assert right(model, new) >= 0.95
    other = [new.labels.index(next(k for k in model.classes if k != y)) for y in new.labels]
    for channel, expected in enumerate((1.0, 0.0)):  # the first says nothing, the second all
        exchanged = new.images.copy()
        exchanged[:, channel] = new.images[other, channel]
        assert right(model, replace(new, images=exchanged)) == expected
    assert isinstance(model, Differentiable) and isinstance(ImageLearner(("A",)), Learner)


def test_the_same_seed_gives_the_same_model(world, model):
    again = ImageLearner(world.channels, QUICK).fit(world.images, world.labels, world.groups, 0)
    other = ImageLearner(world.channels, QUICK).fit(world.images, world.labels, world.groups, 1)
    crops = world.images[:8]
    assert np.array_equal(again.logits(crops), model.logits(crops))
    assert not np.array_equal(other.logits(crops), model.logits(crops))


def test_a_stopped_training_ends_with_the_same_weights(world, model, tmp_path):
    class Killed(Exception):
        pass

    def kill(_name, row):
        if row["epoch"] == 5:
            raise Killed

    fit = (world.images, world.labels, world.groups, 0)
    with pytest.raises(Killed):
        ImageLearner(world.channels, QUICK, folder=tmp_path, told=kill).fit(*fit)
    epochs = []
    ended = ImageLearner(
        world.channels, QUICK, folder=tmp_path, told=lambda _, row: epochs.append(row["epoch"])
    ).fit(*fit)
    assert epochs[0] == 6
    assert np.array_equal(ended.logits(world.images), model.logits(world.images))
    with pytest.raises(UsageError, match="is of other settings or other data"):
        other = replace(QUICK, training=replace(QUICK.training, rate=1e-3))
        ImageLearner(world.channels, other, folder=tmp_path).fit(*fit)


def test_a_memory_map_gives_the_same_model(world, model, tmp_path):
    np.save(tmp_path / "x.npy", world.images)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    again = ImageLearner(world.channels, QUICK).fit(mapped, world.labels, world.groups, 0)
    assert np.array_equal(again.logits(world.images[:4]), model.logits(world.images[:4]))


@pytest.mark.parametrize("form", ["late", "intermediate"])
def test_other_forms_learn_and_late_fusion_finds_the_carrier(world, form):
    settings = replace(QUICK, form=form)
    fitted = ImageLearner(world.channels, settings).fit(world.images, world.labels, world.groups, 0)
    assert right(fitted, stripes(seed=9)) >= 0.95
    if form == "late":
        assert fitted.training["networks"]["late_weights"]["B"] > 0.8


def test_a_model_folder_gives_the_same_answers(world, model, tmp_path):
    save_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert np.array_equal(again.logits(world.images), model.logits(world.images))
    assert again.classes == ("flat", "spötty cell") and again.calibration == model.calibration
    assert again.answers(world.images) == model.answers(world.images)
    assert again.intensity_range == model.intensity_range
    text = (tmp_path / "m" / "model.json").read_text(encoding="utf-8")
    assert "spötty cell" in text and '"kind": "image-classifier"' in text


def test_the_cells_own_mask_erases_the_background(world):
    masks = np.zeros((len(world), 16, 16), bool)
    masks[:, 4:12, 4:12] = True
    masked = replace(world, masks=masks)
    channels = ("B", "mask:cell")
    crops = masked.for_channels(channels)
    fitted = ImageLearner(channels, QUICK).fit(crops, world.labels, world.groups, 0)
    outside = crops.copy()
    outside[:, :1] = np.where(masks[:, None], crops[:, :1], 999)
    assert np.array_equal(fitted.logits(outside), fitted.logits(crops))
    assert channels_for("single:B", ("A", "B", "mask:cell")) == channels
    assert fitted.planes() == {"B": (0, 1)}


def test_a_time_budget_and_early_stopping_end_it(world):
    hasty = replace(QUICK, training=replace(QUICK.training, epochs=500, budget_s=0.3))
    fit = (world.images, world.labels, world.groups, 0)
    said = ImageLearner(world.channels, hasty).fit(*fit).training["networks"]["early"]
    assert said["stopped"] == "the time budget of 0.3 s is spent" and said["epochs"] < 500
    short = replace(QUICK, training=replace(QUICK.training, epochs=60, patience=2))
    said = ImageLearner(world.channels, short).fit(*fit).training["networks"]["early"]
    assert said["stopped"] == "no better validation in 2 epochs"
    assert said["epochs"] == said["best_epoch"] + 2


def test_what_is_refused(world):
    learner = ImageLearner(world.channels, QUICK)
    n = len(world)
    with pytest.raises(UsageError, match=r"got one class only \('x'\)"):
        learner.fit(world.images, ["x"] * n, world.groups, 0)
    with pytest.raises(UsageError, match=r"sample 1 has no label \(1 of 48\); leave unlabelled"):
        learner.fit(world.images, ["a", "nan", *["b"] * (n - 2)], world.groups, 0)
    with pytest.raises(UsageError, match="got 48 crops, 3 labels and 48 groups; one each"):
        learner.fit(world.images, ["a"] * 3, world.groups, 0)
    with pytest.raises(UsageError, match="for channels A "):
        ImageLearner(("A",), QUICK).fit(world.images, world.labels, world.groups, 0)
    flat = world.images.copy()
    flat[:, 0] = 7
    with pytest.raises(UsageError, match=r"channel 'A' holds one value only \(7\)"):
        learner.fit(flat, world.labels, world.groups, 0)
    bad = world.images.astype(np.float32)
    bad[3, 0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="nan or infinite"):
        learner.fit(bad, world.labels, world.groups, 0)
    for wrong, said in (
        ({"class_weights": "balance"}, "did you mean 'balanced'"),
        ({"epochs": 0}, "training epochs must be above 0, got 0"),
        ({"batch": 1}, "training batch must be 2 or more"),
        ({"budget_s": -1.0}, "budget_s must be above 0"),
    ):
        with pytest.raises(UsageError, match=said):
            TrainingSettings(**wrong)


def test_augmentation_changes_light_but_never_the_mask_values():
    chance = torch.Generator().manual_seed(0)
    raw = torch.rand(6, 2, 16, 16) * 100
    raw[:, 1] = (raw[:, 0] > 50).float()
    levels = ((0.0,), (100.0,))
    moved = augment(raw, ("A", "mask:cell"), levels, AugmentSettings(), chance)
    assert moved.shape == raw.shape and not torch.equal(moved[:, 0], raw[:, 0])
    assert moved[:, 1].min() >= 0 and moved[:, 1].max() <= 1
    still = AugmentSettings(
        mirror=False,
        quarter_turns=False,
        turn_deg=0,
        stretch=0,
        shift=0,
        gain=0,
        offset=0,
        blur_px=0,
        noise=0,
    )
    same = augment(raw, ("A", "mask:cell"), levels, still, chance)
    assert torch.allclose(same, raw, atol=1e-3)


def test_quarter_turns_and_mirrors_are_exact():
    raw = torch.rand(64, 1, 8, 8) * 10
    only = AugmentSettings(turn_deg=0, stretch=0, shift=0, gain=0, offset=0, blur_px=0, noise=0)
    moved = augment(raw, ("A",), ((0.0,), (10.0,)), only, torch.Generator().manual_seed(1))
    seen = set()
    for before, after in zip(raw[:, 0], moved[:, 0], strict=True):
        views = {
            (k, flip): torch.rot90(before.flip(1) if flip else before, k)
            for k in range(4)
            for flip in (False, True)
        }
        hits = [key for key, view in views.items() if torch.allclose(view, after, atol=1e-3)]
        assert len(hits) == 1
        seen |= set(hits)
    assert len(seen) == 8


def test_a_channel_can_drop_out_but_never_all():
    raw = torch.full((200, 2, 4, 4), 5.0)
    only = AugmentSettings(
        turn_deg=0, stretch=0, shift=0, gain=0, offset=0, blur_px=0, noise=0, channel_dropout=0.6
    )
    levels = ((0.0, 0.0), (10.0, 10.0))
    seen = augment(raw, ("A", "B"), levels, only, torch.Generator().manual_seed(1))
    lit = (seen.mean(dim=(2, 3)) > 1).sum(1)
    assert lit.min() == 1 and 0.3 < (lit == 1).float().mean() < 0.75
