"""Fates from tracks: only the way through time tells, no single frame does."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.learn.autoencoder_learner import AutoencoderLearner, AutoencoderSettings
from lucyte.learn.autoencoder_training import AutoencoderTraining
from lucyte.learn.autoencoder_trajectories import (
    TemporalNetwork,
    TrajectorySettings,
    fit_trajectories,
)
from lucyte.schema.errors import UsageError
from worlds.discs import CHANNELS, discs


@pytest.fixture(scope="module")
def encoder():
    made = discs(128, 0)
    training = AutoencoderTraining(epochs=10, batch=16, capacity=10.0, rate=8e-3)
    settings = AutoencoderSettings(6, 2, (4, 8), 16, training=training)
    return AutoencoderLearner(CHANNELS, settings).fit(made.crops, made.names, made.groups, 0)


def tracks(n: int, seed: int):
    """Green rises or falls over 8 to 12 frames between the same two levels; red says nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    cell = np.hypot(y - 7.5, x - 7.5) < 5.5
    films, fates = [], []
    for k in range(n):
        light = np.linspace(150, 900, int(rng.integers(8, 13)))
        light = light if k % 2 else light[::-1]
        red = rng.uniform(300, 900)
        frames = np.stack([np.stack([red * cell, g * cell]) for g in light])
        films.append(rng.poisson(100 + frames).astype(np.uint16))
        fates.append("divides" if k % 2 else "dies")
    return films, fates, [f"well {k // 2 % 8}" for k in range(n)]


def test_the_way_through_time_tells(encoder) -> None:
    films, fates, wells = tracks(64, 0)
    settings = TrajectorySettings(epochs=40, components=4)
    model = fit_trajectories(encoder, films, fates, wells, 0, settings)
    test, truth, _ = tracks(40, 1)
    said = [model.classes[k] for k in model.logits(test).argmax(axis=1)]
    assert np.mean(np.array(said) == truth) >= 0.9
    back = [film[::-1] for film in test]
    turned = [model.classes[k] for k in model.logits(back).argmax(axis=1)]
    assert np.mean(np.array(turned) != truth) >= 0.9
    assert model.split.startswith("inner validation on 2 of 8 groups")
    assert model.path(test[0]).shape == (len(test[0]), 4)
    alone = np.concatenate([model.logits([film]) for film in test[:5]])
    np.testing.assert_allclose(alone, model.logits(test)[:5], atol=1e-5)


def test_a_network_of_time_counts_known_frames_alone() -> None:
    import torch

    network = TemporalNetwork(2, 4, 2, 0.0).eval()
    x, known = torch.randn(1, 2, 5), torch.ones(1, 5, dtype=torch.bool)
    padded = torch.cat([x, torch.zeros(1, 2, 3)], 2)
    there = torch.cat([known, torch.zeros(1, 3, dtype=torch.bool)], 1)
    torch.testing.assert_close(network(x, known), network(padded, there))


def test_tracks_that_are_none(encoder) -> None:
    films, fates, wells = tracks(4, 0)
    with pytest.raises(UsageError, match="got 4 tracks, 3 labels and 4 groups"):
        fit_trajectories(encoder, films, fates[:3], wells, 0)
    with pytest.raises(UsageError, match=r"track 1 must be T C Y X with one frame or more"):
        fit_trajectories(encoder, [films[0], films[1][:0]], fates[:2], wells[:2], 0)
    with pytest.raises(UsageError, match="one class only"):
        fit_trajectories(encoder, films, ["dies"] * 4, wells, 0)
