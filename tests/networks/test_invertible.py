"""Inverse, bound and log-determinant against exact small cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lucyte.networks.coupling import Coupling
from lucyte.networks.invertible_convolution import SpectralConvolution
from lucyte.networks.invertible_input import fit_invertible_input
from lucyte.networks.invertible_network import InvertiblePlan, build_invertible
from lucyte.networks.invertible_residual import InvertibleBlock, NotInverted, truncation_bound
from lucyte.networks.invertible_steps import (
    ActNorm,
    Bijection,
    ChannelMix,
    ChannelPadding,
    HaarSqueeze,
    Squeeze,
)
from lucyte.networks.invertible_support import fit_support, tell
from lucyte.schema.errors import UsageError
from reference.invertible import dense_log_det, dense_norm, log_det_terms, nearest_mean_distance


def _picture(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _block(scale: float = 3.0, bound: float = 0.9) -> InvertibleBlock:
    """A block whose weights are large, so that the bound is what holds them."""
    torch.manual_seed(1)
    block = InvertibleBlock(2, 5, 4, bound, "stage1_block1").double()
    with torch.no_grad():
        for convolution in block.convolutions:
            convolution.weight.mul_(scale)
            convolution.settle()
    return block.eval()


def _coupling(affine: bool) -> Coupling:
    torch.manual_seed(2)
    coupling = Coupling(5, 6, affine).double().eval()
    with torch.no_grad():
        last = coupling.network[-1]
        last.weight.normal_(0, 0.3)
    return coupling


def _norm() -> ActNorm:
    norm = ActNorm(3).double()
    norm.train()(_picture(6, 3, 4, 4) * 5 + 2)
    return norm.eval()


@pytest.mark.parametrize(
    "step",
    [
        Squeeze(),
        HaarSqueeze(),
        ChannelMix(3).double(),
        _norm(),
        _coupling(True),
        _coupling(False),
        _block(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_every_step_is_undone(step: Bijection) -> None:
    assert isinstance(step, Bijection)
    channels = {Coupling: 5, InvertibleBlock: 2}.get(type(step), 3)  # type: ignore[call-overload]
    x = _picture(2, channels, 4, 4)
    z = step.forward(x)
    if not isinstance(step, Squeeze | HaarSqueeze):
        assert float((z - x).detach().abs().max()) > 0.05, "test invalid: the step does nothing"
    torch.testing.assert_close(step.inverse(z), x, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("step", "channels"),
    [
        (Squeeze(), 3),
        (HaarSqueeze(), 3),
        (ChannelMix(3).double(), 3),
        (_norm(), 3),
        (_coupling(True), 5),
    ],
)
def test_volume_of_exact_steps_is_that_of_the_whole_jacobian(
    step: Bijection, channels: int
) -> None:
    x = _picture(1, channels, 4, 4)
    assert float(step.log_det(x)) == pytest.approx(dense_log_det(step.forward, x), abs=1e-9)


def test_haar_keeps_means_apart_from_differences() -> None:
    x = _picture(2, 3, 8, 8)
    z = HaarSqueeze()(x)
    torch.testing.assert_close(z[:, :3], 2 * torch.nn.functional.avg_pool2d(x, 2))
    a, b, c, d = x[0, 1, 0, 0], x[0, 1, 0, 1], x[0, 1, 1, 0], x[0, 1, 1, 1]
    torch.testing.assert_close(z[0, 4, 0, 0], (a - b + c - d) / 2)
    assert float(z.norm()) == pytest.approx(float(x.norm()), rel=1e-12)
    twice = HaarSqueeze()(z)
    torch.testing.assert_close(twice[:, :3], 4 * torch.nn.functional.avg_pool2d(x, 4))
    flat = HaarSqueeze()(torch.ones(1, 2, 4, 4))
    assert float(flat[:, 2:].abs().max()) == 0.0


def test_additive_coupling_keeps_volume() -> None:
    assert float(_coupling(False).log_det(_picture(1, 5, 4, 4))) == 0.0


def test_series_nears_the_exact_volume_within_its_bound() -> None:
    block, x = _block(), _picture(1, 2, 4, 4)
    exact = dense_log_det(block.forward, x)
    jacobian = torch.autograd.functional.jacobian(block.branch, x)  # type: ignore[no-untyped-call]
    dense = jacobian.reshape(x.numel(), x.numel()).numpy()
    assert abs(exact) > 0.02, "test invalid: the block keeps volume"
    five = log_det_terms(dense, 5)
    assert abs(five - exact) <= block.truncation(x.numel())
    torch.manual_seed(0)
    draws = torch.stack([block.log_det(x)[0] for _ in range(600)])
    error = float(draws.std()) / math.sqrt(len(draws))
    assert abs(float(draws.mean()) - five) < 4 * error
    assert error < 0.05, "test invalid: too few draws to tell"


def test_truncation_bound_is_the_rest_of_the_series() -> None:
    rest = sum(0.5**k / k for k in range(6, 200))
    assert truncation_bound(0.5, 10, 5) == pytest.approx(10 * rest, rel=1e-9)


@pytest.mark.parametrize("kernel", [1, 3])
def test_norm_is_that_of_the_whole_operator(kernel: int) -> None:
    torch.manual_seed(3)
    convolution = SpectralConvolution(3, 4, kernel, 6).double()
    with torch.no_grad():
        convolution.weight.mul_(2.5)
    convolution.settle()
    exact = dense_norm(convolution.weight, 6)
    assert float(convolution.norm) == pytest.approx(exact, rel=2e-3)
    assert exact > 0.9, "test invalid: the bound is not reached"
    assert convolution.lipschitz() == pytest.approx(0.9, rel=1e-4)
    bounded = convolution.weight * convolution._factor(convolution.norm)
    assert dense_norm(bounded, 6) == pytest.approx(0.9, rel=2e-3)


def test_norm_of_the_kernel_is_another_number() -> None:
    torch.manual_seed(3)
    convolution = SpectralConvolution(3, 4, 3, 6)
    kernel = torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)
    assert abs(float(kernel) / dense_norm(convolution.weight, 6) - 1) > 0.2


def test_small_weights_are_left_alone() -> None:
    torch.manual_seed(3)
    convolution = SpectralConvolution(3, 4, 3, 6)
    with torch.no_grad():
        convolution.weight.mul_(0.1)
    convolution.settle()
    exact = dense_norm(convolution.weight, 6)
    assert exact < 0.5, "test invalid"
    assert convolution.lipschitz() == pytest.approx(exact, rel=2e-3)


def test_training_follows_the_norm() -> None:
    torch.manual_seed(3)
    convolution = SpectralConvolution(2, 2, 3, 5).train()
    with torch.no_grad():
        convolution.weight.mul_(4)
    for _ in range(60):
        convolution(torch.zeros(1, 2, 5, 5))
    assert float(convolution.norm) == pytest.approx(dense_norm(convolution.weight, 5), rel=0.01)


def test_a_bound_of_one_is_refused() -> None:
    with pytest.raises(UsageError, match="between 0 and 1, got 1"):
        SpectralConvolution(1, 1, 3, 4, bound=1.0)


def test_inverse_meets_the_bound_it_promises() -> None:
    block, x = _block(), _picture(3, 2, 4, 4)
    block.tolerance = 1e-3
    rough = block.inverse(block.forward(x))
    error = (rough - x).flatten(1).norm(dim=1) / math.sqrt(x[0].numel())
    assert float(error.max()) <= 1e-3
    assert float(error.max()) > 1e-9, "test invalid: it went on beyond its tolerance"
    block.tolerance = 1e-10
    assert float((block.inverse(block.forward(x)) - x).abs().max()) < 1e-8


def test_an_inverse_that_does_not_converge_says_which_block_and_what_norm() -> None:
    block = _block()
    block.most = 2
    with pytest.raises(
        NotInverted, match=r"stage1_block1 did not converge in 2 iterations"
    ) as told:
        block.inverse(_picture(1, 2, 4, 4))
    assert f"norm of its branch is {block.lipschitz():.4f}" in str(told.value)


def test_a_branch_that_is_no_contraction_is_refused() -> None:
    block = _block()
    for convolution in block.convolutions:
        convolution.bound = 1.2
    with pytest.raises(NotInverted, match=r"cannot be undone: the norm of its branch is 1\.7"):
        block.inverse(_picture(1, 2, 4, 4))


def test_padding_adds_zeros_and_takes_them_away() -> None:
    padding, x = ChannelPadding(2), _picture(1, 3, 4, 4)
    z = padding(x)
    assert z.shape == (1, 5, 4, 4)
    assert float(z[:, 3:].abs().max()) == 0.0
    torch.testing.assert_close(padding.inverse(z), x)


def test_normalisation_begins_from_the_first_batch_and_spares_empty_channels() -> None:
    norm = ActNorm(2).train()
    x = torch.cat([torch.randn(8, 1, 4, 4) * 7 + 3, torch.zeros(8, 1, 4, 4)], 1)
    z = norm(x)
    assert float(z[:, 0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(z[:, 0].std()) == pytest.approx(1, abs=1e-3)
    assert float(norm.log_scale[0, 1]) == 0.0
    again = norm(x * 2)
    assert float(again[:, 0].std()) == pytest.approx(2, abs=1e-2)


@pytest.mark.parametrize("flow", ["i-resnet", "coupling", "additive"])
@pytest.mark.parametrize("padding", [0, 2])
def test_network_is_undone_and_knows_its_volume(flow: str, padding: int) -> None:
    torch.manual_seed(0)
    plan = InvertiblePlan(flow, "linear", 2, 8, 2, (2, 1), (6, 8), padding)
    network = build_invertible(plan).double()
    x = _picture(16, 2, 8, 8)
    network.train()(x)
    network.eval().flow.settle()
    z = network.flow(x)
    assert z.shape == (16, *plan.shape)
    assert float((network.flow.inverse(z) - x).abs().max()) <= 1e-4
    if not padding and flow != "i-resnet":
        exact = dense_log_det(network.flow.forward, x[:1])
        assert float(network.flow.log_det(x[:1])) == pytest.approx(exact, abs=1e-8)
    with torch.no_grad():
        weight, bias = network.plane()
        told = z.mean(dim=(2, 3)) @ weight.T + bias
        torch.testing.assert_close(network(x), told)


def test_gaussian_head_is_the_gaussian_up_to_what_classes_share() -> None:
    torch.manual_seed(0)
    network = build_invertible(InvertiblePlan("coupling", "gaussian", 1, 8, 3, (1,), (4,))).double()
    z = _picture(2, 4, 4, 4)
    logits = network.told(z)
    for k in range(3):
        centre = network.weight[k][None, :, None, None]
        exact = torch.distributions.Normal(centre, torch.ones(())).log_prob(z).sum(dim=(1, 2, 3))
        nothing = torch.zeros(2, dtype=torch.float64)
        target = torch.full((2,), k)
        per = network.log_density(z, nothing, target) * z[0].numel()
        torch.testing.assert_close(per, exact)
        shared = torch.distributions.Normal(0, 1).log_prob(z).sum(dim=(1, 2, 3))
        torch.testing.assert_close(logits[:, k], exact - shared)


def test_plan_refuses_what_cannot_be_built() -> None:
    with pytest.raises(UsageError, match=r"50 px cannot be halved 3 times; cut crops at 48 px"):
        InvertiblePlan(px=50)
    with pytest.raises(UsageError, match=r"unknown invertible network 'iresnet', did you mean"):
        InvertiblePlan("iresnet")
    with pytest.raises(UsageError, match="one number per stage"):
        InvertiblePlan(blocks=(1, 2), hidden=(4,))
    with pytest.raises(UsageError, match="unknown head 'mlp'"):
        InvertiblePlan(head="mlp")
    with pytest.raises(UsageError, match="unknown squeeze 'harr', did you mean 'haar'"):
        InvertiblePlan(squeeze="harr")


def test_input_is_undone_below_the_dark_level_too() -> None:
    chance = np.random.default_rng(0)
    crops = chance.gamma(2.0, 300.0, (20, 2, 8, 8)).astype(np.float32) + 90
    seen = fit_invertible_input(crops, np.arange(20), ("EGFP", "TL"))
    strange = torch.tensor(crops[:3].astype(np.float64))
    strange[0, 0, 0, 0] = -50.0
    strange[1, 1, 2, 2] = 60000.0
    back = seen.undo(seen.prepare(strange))
    torch.testing.assert_close(back, strange, rtol=1e-9, atol=1e-6)


def test_support_knows_what_is_far() -> None:
    chance = torch.Generator().manual_seed(0)
    z = torch.randn(200, 3, 4, 4, generator=chance, dtype=torch.float64)
    support = fit_support(tell(z[:150]), tell(z[150:]))
    near = torch.randn(40, 3, 4, 4, generator=chance, dtype=torch.float64)
    assert float((support.distance(near) <= 1.2).mean()) == 1.0
    assert support.distance(near + 3).min() > 3
    places = support.place(tell(near))
    exact = nearest_mean_distance(places[0], support.known, 5) / support.limit
    assert support.distance(near)[0] == pytest.approx(exact)
    with pytest.raises(UsageError, match="too few to say"):
        fit_support(tell(z[:4]), tell(z[:0]))
