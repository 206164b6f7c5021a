r"""Coupling: half of the channels moves by what the other half says. Exact to undo, exact volume.

.. math:: y_1 = x_1, \qquad y_2 = x_2\, e^{s(x_1)} + t(x_1), \qquad \log|\det J| = \sum s(x_1)

:math:`s` is kept within :math:`\pm 1` by a soft clamp; *additive* coupling has :math:`s = 0`.

References
----------
Dinh et al. 2017 (RealNVP), arXiv 1605.08803. Ardizzone et al. 2019, arXiv 1907.02392 (clamp).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lucyte.networks.invertible_steps import Step


class Coupling(Step):
    """Affine or additive coupling of ``N C H W``; the last convolution begins at zero.

    Parameters
    ----------
    channels, hidden : int
        Of the picture, and inside the network that moves its second half.
    affine : bool
        Scale and shift, or shift alone.
    """

    def __init__(self, channels: int, hidden: int, affine: bool = True) -> None:
        super().__init__()
        self.kept = channels // 2
        self.affine = affine
        moved = channels - self.kept
        last = nn.Conv2d(hidden, moved * (2 if affine else 1), 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.network = nn.Sequential(
            nn.Conv2d(self.kept, hidden, 3, padding=1),
            nn.ELU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ELU(),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """The second half moved."""
        return self.with_log_det(x)[0]

    def inverse(self, z: Tensor) -> Tensor:
        """The second half moved back."""
        kept, moved = z[:, : self.kept], z[:, self.kept :]
        log_scale, shift = self._told(kept)
        return torch.cat([kept, (moved - shift) * (-log_scale).exp()], 1)

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and exact log-determinants."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._told(kept)
        z = torch.cat([kept, moved * log_scale.exp() + shift], 1)
        return z, log_scale.flatten(1).sum(1)

    def _told(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        told = self.network(kept)
        if not self.affine:
            return torch.zeros_like(told), told
        raw, shift = told.chunk(2, dim=1)
        return torch.tanh(raw), shift
