r"""Steps that can be undone: the protocol, activation normalisation, squeezes, padding, mixing.

Every step is a bijection :math:`z = f(x)` of pictures ``N C H W`` that knows its inverse and
:math:`\log |\det J_f(x)|`; a chain of them is one too.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STILL = 1e-3
"""Deviation below which a channel holds nothing to be normalised by (zeros that were added)."""


@runtime_checkable
class Bijection(Protocol):
    """A step that can be undone."""

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``N C H W`` to latents."""

    def inverse(self, z: Tensor) -> Tensor:
        """Latents to pictures."""

    def log_det(self, x: Tensor) -> Tensor:
        """Log of the absolute determinant of the Jacobian at each picture, ``N``."""

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and log-determinants in one pass."""


class Step(nn.Module):
    """What all steps share."""

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and log-determinants; a step that keeps volume has zeros."""
        return self(x), x.new_zeros(len(x))

    def log_det(self, x: Tensor) -> Tensor:
        """Log of the absolute determinant of the Jacobian at each picture, ``N``."""
        return self.with_log_det(x)[1]


class Squeeze(Step):
    """Space to depth: ``N C H W`` to ``N 4C H/2 W/2``; only moves px."""

    def forward(self, x: Tensor) -> Tensor:
        """Four px of a square become four channels."""
        return F.pixel_unshuffle(x, 2)

    def inverse(self, z: Tensor) -> Tensor:
        """Four channels become a square of px."""
        return F.pixel_shuffle(z, 2)


class HaarSqueeze(Step):
    r"""Each 2 x 2 square as its mean and three differences: ``N C H W`` to ``N 4C H/2 W/2``.

    .. math:: (a + b + c + d,\; a - b + c - d,\; a + b - c - d,\; a - b - c + d) / 2

    Orthogonal, so it keeps length and volume. Broad light and detail stay apart: channels come as
    all means first, then each kind of difference, so a later squeeze takes means of means.

    References
    ----------
    Haar 1910, doi 10.1007/BF01456326.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Four px of a square become a mean and three differences."""
        a, b, c, d = (F.pixel_unshuffle(x, 2)[:, k::4] for k in range(4))
        return torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2

    def inverse(self, z: Tensor) -> Tensor:
        """A mean and three differences become a square of px: the matrix is its own inverse."""
        a, b, c, d = z.chunk(4, dim=1)
        px = [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
        return F.pixel_shuffle(torch.stack(px, 2).flatten(1, 2) / 2, 2)


SQUEEZES: dict[str, type[Step]] = {"px": Squeeze, "haar": HaarSqueeze}


class ChannelPadding(Step):
    """Adds channels of zeros: injective, so that later steps have room.

    Undoing leaves the added channels out. Latents that no picture leads to lose what they hold
    there.
    """

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        """``N C H W`` to ``N C+added H W``."""
        return F.pad(x, (0, 0, 0, 0, 0, self.added))

    def inverse(self, z: Tensor) -> Tensor:
        """The first channels."""
        return z[:, : z.shape[1] - self.added]


class ActNorm(Step):
    r"""A factor and a shift per channel, set by the first batch, then learned.

    .. math:: z = (x - b)\, e^{s}, \qquad \log|\det J| = H W \sum_c s_c

    References
    ----------
    Kingma and Dhariwal 2018 (Glow), arXiv 1807.03039.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.begun: Tensor
        self.register_buffer("begun", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised channels."""
        if self.training and not bool(self.begun):
            self._begin(x.detach())
        return (x - self.shift) * self.log_scale.exp()

    def inverse(self, z: Tensor) -> Tensor:
        """The channels as they came."""
        return z * (-self.log_scale).exp() + self.shift

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and log-determinants."""
        z = self(x)
        places = x.shape[2] * x.shape[3]
        return z, (places * self.log_scale.sum()).expand(len(x))

    def _begin(self, x: Tensor) -> None:
        deviation = x.std(dim=(0, 2, 3), keepdim=True)
        scale = torch.where(deviation < STILL, torch.ones_like(deviation), deviation)
        with torch.no_grad():
            self.shift.copy_(x.mean(dim=(0, 2, 3), keepdim=True))
            self.log_scale.copy_(-scale.log())
            self.begun.fill_(True)


class ChannelMix(Step):
    """A fixed rotation of the channels, so that each half of a coupling sees all of them.

    Drawn with torch's generator when it is made. Stored in single precision it is no rotation to
    the last digit, so its own inverse and determinant are used, in the precision of the picture.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rotation: Tensor
        self.register_buffer("rotation", torch.linalg.qr(torch.randn(channels, channels))[0])

    def forward(self, x: Tensor) -> Tensor:
        """Rotated channels."""
        return F.conv2d(x, self.rotation[:, :, None, None])

    def inverse(self, z: Tensor) -> Tensor:
        """Rotated back."""
        return F.conv2d(z, torch.linalg.inv(self.rotation)[:, :, None, None])

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and log-determinants."""
        places = x.shape[2] * x.shape[3]
        volume = torch.linalg.slogdet(self.rotation).logabsdet
        return self(x), (places * volume).expand(len(x))
