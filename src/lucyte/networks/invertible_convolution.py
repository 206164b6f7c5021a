r"""A convolution whose operator norm, at the size of picture it works on, is held below a bound.

With :math:`\sigma` the largest singular value of the convolution as a linear map of whole pictures
(zero padding and true size included; the norm of the reshaped kernel is another number) and
:math:`c < 1`:

.. math:: W \leftarrow \frac{W}{\max(1, \sigma / c) + 10^{-5}}

:math:`\sigma` comes from power iteration with the convolution and its transpose, which nears it
from below.

References
----------
Gouk et al. 2021, doi 10.1007/s10994-020-05929-w. Behrmann et al. 2019, arXiv 1811.00995.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.schema.errors import UsageError

SETTLED = 1e-5
"""Relative change of the norm per iteration at which it counts as found."""

BEGIN = 20
"""Iterations of new weights; training goes on from there, one per step."""


class SpectralConvolution(nn.Module):
    """A convolution with zero padding and a bounded norm; ``N a H W`` to ``N b H W``.

    Attributes
    ----------
    bound : float
        c above.
    norm : Tensor, scalar
        Norm of the unbounded weights that evaluation mode divides by; `settle` renews it.
    """

    def __init__(self, a: int, b: int, kernel: int, px: int, bound: float = 0.9) -> None:
        super().__init__()
        if not 0 < bound < 1:
            raise UsageError(f"a spectral bound must lie between 0 and 1, got {bound}.")
        self.bound = bound
        made = nn.Conv2d(a, b, kernel)
        self.weight, self.bias = made.weight, made.bias
        self.reach = kernel // 2
        side = px if kernel > 1 else 1  # without neighbours every place is the same small matrix
        self.left: Tensor
        self.right: Tensor
        self.norm: Tensor
        self.register_buffer("left", _unit(torch.randn(1, b, side, side)))
        self.register_buffer("right", _unit(torch.randn(1, a, side, side)))
        self.register_buffer("norm", torch.tensor(1.0))
        self.settle(BEGIN)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the bounded weights; one step of power iteration while training."""
        if self.training:
            self.iterate()
            norm = (self.left * self._convolve(self.right)).sum()
            self.norm.copy_(norm.detach())
        else:
            norm = self.norm
        weight = self.weight * self._factor(norm)
        return F.conv2d(x, weight, self.bias, padding=self.reach)

    def lipschitz(self) -> float:
        """Norm of the bounded weights, as far as `norm` is settled."""
        norm = float(self.norm)
        return norm / (max(1.0, norm / self.bound) + 1e-5)

    @torch.no_grad()
    def iterate(self) -> None:
        """One step of power iteration."""
        self.left.copy_(_unit(self._convolve(self.right)))
        back = F.conv_transpose2d(self.left, self.weight, padding=self.reach)
        self.right.copy_(_unit(back))

    @torch.no_grad()
    def settle(self, most: int = 500) -> None:
        """Iterate until the norm stands still, and keep it for evaluation."""
        last = -math.inf
        for _ in range(most):
            self.iterate()
            norm = float((self.left * self._convolve(self.right)).sum())
            if abs(norm - last) <= SETTLED * norm:
                break
            last = norm
        self.norm.fill_(norm)

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=self.reach)

    def _factor(self, norm: Tensor) -> Tensor:
        return ((norm / self.bound).clamp_min(1.0) + 1e-5).reciprocal()


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / x.norm().clamp_min(1e-12)
    return unit
