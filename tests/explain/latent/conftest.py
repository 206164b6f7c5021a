"""One small autoencoder for all tests of latents."""

from __future__ import annotations

import pytest

from lucyte.learn.autoencoder_learner import AutoencoderLearner, AutoencoderSettings
from lucyte.learn.autoencoder_training import AutoencoderTraining
from lucyte.networks.autoencoder import Autoencoder
from worlds.discs import CHANNELS, Made, discs


@pytest.fixture(scope="session")
def model() -> Autoencoder:
    made = discs(160, 0)
    training = AutoencoderTraining(epochs=20, patience=20, batch=16, capacity=12.0, rate=8e-3)
    settings = AutoencoderSettings(8, 3, (8, 16), 32, training=training)
    return AutoencoderLearner(CHANNELS, settings).fit(made.crops, made.names, made.groups, 0)


@pytest.fixture(scope="session")
def cells() -> Made:
    return discs(48, 1)
