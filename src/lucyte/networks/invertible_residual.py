r"""The i-ResNet block: a residual block that can be undone, because its branch is a contraction.

.. math:: y = x + g(x), \qquad x^0 = y, \quad x^{k+1} = y - g(x^k)

With :math:`L < 1` a Lipschitz constant of :math:`g`, the iteration's error after a step is at most
:math:`\frac{L}{1-L} \|x^{k+1} - x^k\|` (Banach). With :math:`J` the Jacobian of :math:`g`,

.. math:: \log\det(I + J) = \sum_{k=1}^{\infty} \frac{(-1)^{k+1}}{k} \operatorname{tr} J^k
    \approx \sum_{k=1}^{n} \frac{(-1)^{k+1}}{k} v^\top J^k v

with a random :math:`v` (Hutchinson). What the cut leaves out is at most
:math:`d\,(-\ln(1-L) - \sum_{k\le n} L^k/k)` in :math:`d` dimensions.

References
----------
Behrmann et al. 2019, arXiv 1811.00995. Hutchinson 1990, doi 10.1080/03610919008812866.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.networks.invertible_convolution import SpectralConvolution
from lucyte.networks.invertible_steps import Step
from lucyte.schema.errors import LucyteError

TOLERANCE = 1e-6
"""Largest allowed bound on an inverse's error, L2 norm per picture divided by the root of its
number of values."""
MOST = 200
"""Iterations after which an inverse is given up."""
TERMS = 5


class NotInverted(LucyteError):
    """A block whose inverse did not come within the tolerance."""


class InvertibleBlock(Step):
    """``x + g(x)`` with ``g``: ELU, 3 x 3, ELU, 1 x 1, ELU, 3 x 3, each bounded.

    Parameters
    ----------
    channels, hidden : int
        Of the picture, and inside the branch.
    px : int
        Side of the picture.
    bound : float
        On the norm of each convolution.
    name : str
        What an error calls it.
    """

    def __init__(
        self, channels: int, hidden: int, px: int, bound: float = 0.9, name: str = "block"
    ) -> None:
        super().__init__()
        self.name = name
        self.terms, self.tolerance, self.most = TERMS, TOLERANCE, MOST
        self.convolutions = nn.ModuleList(
            [
                SpectralConvolution(channels, hidden, 3, px, bound),
                SpectralConvolution(hidden, hidden, 1, px, bound),
                SpectralConvolution(hidden, channels, 3, px, bound),
            ]
        )

    def branch(self, x: Tensor) -> Tensor:
        """``g``: a contraction."""
        for convolution in self.convolutions:
            x = convolution(F.elu(x))
        return x

    def lipschitz(self) -> float:
        """Product of the norms of the convolutions: ELU does not lengthen."""
        parts: Any = self.convolutions
        return float(math.prod(part.lipschitz() for part in parts))

    def forward(self, x: Tensor) -> Tensor:
        """``x + g(x)``."""
        return x + self.branch(x)

    @torch.no_grad()
    def inverse(self, z: Tensor) -> Tensor:
        """Fixed point of ``x = z - g(x)``, until Banach's bound meets the tolerance.

        Raises
        ------
        NotInverted
            Says which block, the bound that was reached and the norm of its branch.
        """
        norm = self.lipschitz()
        if not norm < 1:
            raise NotInverted(
                f"{self.name} cannot be undone: the norm of its branch is {norm:.4f}, not below 1. "
                "Settle its norms, or train it again with a smaller bound."
            )
        x, error = z, math.inf
        for _ in range(self.most):
            following = z - self.branch(x)
            step = (following - x).flatten(1).norm(dim=1).max() / math.sqrt(x[0].numel())
            x, error = following, float(step) * norm / (1 - norm)
            if error <= self.tolerance:
                return x
        raise NotInverted(
            f"the inverse of {self.name} did not converge in {self.most} iterations: its error is "
            f"at most {error:.1e}, wanted {self.tolerance:.1e}; the norm of its branch is "
            f"{norm:.4f}. Ask in double precision, or check the latents for extreme values."
        )

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and estimated log-determinants; chance comes from torch's generator."""
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_(True)
            branch = self.branch(at)
            probe = torch.randn_like(at)
            total, moved = x.new_zeros(len(x)), probe
            for k in range(1, self.terms + 1):
                moved = torch.autograd.grad(
                    branch, at, moved, create_graph=self.training, retain_graph=True
                )[0]
                total = total + (-1) ** (k + 1) / k * (moved * probe).flatten(1).sum(1)
        return x + branch, total

    def truncation(self, dimensions: int) -> float:
        """Most that the cut after ``terms`` terms can change a log-determinant."""
        return truncation_bound(self.lipschitz(), dimensions, self.terms)


def truncation_bound(norm: float, dimensions: int, terms: int) -> float:
    """Most that the series of log det leaves out after so many terms.

    Parameters
    ----------
    norm : float
        Lipschitz constant of the branch, below 1.
    dimensions : int
        Values of one picture.
    terms : int
    """
    kept = sum(norm**k / k for k in range(1, terms + 1))
    return dimensions * (-math.log1p(-norm) - kept)
