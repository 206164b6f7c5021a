"""The classifier's inputs, engines and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lucyte.networks.fusion import NetworkPlan, build_network
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.image_input import ImageInput, fit_input
from lucyte.networks.input_match import match_input
from lucyte.networks.model_folder import Card
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


def classifier(form="early", normalisation="training", px=16, turns=1, size=None):
    rng = np.random.default_rng(0)
    crops = rng.integers(10, 200, (20, 2, px, px)).astype(np.uint16)
    seen = fit_input(crops, np.arange(20), ("A", "B"), normalisation=normalisation)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plan = NetworkPlan(form, "small", ("A", "B"), 2, px, 3, width=8)
        network = build_network(plan).eval()
    model = ImageClassifier(
        network, plan, seen, ("a", "b", "ç"), size, {"A": (10, 200), "B": (10, 200)}, turns=turns
    )
    return model, crops


def samples(crops, channels=("A", "B"), **more):
    names = tuple(f"{k}.tif" for k in range(len(crops)))
    return Samples(crops, channels, names, ("",) * len(crops), names, **more)


def test_engines_agree_however_many_crops():
    model, crops = classifier("late")
    eager = model.logits(crops)
    many = np.concatenate([crops] * 30)
    fast = model.with_engine("openvino")
    assert np.abs(fast.logits(many) - np.concatenate([eager] * 30)).max() < 1e-4
    assert np.abs(fast.logits(crops[:3]) - eager[:3]).max() < 1e-4
    assert fast.logits(crops[:0]).shape == (0, 3)
    half = model.with_engine("openvino-bf16").logits(crops)
    assert np.abs(half - eager).max() < 0.15


def test_turned_views_make_it_blind_to_turns():
    model, crops = classifier(turns=8)
    turned = np.rot90(crops, 1, (2, 3))
    assert model.logits(turned) == pytest.approx(model.logits(crops), abs=1e-5)
    assert classifier()[0].logits(turned) != pytest.approx(model.logits(crops), abs=1e-3)


def test_per_image_normalisation_is_blind_to_gain_and_offset():
    model, crops = classifier(normalisation="image")
    brighter = crops.astype(np.float32) * 3 + 100
    assert model.logits(brighter) == pytest.approx(model.logits(crops), abs=1e-3)
    model, crops = classifier(normalisation="training")
    assert np.abs(model.logits(brighter) - model.logits(crops)).max() > 0.01


def test_module_on_prepared_input_is_the_predictor():
    model, crops = classifier()
    model = replace(model, calibration=replace(model.calibration, temperature=2.0))
    with torch.no_grad():
        told = model.module()(model.prepare(crops)).numpy()
    assert told == pytest.approx(model.logits(crops), abs=1e-5)
    assert list(model.layers()) == ["stage1", "stage2", "stage3"]
    assert model.planes() == {"A": (0, 1), "B": (2, 3)}
    assert model.embed(crops).shape == (20, 32)


def test_prepared_planes_by_hand():
    seen = ImageInput(("A",), 2, 2, views="both", dark=(10.0,), bright=(110.0,))
    raw = torch.tensor([[[[0.0, 10.0], [60.0, 110.0]]]])
    linear, log = seen.prepare(raw)[0]
    assert linear.flatten().tolist() == pytest.approx([0, 0, 0.5, 1])
    assert log.flatten().tolist() == pytest.approx([0, 0, np.log(11) / np.log(21), 1])


def test_stored_and_restored():
    model, crops = classifier("late", turns=4)
    model.network.set_weights([0.2, 0.8])
    stored = model.store(Card())
    again = ImageClassifier.restore(stored)
    assert np.array_equal(again.logits(crops), model.logits(crops))
    assert stored.card.intensity_range["A"] == (10, 200)
    assert stored.card.normalisation == "training, shown both"
    wrong = replace(stored, arrays={})
    with pytest.raises(UsageError, match="the weights do not fit 'small'"):
        ImageClassifier.restore(wrong)


def test_channels_are_put_in_order_and_others_refused():
    model, crops = classifier()
    given, told = match_input(model, samples(crops[:, ::-1], ("B", "A")))
    assert np.array_equal(given, crops) and told == ()
    with pytest.raises(UsageError, match=r"unknown channel 'B'.*--channels B=<one of these>"):
        match_input(model, samples(crops, ("A", "C")))


def test_a_known_pixel_size_rescales():
    model, _ = classifier(size=0.5)
    rng = np.random.default_rng(1)
    half = np.kron(rng.integers(10, 200, (4, 2, 16, 16)), np.ones((2, 2))).astype(np.uint16)
    given, told = match_input(model, samples(half, pixel_size_um=0.25))
    assert given.shape == (4, 2, 16, 16) and given.mean() == pytest.approx(half.mean(), rel=0.02)
    assert told == ("Crops of 0.25 um per px were resampled to the model's 0.5 um per px.",)
    small, _ = match_input(model, samples(half[..., :8, :8], pixel_size_um=0.5))
    assert small.shape[-1] == 16 and np.array_equal(small[..., 4:12, 4:12], half[..., :8, :8])
    _, told = match_input(model, samples(half[..., :16, :16]))
    assert told == ("Size was not checked: the images' pixel size is unknown.",)


def test_another_size_without_a_scale_is_refused():
    model, crops = classifier()
    with pytest.raises(UsageError, match=r"takes crops of 16 x 16 px, got 8 x 8.*--pixel-size-um"):
        match_input(model, samples(crops[..., :8, :8]))
    with pytest.raises(UsageError, match="got 8 x 8; cut them at that size"):
        model.logits(crops[..., :8, :8])
    with pytest.raises(UsageError, match="channels A, B; got shape"):
        model.logits(crops[:, :1])


def test_another_range_and_untested_conditions_are_told():
    model, crops = classifier()
    bright = samples(crops * 100, levels={"plate": ("P9",) * 20})
    _, told = match_input(
        model, bright, intensity_range=model.intensity_range, tested={"plate": ("P1", "P2")}
    )
    assert len(told) == 3
    assert told[0].startswith("Channel 'A' ") and "the range learned from (10 to 200;" in told[0]
    assert told[2] == "plate P9: the model was never tested there."
    _, told = match_input(model, samples(crops), intensity_range=model.intensity_range)
    assert told == ()


def test_names_and_settings_that_are_refused():
    model, _ = classifier()
    with pytest.raises(UsageError, match="3 different class names are needed, got a, a, b"):
        replace(model, classes=("a", "a", "b"))
    with pytest.raises(UsageError, match="turns must be 1, 4 or 8, got 3"):
        replace(model, turns=3)
    with pytest.raises(UsageError, match="unknown engine 'openvin', did you mean 'openvino'"):
        model.with_engine("openvin")
    with pytest.raises(UsageError, match="unknown normalisation 'imag', did you mean 'image'"):
        ImageInput(("A",), 8, 8, normalisation="imag")
    with pytest.raises(UsageError, match="no channel of light among mask:cell"):
        ImageInput(("mask:cell",), 8, 8)
