from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lucyte.explain.attribution.deep_lift import Rules
from lucyte.explain.attribution.explained import bind
from lucyte.explain.attribution.gradients import resize_sum
from lucyte.explain.attribution.methods import Settings, attribute
from lucyte.schema.errors import UsageError


def prepared(model, crops):
    from lucyte.explain.attribution.fills import fill_image

    fill = fill_image(crops, model.channels, "local_background")
    return model.prepare(crops), model.prepare(fill)


@pytest.mark.parametrize("form", ["early", "intermediate", "late"])
def test_integrated_gradients_add_up_to_the_score(network, form):
    model, crops = network(form, turns=4)
    found = attribute(model, crops, "b", "integrated_gradients", Settings(steps=64))
    rise = found.score - found.baseline
    assert np.allclose(found.maps.sum((1, 2, 3)), rise, atol=0.01 * np.abs(rise).max())


def test_integrated_gradients_are_the_mean_slope_on_the_way(network):
    model, crops = network("intermediate")
    found = attribute(model, crops[:1], "b", "integrated_gradients", Settings(steps=12))
    x, fill = prepared(model, crops[:1])
    score = bind(model, "b", 1).fixed(model.logits(crops[:1]))
    places, weights = np.polynomial.legendre.leggauss(12)
    total = torch.zeros_like(x)
    for place, weight in zip(places, weights, strict=True):
        at = (fill + (place + 1) / 2 * (x - fill)).requires_grad_()
        score.of_tensor(model.module()(at), np.array([0])).sum().backward()
        total += weight / 2 * at.grad
    told = ((x - fill) * total)[0].numpy()
    for c, planes in enumerate(model.planes().values()):
        assert np.allclose(found.maps[0, c], told[list(planes)].sum(0), atol=1e-5)


def test_gradient_x_input_is_the_slope_times_what_is_more_than_the_fill(network):
    model, crops = network("early")
    found = attribute(model, crops[:1], "b", "gradient_x_input")
    x, fill = prepared(model, crops[:1])
    x.requires_grad_()
    bind(model, "b", 1).of_tensor(model.module()(x), np.array([0])).sum().backward()
    told = ((x.detach() - fill) * x.grad)[0].numpy()
    assert np.allclose(found.maps[0], told.reshape(3, 2, 24, 24).sum(1), atol=1e-5)


def test_smooth_grad_tends_to_the_gradient_and_keeps_to_its_seed(network):
    model, crops = network("early")
    still = attribute(model, crops, "b", "gradient_x_input").maps
    little = attribute(model, crops, "b", "smooth_grad", Settings(noise=1e-5, steps=2)).maps
    assert np.corrcoef(still.ravel(), little.ravel())[0, 1] > 0.999
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = attribute(model, crops, "b", "smooth_grad", Settings(steps=4, seed=1)).maps
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(one, attribute(model, crops, "b", "smooth_grad", Settings(steps=4, seed=1)).maps)  # fmt: skip  # noqa: E501
    other = attribute(model, crops, "b", "smooth_grad", Settings(steps=4, seed=2)).maps
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("form", "encoder"),
    [("late", "small"), ("intermediate", "vit"), ("early", "resnet50"), ("early", "convnext")],
)
def test_deep_lift_loses_nothing_on_the_way(network, form, encoder):
    model, crops = network(form, encoder, px=32)
    found = attribute(model, crops[:2], "b", "deep_lift")
    rise = found.score - found.baseline
    assert np.allclose(found.maps.sum((1, 2, 3)), rise, rtol=0.02, atol=0.02 * np.abs(rise).max())


def test_deep_lift_is_captums_where_captum_sees_every_step():
    from captum.attr import DeepLift

    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 1)
    )
    x, fill = torch.randn(2, 2, 8, 8), torch.randn(2, 2, 8, 8)
    both = torch.cat([x, fill]).requires_grad_()
    with Rules():
        told = plain(both)
    (slope,) = torch.autograd.grad(told[:2].sum(), both)
    other = DeepLift(plain).attribute(x, fill)
    assert torch.allclose(slope[:2] * (x - fill), other, atol=1e-5)


def test_deep_lift_refuses_to_lose_relevance(network):
    model, crops = network("early")

    class Cubed(nn.Module):
        def forward(self, x):
            return x**3

    model.network.head.insert(0, Cubed())
    with pytest.raises(UsageError, match="of the score's difference gets lost in operations"):
        attribute(model, crops, "b", "deep_lift")


@pytest.mark.parametrize("side", [12, 40])
def test_another_size_keeps_the_sum(side):
    maps = torch.randn(2, 3, 24, 24)
    out = resize_sum(maps, side)
    assert out.shape == (2, 3, side, side)
    assert torch.allclose(out.sum((2, 3)), maps.sum((2, 3)), atol=1e-3)


def test_crops_seen_at_another_size_are_explained_at_their_own(network):
    model, crops = network("intermediate", seen={"network_px": 16})
    found = attribute(model, crops, "b", "deep_lift")
    assert found.maps.shape == (4, 3, 24, 24)
    assert np.allclose(found.maps.sum((1, 2, 3)), found.score - found.baseline, atol=1e-3)


def test_too_few_steps_are_refused(network):
    model, crops = network("early")
    with pytest.raises(UsageError, match="needs 2 steps or more and noise above 0, got 1 and"):
        attribute(model, crops, "b", "smooth_grad", Settings(steps=1))
