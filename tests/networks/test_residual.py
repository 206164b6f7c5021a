"""The small residual network takes any side, not multiples of eight alone."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
import torch

from lucyte.networks.residual import SmallResidual


@pytest.mark.parametrize("side", [68, 67, 64, 9, 1])
def test_every_side_is_answered_rounded_up(side: int) -> None:
    """68 px is 34, 17 and then an odd half: both paths of a block must round alike."""
    torch.manual_seed(0)
    network = SmallResidual(3, width=4).eval()

    found = network(torch.rand(2, 3, side, side))

    eighth = -(-side // 8)
    assert found.shape == (2, 16, eighth, eighth)


def test_an_odd_border_is_averaged_over_the_px_that_are_there() -> None:
    """The window that hangs over the border of a constant picture gives that constant."""
    block = SmallResidual(1, width=4).stage2[0]
    shrink = block.around[0]

    assert torch.equal(shrink(torch.full((1, 4, 17, 17), 3.0)), torch.full((1, 4, 9, 9), 3.0))


def test_openvino_answers_odd_sides_as_torch_does() -> None:
    torch.manual_seed(1)
    network = SmallResidual(2, width=4).eval()
    x = torch.rand(1, 2, 68, 68)

    model = openvino.convert_model(network, example_input=x)
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(x.numpy())[0]

    with torch.no_grad():
        np.testing.assert_allclose(found, network(x).numpy(), atol=1e-4)
