from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lucyte.learn.autoencoder_learner import AutoencoderLearner, AutoencoderSettings
from lucyte.learn.autoencoder_training import AutoencoderTraining
from lucyte.learn.crops import CropLearner
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.learn.logistic import LogisticSettings, fit_logistic
from lucyte.learn.models import KINDS, load_card, load_model, save_model
from lucyte.networks.model_folder import CARD_FILE, Card, pack
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plan import MeasureSettings
from lucyte.schema.protocols import Predictor

CHANNELS = ("mask:cell", "R", "G")


def measure(crops, masks, channels, settings):
    """Mean and spread inside the mask, as the measuring stage names them."""
    rows = []
    for crop, mask in zip(crops, masks, strict=True):
        inside = {name: crop[at][mask] for at, name in enumerate(channels)}
        rows.append(
            {f"mean_{name}": values.mean() for name, values in inside.items()}
            | {f"sd_{name}": values.std() for name, values in inside.items()}
        )
    return pd.DataFrame(rows)


def cells(n=60, px=16, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(n) % 2, "hungrig", "fed cells")
    pixels = rng.poisson(80, (n, 3, px, px)).astype(np.float64)
    pixels[:, 0] = 0
    pixels[:, 0, 4:12, 4:12] = 1
    pixels[labels == "hungrig", 1, 6:10, 6:10] += 40
    groups = [f"{k % 4}{label}" for k, label in enumerate(labels)]
    return pixels, labels, groups


def predictor():
    pixels, labels, groups = cells()
    table = measure(pixels[:, 1:], pixels[:, 0] > 0, ["R", "G"], None)
    model = fit_logistic(
        table, list(table.columns), labels, groups, 0, LogisticSettings(channels=("R", "G"))
    )
    return FeaturePredictor(model, CHANNELS, 16, 0.5, MeasureSettings(ratios=[("R", "G")]), measure)


def test_pictures_and_features_give_the_same_answer():
    made = predictor()
    assert isinstance(made, Predictor)
    pixels, labels, _ = cells(seed=1)
    table = measure(pixels[:, 1:], pixels[:, 0] > 0, ["R", "G"], None)
    assert np.array_equal(made.logits(pixels), made.model.logits(table))
    told = np.array(made.classes)[made.logits(pixels).argmax(axis=1)]
    assert (told == labels).mean() > 0.95
    assert made.logits(pixels[:0]).shape == (0, 2)


def test_light_outside_the_mask_changes_nothing():
    made = predictor()
    pixels, _, _ = cells(8)
    changed = pixels.copy()
    changed[:, 1:, :4] += 500
    assert np.array_equal(made.logits(pixels), made.logits(changed))


def test_a_crop_without_its_cell_is_refused():
    made = predictor()
    pixels, _, _ = cells(6)
    pixels[3, 0] = 0
    with pytest.raises(UsageError, match=r"crop 3 has an empty mask \(1 of 6\)"):
        made.logits(pixels)
    with pytest.raises(UsageError, match="needs the channel 'mask:cell' once, got R, G"):
        FeaturePredictor(made.model, ("R", "G"), 16)
    with pytest.raises(UsageError, match="unknown channel 'G'"):
        FeaturePredictor(made.model, ("R", "mask:cell"), 16)


