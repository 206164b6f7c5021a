"""The network of an autoencoder: its form, its divergence, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.networks.autoencoder_network import (
    AutoencoderNetwork,
    AutoencoderPlan,
    kl_divergence,
    off_diagonal,
)
from lucyte.schema.errors import UsageError
from reference import latents as slow


@pytest.mark.parametrize(
    ("px", "widths"), [(16, (4, 8)), (17, (4, 8)), (41, (4, 4, 8)), (20, (4,))]
)
def test_a_picture_comes_back_at_its_size(px, widths) -> None:
    network = AutoencoderNetwork(AutoencoderPlan(2, px, 3, 5, 2, widths, 8)).eval()
    x = torch.randn(3, 2, px, px)
    mean, log_variance = network.encode(x)
    assert mean.shape == log_variance.shape == (3, 5)
    assert network.decode(mean).shape == x.shape
    assert network(x).shape == (3, 3)


def test_pictures_have_no_pattern_of_every_other_px() -> None:
    network = AutoencoderNetwork(AutoencoderPlan(1, 16, 2, 6, 2, (4,), 8)).eval()
    with torch.inference_mode():
        network.paint.weight.zero_()
        network.paint.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]))
        drawn = network.decode(torch.zeros(1, 6))
    torch.testing.assert_close(drawn[..., 1:-1, 1:-1], torch.full((1, 1, 14, 14), 0.5))


def test_the_class_is_read_from_the_first_latents_alone() -> None:
    network = AutoencoderNetwork(AutoencoderPlan(1, 16, 2, 6, 2, (4,), 8)).eval()
    z = torch.randn(4, 6)
    other = z.clone()
    other[:, 2:] += 5
    torch.testing.assert_close(network.told(z), network.told(other))
    other[:, 1] += 5
    moved = (network.told(z) - network.told(other)).detach()
    assert float(moved.abs().max()) > 0.01


def test_a_crop_does_not_hang_on_its_batch() -> None:
    network = AutoencoderNetwork(AutoencoderPlan(1, 16, 2, 6, 2, (4,), 8)).eval()
    x = torch.randn(5, 1, 16, 16)
    torch.testing.assert_close(network.encode(x)[0][:1], network.encode(x[:1])[0])


@pytest.mark.parametrize(("mean", "log_variance"), [(0.0, 0.0), (1.5, -2.0), (-0.3, 1.0)])
def test_nats_are_those_of_the_integral(mean, log_variance) -> None:
    found = kl_divergence(torch.tensor([[mean]]), torch.tensor([[log_variance]]))
    assert float(found) == pytest.approx(slow.nats(mean, log_variance), abs=1e-5)


def test_covariance_of_different_latents() -> None:
    z = np.random.default_rng(0).normal(size=(7, 4))
    assert float(off_diagonal(torch.from_numpy(z))) == pytest.approx(slow.covariance_penalty(z))
    assert float(off_diagonal(torch.randn(5, 1))) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"told": 0}, r"read from 1 to 8 latents \(all\), got 0"),
        ({"told": 9}, r"read from 1 to 8 latents \(all\), got 9"),
        ({"px": 8}, "takes crops from 16 px, got 8"),
        ({"widths": ()}, r"widths are one number or more, each above 0, got \(\)"),
    ],
)
def test_plans_that_make_no_sense(change, message) -> None:
    with pytest.raises(UsageError, match=message):
        AutoencoderPlan(**{"channels": 1, "px": 16, "classes": 2, "latents": 8, **change})
