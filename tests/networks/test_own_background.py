"""A cell's own background is taken off inside the model, and put back in what it draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.explain.counterfactual import counterfactual
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.learn.models import load_model, save_model
from lucyte.networks.image_input import ImageInput, fit_input
from lucyte.networks.model_folder import Card, read_folder
from lucyte.networks.own_background import above_background, background_level
from lucyte.pipeline.labelled_data import with_mask
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples

CHANNELS = ("EGFP", "TL", "mask:cell")
MEDIUM = np.array([60.0, -25.0, 0.0])[None, :, None, None]


def _crops(count: int = 24) -> np.ndarray:
    """Cells brighter in EGFP and darker in TL than the medium; the first class twice as bright."""
    chance = np.random.default_rng(0)
    crops = np.zeros((count, 3, 16, 16), dtype=np.float32)
    crops[:, :2] = 200 + chance.normal(0, 3, (count, 2, 16, 16))
    crops[:, 2, 4:12, 4:12] = 1
    crops[:, 0, 4:12, 4:12] += 100
    crops[::2, 0, 4:12, 4:12] += 100
    crops[:, 1, 4:12, 4:12] -= 50
    return crops


def _labels(count: int = 24) -> tuple[list[str], list[str]]:
    return ["fed" if k % 2 else "starved" for k in range(count)], [
        f"w{k // 2}" for k in range(count)
    ]


def test_the_level_is_the_tenth_percentile_outside_the_cell() -> None:
    crops = _crops(5)
    crops[3, 2] = 1  # a cell that fills its crop: the whole crop has to do
    light, mask = torch.from_numpy(crops[:, :2]), torch.from_numpy(crops[:, 2:] > 0.5)
    told = background_level(light, mask)[:, :, 0, 0].numpy()
    for k, crop in enumerate(crops):
        outside = crop[2] < 0.5 if k != 3 else np.ones((16, 16), dtype=bool)
        slow = [np.percentile(crop[c][outside], 10) for c in range(2)]
        np.testing.assert_allclose(told[k], slow, rtol=1e-5)
    lifted = above_background(light, mask).numpy()
    assert (lifted[0, :, :4] == 0).all()
    assert lifted[1, 0, 8, 8] == pytest.approx(float(crops[1, 0, 8, 8]) - told[1, 0], abs=1e-3)
    assert lifted[1, 1, 8, 8] < -20  # darker than the medium stays darker


def test_light_of_the_medium_moves_only_a_model_that_keeps_it() -> None:
    crops = _crops()
    rows = np.arange(len(crops))
    taken = fit_input(crops, rows, CHANNELS, background="subtracted")
    kept = fit_input(crops, rows, CHANNELS)
    for seen, moved in ((taken, False), (kept, True)):
        before = seen.prepare(torch.from_numpy(crops)).numpy()
        after = seen.prepare(torch.from_numpy((crops + MEDIUM).astype(np.float32))).numpy()
        assert (np.abs(after - before).max() > 0.1) == moved
    again = ImageInput.restore(taken.config())
    assert again == taken
    assert again.subtracts


def test_a_background_cannot_be_taken_off_where_the_cell_is_unknown() -> None:
    with pytest.raises(UsageError, match=r"only where the cell is known.*add mask:cell"):
        ImageInput(("EGFP",), 16, 16, background="subtracted")
    with pytest.raises(UsageError, match="background"):
        ImageInput(CHANNELS, 16, 16, background="removed")
    bare = Samples(np.zeros((1, 1, 8, 8)), ("EGFP",), ("a",), ("fed",), ("w",))
    with pytest.raises(UsageError, match=r"--subtract-background needs.*give --masks, or a run"):
        with_mask(bare, ("EGFP",))


@pytest.mark.parametrize("kind", ["image", "invertible"])
def test_the_folder_holds_it(kind: str, tmp_path) -> None:
    crops, (labels, groups) = _crops(), _labels()
    if kind == "image":
        quick = TrainingSettings(epochs=1)
        learner = ImageLearner(CHANNELS, ImageSettings(background="subtracted", training=quick))
    else:
        told = InvertibleSettings(
            blocks=(1,), hidden=(4,), background="subtracted", training=InvertibleTraining(epochs=1)
        )
        learner = InvertibleLearner(CHANNELS, told)
    save_model(learner.fit(crops, labels, groups, 0), tmp_path / "model", Card())
    model = load_model(tmp_path / "model")
    assert model.seen.subtracts
    assert "less the crop's own background" in read_folder(tmp_path / "model").card.normalisation
    lit = (crops + MEDIUM).astype(np.float32)
    np.testing.assert_allclose(model.logits(lit), model.logits(crops), atol=1e-3)


def test_counterfactuals_get_their_background_back() -> None:
    crops, (labels, groups) = _crops(), _labels()
    settings = InvertibleSettings(
        blocks=(1,), hidden=(4,), background="subtracted", training=InvertibleTraining(epochs=6)
    )
    model = InvertibleLearner(CHANNELS, settings).fit(crops, labels, groups, 0)
    target = model.classes[int(model.logits(crops[1:2]).argmin())]
    made = counterfactual(model, crops[1:2], target)
    lit = counterfactual(model, (crops[1:2] + MEDIUM).astype(np.float32), target)
    inside = crops[1, 2] > 0.5
    assert np.abs(made.images[0, :2] - crops[1, :2])[:, inside].max() > 1, "test invalid"
    np.testing.assert_array_equal(made.images[0][:, ~inside], crops[1][:, ~inside])
    np.testing.assert_allclose(lit.images - made.images, np.broadcast_to(MEDIUM, made.images.shape),
                               atol=0.05)  # fmt: skip
