"""A small residual network for crops of cells: trains in minutes on two cores.

.. math:: y = \\mathrm{ReLU}(s(x) + B_2 W_2 \\mathrm{ReLU}(B_1 W_1 x))

with :math:`W` a convolution of 3 x 3, :math:`B` batch normalisation and :math:`s` the identity, or
a convolution of 1 x 1 where size or width change.

References
----------
He et al. 2016, doi 10.1109/CVPR.2016.90.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions and a way around; ``N a H W`` to ``N b H/stride W/stride``, rounded up."""

    def __init__(self, a: int, b: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(b)
        self.second = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(b)
        self.around: nn.Module = nn.Identity()
        if stride > 1 or a != b:
            # Averaging before the 1 x 1 convolution keeps the px that a stride would skip; odd
            # sides are rounded up, as the inner path rounds them.
            shrink = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.around = nn.Sequential(shrink, nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b))
        nn.init.zeros_(self.second_norm.weight)  # every block begins as its way around

    def forward(self, x: Tensor) -> Tensor:
        """Inner path plus way around."""
        inner = torch.relu(self.first_norm(self.first(x)))
        inner = self.second_norm(self.second(inner))
        return torch.relu(inner + self.around(x))


class SmallResidual(nn.Module):
    """Stages at 1/2, 1/4 and 1/8 of the size; ``N C H W`` to ``N F H/8 W/8``.

    Full size is seen by the stem alone, whose kernel of 5 x 5 loses none of it: on a CPU layers at
    full size cost more than all that follow.

    Parameters
    ----------
    channels : int
    width : int
        Of the first stage; the second and third are twice and four times as wide.
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stage1 = nn.Sequential(ResidualBlock(width, width))
        self.stage2 = nn.Sequential(ResidualBlock(width, 2 * width, 2))
        self.stage3 = nn.Sequential(
            ResidualBlock(2 * width, 4 * width, 2), ResidualBlock(4 * width, 4 * width)
        )
        self.features = 4 * width

    def forward(self, x: Tensor) -> Tensor:
        """Map of features."""
        found: Tensor = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return found
