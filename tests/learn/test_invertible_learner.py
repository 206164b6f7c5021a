"""Training an invertible classifier: repeatable, calibrated, refuses what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.learn.image_training import Diverged, TrainingSet
from lucyte.learn.invertible_learner import (
    InvertibleSettings,
    class_latents,
    train_invertible,
)
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


def _samples(n: int = 48) -> Samples:
    chance = np.random.default_rng(0)
    images = chance.poisson(200, (n, 2, 8, 8)).astype(np.uint16)
    images[::2, 0, 2:5, 2:5] += 600
    return Samples(
        images,
        ("mRFP", "EGFP"),
        tuple(f"cell {k}" for k in range(n)),
        tuple("starved" if k % 2 == 0 else "fed" for k in range(n)),
        tuple(f"well {k // 2 % 12}" for k in range(n)),
        unit="well",
        pixel_size_um=0.3,
    )


def _settings(**training: float) -> InvertibleSettings:
    quick = {"epochs": 3, "batch": 8, "rate": 1e-2, **training}
    return InvertibleSettings(
        blocks=(1,),
        hidden=(4,),
        training=InvertibleTraining(**quick),  # type: ignore[arg-type]
    )


def test_the_same_seed_gives_the_same_model_and_another_another() -> None:
    one, same, other = (train_invertible(_samples(), _settings(), seed) for seed in (3, 3, 4))
    crops = _samples().images
    np.testing.assert_array_equal(one.logits(crops), same.logits(crops))
    assert np.abs(one.logits(crops) - other.logits(crops)).max() > 1e-3
    assert one.pixel_size_um == 0.3
    assert one.classes == ("fed", "starved")
    assert one.training["epochs"] == 3
    assert "of 12 groups" in one.training["split"]
    assert one.calibration.n > 0


def test_training_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.randn(1)
    torch.manual_seed(5)
    train_invertible(_samples(), _settings(epochs=1), 0)
    torch.testing.assert_close(torch.randn(1), expected)


def test_norms_are_settled_below_one() -> None:
    model = train_invertible(_samples(), _settings(), 0)
    block = model.network.flow.blocks()["stage1_block1"]
    before = block.lipschitz()
    model.network.flow.settle()
    assert before == pytest.approx(block.lipschitz(), rel=1e-3)
    assert before < 0.9**3 + 1e-3


def test_class_means_are_of_what_is_predicted() -> None:
    model = train_invertible(_samples(), _settings(epochs=6), 0)
    weight, bias = model.head()
    told = model.centres.mean(axis=(2, 3)) @ weight.T + bias
    assert (told.argmax(axis=1) == [0, 1]).all()
    assert np.linalg.eigvalsh(model.spreads[0]).min() > -1e-6


def test_few_looks_see_every_crop_turned_once_and_come_to_the_same_means() -> None:
    samples = _samples(224)
    model = train_invertible(samples, _settings(epochs=4), 0)
    targets = np.array([model.classes.index(name) for name in samples.labels])
    rows = np.arange(224)
    data = TrainingSet(samples.images, targets, rows, rows[:0], 2)
    looked: list[int] = []
    handle = model.network.flow.register_forward_hook(lambda _m, x, _z: looked.append(len(x[0])))
    whole = class_latents(model.network, model.seen, data, rows)
    assert sum(looked) == 8 * 224
    looked.clear()
    few = class_latents(model.network, model.seen, data, rows, every=7)
    handle.remove()
    assert sum(looked) == 2 * 224
    spread = whole[0].std()
    assert np.abs(few[0] - whole[0]).mean() < 0.1 * spread
    np.testing.assert_allclose(few[2], whole[2])


def test_a_loss_that_is_no_number_ends_training_with_advice() -> None:
    with pytest.raises(Diverged, match=r"Lower the rate \(now 1e\+30\)"):
        train_invertible(_samples(), _settings(rate=1e30, epochs=20, patience=20), 0)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="training rate must be above 0, got 0"):
        InvertibleTraining(rate=0)
    with pytest.raises(UsageError, match="batch must be 2 or more, got 1"):
        InvertibleTraining(batch=1)
    with pytest.raises(UsageError, match="density must be 0 or more, got -1"):
        InvertibleTraining(density=-1)
