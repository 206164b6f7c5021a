from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from lucyte.explain.attribution import questions as module
from lucyte.explain.attribution.explained import ClassMargin, Coordinate
from lucyte.explain.attribution.methods import METHODS, Settings, applicable, attribute
from lucyte.explain.attribution.occlusion import occlusion
from lucyte.explain.attribution.questions import Questions, prepares_px_alone
from lucyte.explain.attribution.relevance import Relevance
from lucyte.explain.attribution.rollout import roll_out
from lucyte.schema.errors import UsageError
from reference import cam as slow


@dataclass(frozen=True)
class Light:
    """Two channels and a mask; a logit is a channel's light over the crop, squared."""

    channels: tuple[str, ...] = ("R", "mask:cell", "G")
    classes: tuple[str, ...] = ("r", "g", "none")
    pixel_size_um: float | None = None
    input_px: int = 12

    def logits(self, crops):
        light = crops[:, [0, 2]].mean(axis=(2, 3)) ** 2 / 100
        return np.column_stack([light, np.zeros(len(crops))])


BLACK = Settings(baseline="black")


def crops_of(n=2, px=12):
    return np.random.default_rng(0).integers(0, 60, (n, 3, px, px)).astype(np.uint16)


def pieces_of(crops):
    out = np.zeros((len(crops), *crops.shape[2:]), np.int64)
    out[:, 2:6, 2:6] = 1
    out[:, 8:11, 1:9] = 4
    return out


@pytest.mark.parametrize("form", ["early", "intermediate", "late", "single:B"])
@pytest.mark.parametrize("encoder", ["small", "dinov2"])
def test_every_method_on_every_fusion_form(network, form, encoder):
    px = 24 if encoder == "small" else 28
    model, crops = network(form, encoder, px=px)
    crops = crops[:1]
    wanted = Settings(
        samples=4,
        steps=3,
        keep_negative=True,
        pieces=pieces_of(crops),
        patch_px=px // 2,
        stride_px=px // 2,
    )
    for name in applicable(model):
        found = attribute(model, crops, "b", name, wanted)
        assert found.maps.shape == (1, 3, px, px)
        assert found.method == name
        assert found.channels == ("A", "B", "C")
        if form == "single:B" and name not in ("rise", "shapley_pieces"):
            assert np.abs(found.maps[:, [0, 2]]).max() < 1e-6
    assert ("attention_rollout" in applicable(model)) == (encoder == "dinov2")


def test_any_predictor_can_be_asked():
    names = applicable(Light())
    assert names == ("occlusion", "rise", "shapley_channels", "shapley_pieces")
    crops = crops_of()
    for name in names:
        asked = ClassMargin("r", "none")
        found = attribute(Light(), crops, asked, name, Settings(pieces=pieces_of(crops)))
        assert found.channels == ("R", "G")
        if name in ("occlusion", "rise"):
            assert found.maps[:, 0].mean() > 3 * abs(found.maps[:, 1].mean())


def test_methods_are_rows_that_lead_somewhere():
    from importlib import import_module

    assert len({row.name for row in METHODS}) == len(METHODS) == 16
    for row in METHODS:
        module = import_module(f"lucyte.explain.attribution.{row.module}")
        assert callable(getattr(module, row.function))
        assert row.needs in ("predictor", "differentiable", "layer", "attention")
        assert row.source in (module.__doc__ or "")


def test_changes_after_preparation_give_the_same_answer_to_the_bit(network):
    model, crops = network("late")
    score = Questions_score(model, crops)
    fill = np.full(crops.shape, 300.0)
    fast = Questions(score, crops, fill)
    assert prepares_px_alone(score)
    kept = torch.from_numpy(np.random.default_rng(0).random((5, 3, 24, 24)) < 0.5)
    rows, which = np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4)
    raw = np.where(kept.numpy()[which], crops[rows], fill[rows]).astype(np.float32)
    assert np.array_equal(model.prepare(raw).numpy(), prepared(fast, rows, kept[which]))
    assert np.allclose(fast.ask(rows, kept, which), score.ask(raw, rows), atol=1e-5)
    for seen in ({"normalisation": "image"}, {"network_px": 16}):
        other, _ = network("late", seen=seen)
        assert not prepares_px_alone(Questions_score(other, crops))


