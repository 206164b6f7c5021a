"""Learning an autoencoder: with labels, with a teacher, into a folder and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.learn.autoencoder_learner import (
    AutoencoderLearner,
    AutoencoderSettings,
    train_autoencoder,
)
from lucyte.learn.autoencoder_training import AutoencoderTraining
from lucyte.learn.models import load_model, save_model
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Learner, Predictor
from lucyte.schema.samples import Samples
from worlds.discs import CHANNELS, PX, discs

QUICK = AutoencoderSettings(
    6, 2, (4, 8), 16, training=AutoencoderTraining(epochs=2, batch=16, capacity=8.0)
)


class Green:
    """Looks at green light, which says nothing of the class."""

    classes, channels, pixel_size_um, input_px = ("off", "on"), ("green",), None, PX

    def logits(self, crops: np.ndarray) -> np.ndarray:
        margin = (crops[:, 0].mean(axis=(1, 2)) - 280) / 40
        return np.stack([-margin, margin], axis=1)


def fit(seed: int = 0, **changes):
    made = discs(64, 0)
    learner = AutoencoderLearner(CHANNELS, QUICK, **changes)
    assert isinstance(learner, Learner)
    return learner.fit(made.crops, made.names, made.groups, seed)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = fit(), fit(), fit(1)
    crops = discs(8, 5).crops
    np.testing.assert_array_equal(first.logits(crops), second.logits(crops))
    assert np.abs(first.logits(crops) - other.logits(crops)).max() > 1e-3


def test_a_folder_gives_the_same_model_back(tmp_path) -> None:
    model = fit()
    assert isinstance(model, Predictor)
    back = load_model(save_model(model, tmp_path / "model"))
    crops = discs(8, 5).crops
    np.testing.assert_array_equal(back.logits(crops), model.logits(crops))
    np.testing.assert_array_equal(
        back.decode(back.encode(crops)), model.decode(model.encode(crops))
    )
    np.testing.assert_array_equal(back.centres, model.centres)
    assert back.training["epochs"] == 2
    assert back.describe().startswith("autoencoder, 6 latents, class in the first 2,")


def test_weights_that_do_not_fit_are_refused(tmp_path) -> None:
    from lucyte.networks.autoencoder import Autoencoder
    from lucyte.networks.model_folder import Card

    stored = fit().store(Card())
    stored.config["plan"]["latents"] = 7
    with pytest.raises(UsageError, match="the weights do not fit this autoencoder"):
        Autoencoder.restore(stored)


def test_the_head_learns_what_the_teacher_says() -> None:
    made = discs(160, 0)
    training = AutoencoderTraining(epochs=12, batch=16, capacity=8.0, rate=8e-3)
    settings = replace(QUICK, training=training)
    samples = Samples(
        made.crops, CHANNELS, tuple(map(str, range(160))), tuple(made.names), tuple(made.groups)
    )
    model = train_autoencoder(samples, settings, 0, teacher=Green())
    test = discs(64, 9).crops
    wanted = Green().logits(test[:, 1:])
    found = model.logits(test)
    margins = (found[:, 1] - found[:, 0], wanted[:, 1] - wanted[:, 0])
    assert np.corrcoef(*margins)[0, 1] > 0.9
    assert model.calibration.temperature == 1.0
    assert model.training["teacher"] == "Green"


def test_teachers_that_cannot_teach() -> None:
    class Small(Green):
        input_px = 12

    class Other(Green):
        classes = ("off", "high")

    class Blue(Green):
        channels = ("blue",)

    class Same(Green):
        def logits(self, crops):
            return np.zeros((len(crops), 2))

    for teacher, message in (
        (Small(), "the teacher takes crops of 12 px, got 16"),
        (Other(), "the teacher knows off, high; the samples are labelled off, on"),
        (Blue(), "the teacher needs blue; the crops have red, green"),
        (Same(), "gives every crop the same logits"),
    ):
        with pytest.raises(UsageError, match=message):
            fit(teacher=teacher)


def test_what_cannot_be_learned_from() -> None:
    made = discs(20, 0)
    learner = AutoencoderLearner(CHANNELS, QUICK)
    with pytest.raises(UsageError, match="one class only"):
        learner.fit(made.crops, ["on"] * 20, made.groups, 0)
    with pytest.raises(UsageError, match="takes crops of 16 x 16 px, got 12 x 12"):
        fit().logits(made.crops[:, :, :12, :12])
    with pytest.raises(UsageError, match="training capacity must be above 0, got 0"):
        AutoencoderTraining(capacity=0)
    with pytest.raises(UsageError, match="training eta must be 0 or more, got -1"):
        AutoencoderTraining(eta=-1)
