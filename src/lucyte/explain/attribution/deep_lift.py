r"""DeepLIFT: differences from a reference, passed down layer by layer.

For an operation :math:`y = f(z)` between crop (1) and fill (0), relevance goes down by

.. math:: m_z = \Big[\int_0^1 \frac{\partial f}{\partial z}\big(z_0 + t (z_1 - z_0)\big)\, dt
          \Big]^\top m_y

which for an activation of one number is the published rescale rule
:math:`m_z = m_y\, \Delta y / \Delta z`, for a linear layer its weights, and for softmax, layer
normalisation, maximum pooling and attention the same idea. Maps :math:`m_x (x_1 - x_0)` add up to
:math:`s(x_1) - s(x_0)`; where an operation without a rule breaks that, the method refuses.

captum's DeepLift replaces modules and does not see ``torch.relu``, which the small encoder calls;
here the operations themselves are caught, whoever calls them.

References
----------
Shrikumar, Greenside and Kundaje 2017, arXiv 1704.02685. Sundararajan et al. 2017, arXiv 1703.01365
(the mean gradient).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lucyte.explain.attribution.gradients import Turned, fold
from lucyte.explain.attribution.inside import frozen, need_differentiable
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

BATCH = 16
"""Crops at once, each beside its fill."""
NODES = 32
"""Places between fill and crop at which an operation's slope is taken."""
FLAT = 1e-6
"""Differences below which a rise over run is the slope itself."""
LOST = 0.02
"""Share of the score's difference that may be lost on the way."""

ALONE: frozenset[Any] = frozenset(
    {
        *(torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu, F.relu_),
        *(F.gelu, F.silu, F.elu, F.leaky_relu, F.hardtanh, torch.sigmoid, torch.tanh),
        *(torch.log, torch.Tensor.log, torch.Tensor.clamp_min),
    }
)
"""Operations on each number by itself."""
TOGETHER: frozenset[Any] = frozenset(
    {
        *(torch.softmax, F.softmax, torch.Tensor.softmax, torch.log_softmax, F.log_softmax),
        *(F.layer_norm, F.max_pool2d, torch.max_pool2d, F.scaled_dot_product_attention),
    }
)
"""Operations on several numbers."""


def deep_lift(case: Case) -> Relevance:
    """DeepLIFT as a row of the table of methods.

    Raises
    ------
    UsageError
        Relevance that gets lost in an operation without a rule.
    """
    need_differentiable(case.score.model, case.method)
    score = case.fixed()
    found, lost = [], []
    with frozen(Turned(score)) as network:
        for at in range(0, len(case.crops), BATCH):
            rows = np.arange(at, min(at + BATCH, len(case.crops)))
            both = torch.cat([case.prepared(rows), case.prepared_fill(rows)]).requires_grad_()
            with Rules():
                told = score.of_tensor(network(both), np.tile(rows, 2))
            (slope,) = torch.autograd.grad(told[: len(rows)].sum(), both)
            x, fill = both.detach().chunk(2)
            own = slope[: len(rows)] * (x - fill)
            rise = (told[: len(rows)] - told[len(rows) :]).detach()
            lost.append(torch.stack([own.sum(dim=(1, 2, 3)) - rise, rise]))
            found.append(fold(case, own))
    _check_sum(*torch.cat(lost, dim=1))
    return case.found(np.concatenate(found), "score", score=score)


class Rules(TorchFunctionMode):
    """Within it, operations on a batch (crops, then fills) carry differences, not slopes."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Put a rule in the place of what it is for."""
        more = dict(kwargs or {})
        alone = func in ALONE
        if not alone and func not in TOGETHER:
            return func(*args, **more)
        if func in (torch.relu_, torch.Tensor.relu_, F.relu_):
            func = torch.relu
        more.pop("inplace", None)
        if func is F.relu:
            args = args[:1]
        tensors = [k for k, each in enumerate(args) if isinstance(each, Tensor)]
        if func is F.layer_norm:
            tensors = tensors[:1]
        if not any(args[k].requires_grad for k in tensors):
            return func(*args, **more)

        def act(*given: Tensor) -> Any:
            filled = list(args)
            for k, each in zip(tensors, given, strict=True):
                filled[k] = each
            return func(*filled, **more)

        return _Rule.apply(act, alone, *(args[k] for k in tensors))  # type: ignore[no-untyped-call]


class _Rule(torch.autograd.Function):
    """One operation on crops and fills, whose way back is the mean slope between the two."""

    @staticmethod
    def forward(ctx: Any, act: Callable[..., Tensor], alone: bool, *given: Tensor) -> Tensor:
        out = act(*given)
        ctx.act, ctx.alone = act, alone
        ctx.save_for_backward(*given, out)
        return out

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        *given, out = ctx.saved_tensors
        half = len(out) // 2
        if ctx.alone:
            found = [_rise_over_run(ctx.act, given[0], out, above)]
        else:
            found = _mean_slope(ctx.act, given, above[:half], half)
        # Nothing goes down to the fills: they are what differences are taken from.
        return (None, None, *(torch.cat([each, torch.zeros_like(each)]) for each in found))


def _rise_over_run(act: Any, z: Tensor, out: Tensor, above: Tensor) -> Tensor:
    half = len(z) // 2
    run, rise = z[:half] - z[half:], out[:half] - out[half:]
    with torch.enable_grad():
        here = z[:half].detach().requires_grad_()
        (slope,) = torch.autograd.grad(act(here).sum(), here)
    steep = run.abs() > FLAT
    return above[:half] * torch.where(steep, rise / torch.where(steep, run, 1.0), slope)


def _mean_slope(act: Any, given: list[Tensor], above: Tensor, half: int) -> list[Tensor]:
    places, weights = np.polynomial.legendre.leggauss(NODES)
    total = [torch.zeros_like(each[:half]) for each in given]
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        with torch.enable_grad():
            here = [torch.lerp(z[half:], z[:half], place).detach().requires_grad_() for z in given]
            slopes = torch.autograd.grad(act(*here), here, above)
        for kept, slope in zip(total, slopes, strict=True):
            kept += weight * slope
    return total


def _check_sum(lost: Tensor, rise: Tensor) -> None:
    scale = rise.abs().mean().clamp_min(1e-3)
    share = float(lost.abs().mean() / scale)
    if share > LOST:
        raise UsageError(
            f"deep_lift: {share:.0%} of the score's difference gets lost in operations of this "
            "network that have no rule; use integrated_gradients, which needs none."
        )