def test_a_background_taken_off_hangs_on_other_px(network):
    """What covers the medium changes the level that is taken off the cell."""
    model, crops = network("early")
    seen = replace(model.seen, channels=("A", "B", "C", "mask:cell"), background="subtracted")
    masked = replace(model, seen=seen)
    own = np.zeros((4, 1, 24, 24), np.uint16)
    own[..., 6:18, 6:18] = 1
    assert not prepares_px_alone(Questions_score(masked, np.concatenate([crops, own], axis=1)))


@pytest.mark.parametrize("form", ["early", "intermediate", "late", "single:B"])
@pytest.mark.parametrize("together", [False, True])
def test_windows_are_answered_as_whole_crops_are(network, monkeypatch, form, together):
    model, crops = network(form)
    fast = occlusion(model, crops, "b", 7, 4, "mean", not together)
    monkeypatch.setattr(module, "answers_by_window", lambda score: False)
    slow = occlusion(model, crops, "b", 7, 4, "mean", not together)
    assert np.abs(slow).max() > 1e-3
    assert np.abs(fast - slow).max() < 1e-5


def test_windows_are_asked_of_one_view_on_the_cpu(network, monkeypatch):
    model, crops = network("early")
    half = model.with_engine("openvino-bf16")
    monkeypatch.setattr(module, "computes_bf16", lambda device: False)
    assert module.answers_by_window(Questions_score(model, crops))
    assert module.answers_by_window(Questions_score(half, crops))
    monkeypatch.setattr(module, "computes_bf16", lambda device: True)
    assert module.answers_by_window(Questions_score(model, crops))
    for other in (
        replace(model, turns=4),
        model.with_engine("openvino-bf16"),
        network("early", seen={"normalisation": "image"})[0],
        network("early", "vit")[0],
    ):
        assert not module.answers_by_window(Questions_score(other, crops))


def Questions_score(model, crops):
    from lucyte.explain.attribution.explained import bind

    return bind(model, "b", len(crops))


def prepared(questions, rows, kept):
    x, fill, owner = questions._pictures()
    return torch.where(kept[:, owner], x[rows], fill[rows]).numpy()


def test_engines_explain_alike(network):
    model, crops = network("intermediate")
    settings = Settings(patch_px=8, stride_px=8)
    eager = attribute(model, crops, "b", "occlusion", settings)
    fast = attribute(model.with_engine("openvino"), crops, "b", "occlusion", settings)
    assert np.abs(fast.maps - eager.maps).max() < 1e-4


def test_rise_is_the_slope_of_the_score_on_what_is_shown():
    from lucyte.explain.attribution.rise import random_masks, rise_maps

    crops = crops_of(1)
    model = replace(Light(), channels=("R", "G"), input_px=12)
    light = crops[:, [0, 2]]

    class Two(Light):
        def logits(self, given):
            level = given.mean(axis=(2, 3)) ** 2 / 100
            return np.column_stack([level, np.zeros(len(given))])

    model = Two(("R", "G"))
    from lucyte.explain.attribution.explained import bind

    fill = np.full(light.shape, 5.0)
    found = rise_maps(Questions(bind(model, "r", 1), light, fill), 40, seed=3)
    rng = np.random.default_rng(3)
    masks = random_masks(40, 2, 12, rng).double().numpy()

    def score(crop):
        z = model.logits(crop[None])[0]
        return z[0] - max(z[1], z[2])

    told = slow.rise(score, light[0].astype(float), fill[0], masks)
    assert np.allclose(found[0], told, rtol=1e-5, atol=1e-6)


