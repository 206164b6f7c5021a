"""A changed window is answered as the whole changed picture is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.networks.fusion import Fused, NetworkPlan, build_network
from lucyte.networks.windowed import WindowedNetwork

NAMES = ("A", "B")


def network_of(form: str, px: int, encoder: str = "small", per: int = 1) -> Fused:
    width = 4 if encoder == "small" else 64
    plan = NetworkPlan(form, encoder, NAMES, per, px, 3, width)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(plan).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                # Fresh blocks begin as their way around, and would test nothing.
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.bias, -0.2, 0.2)
                torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def whole(network: Fused, pictures: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(pictures)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["early", "intermediate", "late", "single:B"]), st.integers(1, 41), st.data()
)
def test_every_window_of_every_side(form: str, px: int, data: st.DataObject) -> None:
    y0, x0 = data.draw(st.integers(0, px - 1)), data.draw(st.integers(0, px - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, px)), data.draw(st.integers(x0 + 1, px))
    planes = data.draw(st.sampled_from([[0], [1], [0, 1]]))
    network = network_of(form, px)
    pictures = torch.rand(2, 2, px, px)
    values = 3 * torch.rand(2, len(planes), y1 - y0, x1 - x0)
    changed = pictures.clone()
    changed[:, planes, y0:y1, x0:x1] = values
    known = WindowedNetwork(network, pictures)
    found = known.logits(planes, ((y0, y1), (x0, x1)), values)
    torch.testing.assert_close(found, whole(network, changed), atol=1e-5, rtol=1e-5)
    # What was there before is there again.
    same = pictures[:, planes, y0:y1, x0:x1]
    again = known.logits(planes, ((y0, y1), (x0, x1)), same)
    torch.testing.assert_close(again, whole(network, pictures), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["intermediate", "late"])
def test_an_encoder_of_another_kind_is_asked_only_if_it_sees_the_change(form: str) -> None:
    network = network_of(form, 16, "vit")
    pictures = torch.rand(3, 2, 16, 16)
    values = torch.rand(3, 1, 5, 4)
    changed = pictures.clone()
    changed[:, 1:, 2:7, 8:12] = values
    known = WindowedNetwork(network, pictures)
    asked = []
    for module in network.modules():
        if hasattr(module, "pooled"):
            module.register_forward_hook(lambda *_: asked.append(1))
    found = known.logits([1], ((2, 7), (8, 12)), values)
    assert len(asked) == 1
    torch.testing.assert_close(found, whole(network, changed), atol=1e-5, rtol=1e-5)


def test_it_pays_where_part_of_the_network_can_be_left_out() -> None:
    assert WindowedNetwork.pays(network_of("early", 16))
    assert WindowedNetwork.pays(network_of("late", 16, "vit"))
    assert not WindowedNetwork.pays(network_of("early", 16, "vit"))
    assert not WindowedNetwork.pays(network_of("single:A", 16, "vit"))


def test_values_of_another_size_than_the_window_are_refused() -> None:
    known = WindowedNetwork(network_of("early", 16), torch.rand(1, 2, 16, 16))
    with pytest.raises(ValueError, match="for the window"):
        known.logits([0], ((0, 4), (0, 4)), torch.rand(1, 1, 3, 4))
