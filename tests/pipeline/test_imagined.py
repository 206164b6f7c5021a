"""Counterfactuals on the way: whatever cannot be made is told, and costs nothing else."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.networks.invertible_classifier import InvertibleClassifier
from lucyte.networks.model_folder import Card
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.counterfactuals import Otherwise, imagine
from lucyte.schema.samples import Samples

PX, N = 16, 60
CROPS = np.random.default_rng(0).poisson(200, (N, 2, PX, PX)).astype(np.uint16)
CROPS[::3, 0, 4:8, 4:8] += 900
CROPS[1::3, 1, 4:8, 4:8] += 900
LABELS = tuple("abc"[k % 3] for k in range(N))
WELLS = tuple(f"w{k // 3 % 10}" for k in range(N))
MASKS = np.zeros((N, PX, PX), dtype=bool)
MASKS[:, 3:13, 3:13] = True
SAMPLES = Samples(
    images=CROPS,
    channels=("R", "G"),
    names=tuple(map(str, range(N))),
    labels=LABELS,
    groups=WELLS,
    unit="well",
    masks=MASKS,
)


def drawer_of(channels: tuple[str, ...]) -> InvertibleClassifier:
    training = InvertibleTraining(epochs=4)
    settings = InvertibleSettings(blocks=(1,), hidden=(6,), training=training)
    crops = CROPS[:, : len(channels)]
    return InvertibleLearner(channels, settings).fit(crops, LABELS, WELLS, 0)


@pytest.fixture(scope="module")
def drawer() -> InvertibleClassifier:
    return drawer_of(("R", "G"))


@pytest.fixture(scope="module")
def asked() -> AskedModel:
    settings = ImageSettings(training=TrainingSettings(epochs=2))
    judge = ImageLearner(("R", "G"), settings).fit(CROPS, list(LABELS), list(WELLS), 0)
    return AskedModel("net", judge, Card(), SAMPLES, None, True, {}, {}, None)


def imagined(model: InvertibleClassifier, asked: AskedModel) -> Otherwise:
    return imagine(model, asked, SAMPLES, MASKS, np.arange(6), "means")


def test_a_class_that_was_never_answered_costs_only_its_own_cells(drawer, asked):
    answers = [drawer.classes[k] for k in drawer.logits(CROPS).argmax(axis=1)]
    assert set(answers) == {"a", "b", "c"}, "test invalid: a class is not answered"
    centres = drawer.centres.copy()
    centres[2] = np.nan
    made = imagined(replace(drawer, centres=centres), asked)
    assert made.strips and all("c" not in (s.source, s.target) for s in made.strips)
    assert made.plane is not None and set(made.plane.anchors) == {"a", "b"}
    assert any("answered no training cell c" in note for note in made.notes)


def test_a_block_that_does_not_converge_is_told(drawer, asked):
    network = copy.deepcopy(drawer.network)
    for block in network.flow.blocks().values():
        block.most = 2
    made = imagined(replace(drawer, network=network, _working={}), asked)
    assert made.strips == ()
    assert any(note.startswith("No counterfactuals to ") for note in made.notes)


@pytest.mark.parametrize("names", [("a", "b", "c"), ("x", "y", "z")])
def test_a_judge_of_more_channels_is_not_asked(asked, names):
    made = imagined(replace(drawer_of(("R",)), classes=names), asked)
    assert made.strips and made.findings == ()
    assert any("no channel G" in note for note in made.notes)


def test_a_single_cell_of_a_target_is_told_in_words(drawer, asked):
    rows = [0, 1, 4]
    made = imagine(drawer, asked, SAMPLES.take(rows), MASKS[rows], np.arange(3), "means")
    assert len(made.strips) == 3
    assert all(strip.changed.endswith("%") or "more" in strip.changed for strip in made.strips)


def test_where_no_feature_differs_nothing_is_claimed(drawer, asked):
    made = imagine(drawer, asked, SAMPLES.take([0]), MASKS[[0]], np.arange(1), "means")
    assert made.strips[0].changed.startswith("what changed cannot be told")