def test_rollout_is_the_product_of_halved_attention():
    rng = np.random.default_rng(0)
    blocks = [torch.softmax(torch.from_numpy(rng.normal(size=(2, 5, 5))), -1) for _ in range(3)]
    whole = np.stack([np.eye(5)] * 2)
    for block in blocks:
        whole = (block.numpy() + np.eye(5)) / 2 @ whole
    flow = whole[:, 0, 1:] / whole[:, 0, 1:].sum(1, keepdims=True)
    assert np.allclose(roll_out([b.float() for b in blocks]).numpy(), flow, atol=1e-6)


def test_attention_is_what_the_network_computes(network):
    from lucyte.explain.attribution.rollout import attentions

    model, crops = network("early", "vit")
    body = model.network.encoders[0].body
    score = Questions_score(model, crops)
    found = attentions(score, model.prepare(crops), list(model.layers().values()))
    body.set_attn_implementation("eager")
    with torch.no_grad():
        told = body(model.prepare(crops), output_attentions=True).attentions
    assert len(found) == len(told) == 12
    for own, other in zip(found, told, strict=True):
        assert torch.allclose(own, other.mean(1), atol=1e-5)


def test_a_named_class_is_weighed_against():
    crops = crops_of()
    found = attribute(Light(), crops, ClassMargin("r", "g"), "shapley_channels", BLACK)
    z = Light().logits(crops.astype(float))
    assert np.allclose(found.score, z[:, 0] - z[:, 1])
    assert (found.maps[:, 1] < 0).all(), "green light speaks against red"
    assert found.explanations(["x", "y"])[1].contributions.keys() == {"R", "G"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "gradcam"}, "unknown attribution method 'gradcam', did you mean 'grad_cam'?"),
        ({"explained": "blue"}, "unknown class 'blue'. Allowed: r, g, none. The model has never"),
        ({"explained": ["r"]}, "got 1 targets for 2 crops"),
        ({"explained": ClassMargin("r", "r")}, "class 'r' cannot be explained against itself"),
        ({"explained": Coordinate(3)}, "Light has no embedding; explain a class instead"),
        ({"method": "grad_cam"}, "grad_cam looks inside a network, and Light lets nobody in"),
        ({"method": "shapley_pieces"}, "shares the answer out among pieces, and none were given"),
        ({"settings": Settings(baseline="grey")}, "unknown baseline 'grey'"),
        ({"crops": crops_of(px=11)}, "crops N C Y X of 12 x 12 px with channels R, mask:cell, G"),
        ({"crops": crops_of()[:, :2]}, "got shape (2, 2, 12, 12)"),
        ({"crops": crops_of()[:0]}, "there are no crops to explain"),
        ({"crops": crops_of() * np.nan}, "crop 0 holds nan or infinite values (2 of 2)"),
        ({"crops": np.full((1, 3, 12, 12), 7.0)}, "occlusion: every map is constant. Nothing that"),
    ],
)
def test_refusals(change, message):
    asked = {"crops": crops_of(), "explained": "r", "method": "occlusion", **change}
    with pytest.raises(UsageError) as caught:
        attribute(Light(), asked.pop("crops"), **asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_map_with_gaps_is_refused():
    maps = np.zeros((2, 1, 3, 3))
    maps[1, 0, 1, 1] = np.nan
    with pytest.raises(UsageError, match=r"x: map 1 holds values that are not numbers \(1 of 2\)"):
        Relevance("x", ("A",), maps, ("a", "a"), np.zeros(2), np.zeros(2))


def test_blur_keeps_the_light_and_takes_the_structure():
    from lucyte.explain.attribution.fills import fill_image

    crops = crops_of()
    blurred = fill_image(crops, Light().channels, "blur")
    assert np.allclose(blurred[:, 0].mean((1, 2)), crops[:, 0].mean((1, 2)), rtol=0.05)
    assert blurred[:, 0].std() < 0.3 * crops[:, 0].std()
    assert np.array_equal(blurred[:, 1], crops[:, 1])