def test_every_kind_comes_back_from_its_folder_with_the_same_answers(tmp_path):
    pixels, labels, groups = cells()
    whole = CropLearner(CHANNELS, 0.3).fit(pixels, labels, groups, 0)
    short = TrainingSettings(epochs=1, batch=8)
    learner = ImageLearner(CHANNELS, ImageSettings(training=short))
    network = learner.fit(pixels, labels, groups, 0)
    turned = InvertibleLearner(
        CHANNELS, InvertibleSettings(training=InvertibleTraining(epochs=1))
    ).fit(pixels, labels, groups, 0)
    drawer = AutoencoderLearner(
        CHANNELS, AutoencoderSettings(latents=8, training=AutoencoderTraining(epochs=1))
    ).fit(pixels, labels, groups, 0)
    both = {
        "features": predictor(),
        "crop-statistics": whole,
        "image-classifier": network,
        "invertible-classifier": turned,
        "autoencoder": drawer,
    }
    assert sorted(both) == sorted(row.name for row in KINDS), "test invalid: a kind is missing"
    for kind, made in both.items():
        card = Card(split=f"wells held out, {kind}", limits=("one plate",))
        folder = save_model(made, tmp_path / kind, card)
        back = load_model(folder)
        assert type(back) is type(made)
        assert (back.classes, back.channels, back.input_px, back.pixel_size_um) == (
            made.classes,
            made.channels,
            made.input_px,
            made.pixel_size_um,
        )
        if kind != "features":
            assert np.array_equal(back.logits(pixels), made.logits(pixels))
        if kind not in ("features", "crop-statistics"):  # networks add the ranges that they saw
            assert load_card(folder).split == card.split
            continue
        assert load_card(folder) == card
        assert back.model.config() == made.model.config()
    restored = load_model(tmp_path / "features")
    assert restored.settings == both["features"].settings
    table = measure(pixels[:, 1:], pixels[:, 0] > 0, ["R", "G"], None)
    assert np.array_equal(restored.model.logits(table), both["features"].model.logits(table))


def test_saving_replaces_a_model_and_nothing_else(tmp_path):
    made = predictor()
    save_model(made, tmp_path / "m", Card(split="first"))
    save_model(made, tmp_path / "m", Card(split="second"))
    assert load_card(tmp_path / "m").split == "second"
    assert [each.name for each in tmp_path.iterdir()] == ["m"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="is no model folder"):
        save_model(made, tmp_path / "photos")
    assert (tmp_path / "photos" / "a.png").is_file()

    class Mine:
        pass

    with pytest.raises(UsageError, match="a Mine cannot be saved; kinds that can: features"):
        save_model(Mine(), tmp_path / "n")


def test_an_unknown_kind_is_refused_with_what_exists(tmp_path):
    from dataclasses import replace

    for name, data in pack(replace(predictor().store(Card()), kind="feature")).items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(
        UsageError, match="unknown kind of model 'feature', did you mean 'features'"
    ):
        load_model(tmp_path)


def test_swapped_feature_names_are_seen(tmp_path):
    folder = save_model(predictor(), tmp_path / "m")
    head = json.loads((folder / CARD_FILE).read_text("utf-8"))
    head["config"]["model"]["features"].reverse()
    (folder / CARD_FILE).write_text(json.dumps(head), "utf-8")
    with pytest.raises(InputError, match="does not match the hash"):
        load_model(folder)


def test_with_the_measuring_stage_a_stored_model_answers_as_before(tmp_path):
    from lucyte.learn.feature_predictor import measure_inside
    from lucyte.measure.columns import model_features

    pixels, labels, groups = cells()
    settings = MeasureSettings(ratios=[("R", "G")])
    table = measure_inside(pixels[:, 1:], pixels[:, 0] > 0, ["R", "G"], settings)
    columns = model_features(table.columns)
    assert len(columns) > 30, "test invalid: too few features"
    fit = fit_logistic(table, columns, labels, groups, 0, LogisticSettings(channels=("R", "G")))
    made = FeaturePredictor(fit, CHANNELS, 16, None, settings)
    again = load_model(save_model(made, tmp_path / "m"))
    new, truth, _ = cells(seed=5)
    assert np.array_equal(again.logits(new), made.logits(new))
    told = np.array(made.classes)[made.logits(new).argmax(axis=1)]
    assert (told == truth).mean() > 0.95
    outside = new.copy()
    outside[:, 1:] += 1000 * (new[:, :1] == 0)
    assert np.array_equal(made.logits(outside), made.logits(new))
