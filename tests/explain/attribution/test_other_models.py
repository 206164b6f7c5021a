"""Attribution on models that are no image classifiers of ours: turned round, or a user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lucyte.explain.attribution.cam import grad_cam_plus_plus
from lucyte.explain.attribution.explained import Coordinate
from lucyte.explain.attribution.methods import Settings, applicable, attribute
from lucyte.learn.autoencoder_learner import AutoencoderLearner, AutoencoderSettings
from lucyte.learn.autoencoder_training import AutoencoderTraining
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining

PX = 16
QUICK = Settings(samples=16, steps=4, patch_px=8, stride_px=8)


def pictures() -> tuple[np.ndarray, list[str], list[str]]:
    rng = np.random.default_rng(0)
    crops = rng.poisson(200, (48, 2, PX, PX)).astype(np.uint16)
    crops[::2, 0, 4:8, 4:8] += 900
    return crops, ["on", "off"] * 24, [f"w{k // 2 % 8}" for k in range(48)]


@pytest.fixture(scope="module")
def turned() -> dict[str, Any]:
    """An invertible network and an autoencoder, hardly trained."""
    crops, names, groups = pictures()
    training = InvertibleTraining(epochs=2, batch=16)
    inverse = InvertibleSettings(blocks=(1,), hidden=(6,), training=training)
    drawn = AutoencoderSettings(
        6, 2, (4, 8), 16, training=AutoencoderTraining(epochs=2, patience=2, batch=16)
    )
    return {
        "inverse": InvertibleLearner(("R", "G"), inverse).fit(crops, names, groups, 0),
        "autoencoder": AutoencoderLearner(("R", "G"), drawn).fit(crops, names, groups, 0),
    }


@pytest.mark.parametrize("kind", ["inverse", "autoencoder"])
def test_every_method_looks_at_what_can_be_turned_round(turned, kind):
    model, crops = turned[kind], pictures()[0][:3]
    for name in applicable(model):
        if name != "shapley_pieces":
            found = attribute(model, crops, "on", name, QUICK)
            assert found.maps.shape == (3, 2, PX, PX), name


def test_maps_with_ways_around_them_are_taken_away_too(turned):
    """The latents see the mean of every map beside the last one."""
    model, crops = turned["autoencoder"], pictures()[0][:2]
    given = Settings(layer="down2", keep_negative=True)
    found = attribute(model, crops, "on", "ablation_cam", given)
    network, x = model.module(), model.prepare(crops)
    maps = model.layers()["down2"](x)
    slow = torch.zeros(2, *maps.shape[2:])
    with torch.inference_mode():
        whole = network(x)
        for k in range(maps.shape[1]):
            less = maps.clone()
            less[:, k] = 0
            handle = model.layers()["down2"].register_forward_hook(lambda *_, less=less: less)
            fall = whole - network(x)
            handle.remove()
            at = model.classes.index("on")
            slow += (fall[:, at] - fall[:, 1 - at])[:, None, None] * maps[:, k]
    wanted = torch.nn.functional.interpolate(
        slow[:, None], size=(PX, PX), mode="bilinear", align_corners=False
    )[:, 0]
    ratio = found.maps[:, 0] / wanted.detach().numpy()
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)


@pytest.mark.parametrize("kind", ["inverse", "autoencoder"])
@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients", "deep_lift"])
def test_a_coordinate_of_the_latents(turned, kind, method):
    model, crops = turned[kind], pictures()[0][:3]
    found = attribute(model, crops, Coordinate(1), method, QUICK)
    assert np.allclose(found.score, model.embed(crops)[:, 1], atol=1e-4)


class Plain(nn.Module):
    def __init__(self, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.turn = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.turn(self.first(x)).mean((2, 3)))


class Mine:
    """A user's own network of one channel."""

    classes, channels, pixel_size_um, input_px = ("a", "b"), ("G",), None, PX

    def __init__(self, inplace: bool) -> None:
        self.network = Plain(inplace).eval()

    def module(self):
        return self.network

    def prepare(self, crops):
        return torch.from_numpy(np.asarray(crops, dtype=np.float32)) / 100

    def layers(self):
        return {"first": self.network.first}

    def logits(self, crops):
        with torch.inference_mode():
            return self.network(self.prepare(crops)).double().numpy()


@pytest.mark.parametrize("method", ["grad_cam", "eigen_cam", "score_cam", "ablation_cam"])
def test_what_follows_a_layer_may_work_in_place(method):
    crops = pictures()[0][:4, :1]
    keep = Settings(keep_negative=True)
    plain, inplace = (attribute(Mine(k), crops, "a", method, keep).maps for k in (False, True))
    assert np.abs(plain).max() > 0
    np.testing.assert_array_equal(inplace, plain)


def test_grad_cam_plus_plus_does_not_hang_on_the_size_of_slopes():
    """Slopes shrink with the number of places and with the temperature."""
    rng = torch.Generator().manual_seed(0)
    a = torch.rand(2, 5, 4, 4, generator=rng)
    g = torch.randn(2, 5, 4, 4, generator=rng)
    g[:, 0] = 0
    for size in (1e-3, 1e-6, 1e-9):
        small = g * size
        below = 2 + small.double() * a.double().sum((2, 3), keepdim=True)
        weight = torch.where(small != 0, 1 / below, 0.0) * small.double().clamp_min(0)
        exact = torch.einsum("nk,nkhw->nhw", weight.sum((2, 3)), a.double())
        torch.testing.assert_close(
            grad_cam_plus_plus(a, small).double() / size, exact / size, rtol=1e-4, atol=1e-6
        )


def test_random_masks_say_nothing_of_channels_that_are_not_seen(network):
    model, crops = network("single:B")
    found = attribute(model, crops, "b", "rise", Settings(samples=32))
    assert not found.maps[:, [0, 2]].any() and found.maps[:, 1].any()
    assert "chance" in found.why_no_shares() and np.isnan(found.shares()).all()
