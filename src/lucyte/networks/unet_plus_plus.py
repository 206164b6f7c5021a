r"""U-Net++: a U-Net whose skips are themselves small U-Nets, with an answer at every depth.

Node :math:`x^{i,j}` at level :math:`i` sees all earlier nodes of its level and the node below:

.. math:: x^{i,j} = H\left(\left[x^{i,0},\dots,x^{i,j-1},\; U(x^{i+1,j-1})\right]\right)

with :math:`H` two convolutions and :math:`U` bilinear enlargement by 2 after a 1x1 convolution
(which commutes with it, and is cheaper before). Every :math:`x^{0,j}` carries the same heads (deep
supervision), so that the network can be cut after any :math:`j`.

References
----------
Zhou et al., UNet++, IEEE Trans Med Imaging 2020, doi 10.1109/TMI.2019.2959609.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.schema.errors import UsageError


class UNetPlusPlus(nn.Module):
    """Images in, dense maps out.

    Parameters
    ----------
    in_channels, out_channels : int
    widths : sequence of int
        Feature maps per level, finest first; every level halves the resolution.
    stride : int
        Pixels of the input per pixel of the finest level and of the output: 1, 2 or 4.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: Sequence[int], stride: int = 2
    ) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise UsageError(f"network stride is 1, 2 or 4, got {stride}.")
        if len(widths) < 2:
            raise UsageError(f"a U-Net++ has at least 2 levels, got widths {tuple(widths)}.")
        self.widths: tuple[int, ...] = tuple(widths)
        self.stride: int = stride
        self.levels: int = len(self.widths)
        self.nodes = nn.ModuleDict()
        self.lifts = nn.ModuleDict()
        for column in range(self.levels):
            for level in range(self.levels - column):
                self._add_node(level, column, in_channels)
        heads = (nn.Conv2d(self.widths[0], out_channels, 1) for _ in range(self.levels - 1))
        self.heads = nn.ModuleList(heads)

    def _add_node(self, level: int, column: int, in_channels: int) -> None:
        own = self.widths[level]
        if column == 0:
            seen = in_channels * self.stride**2 if level == 0 else self.widths[level - 1]
        else:
            seen = own * (column + 1)
            self.lifts[f"{level}_{column}"] = nn.Conv2d(self.widths[level + 1], own, 1)
        self.nodes[f"{level}_{column}"] = _block(seen, own)

    @property
    def multiple(self) -> int:
        """Height and width of an input are multiples of this."""
        return self.stride << (self.levels - 1)

    @property
    def reach_px(self) -> int:
        """No input pixel further away than this changes an output pixel."""
        steps = [self.stride << level for level in range(self.levels)]
        down = sum(2 * step for step in steps)
        up = sum(3 * step for step in steps[:-1])  # two convolutions and the enlargement
        return down + up + self.multiple

    def forward(self, image: Tensor) -> Tensor:
        """The deepest answer.

        Parameters
        ----------
        image : Tensor N C H W
            H and W multiples of :attr:`multiple`.

        Returns
        -------
        Tensor N K H/stride W/stride
        """
        return cast(Tensor, self.heads[-1](self._finest(image)[-1]))

    def all_depths(self, image: Tensor) -> list[Tensor]:
        """One answer per depth, shallowest first, for deep supervision."""
        found = self._finest(image)[1:]
        return [head(each) for head, each in zip(self.heads, found, strict=True)]

    def _finest(self, image: Tensor) -> list[Tensor]:
        first = F.pixel_unshuffle(image, self.stride) if self.stride > 1 else image
        rows: list[list[Tensor]] = [[self.nodes["0_0"](first)]]
        for level in range(1, self.levels):
            rows.append([self.nodes[f"{level}_0"](F.max_pool2d(rows[level - 1][0], 2))])
            for column in range(1, level + 1):  # the diagonal that this level makes possible
                at = level - column
                below = self.lifts[f"{at}_{column}"](rows[at + 1][column - 1])
                lifted = F.interpolate(below, scale_factor=2.0, mode="bilinear")
                together = torch.cat([*rows[at], lifted], 1)
                rows[at].append(self.nodes[f"{at}_{column}"](together))
        return rows[0]


def _block(seen: int, own: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(seen, own, 3, padding=1, bias=False),
        nn.BatchNorm2d(own),
        nn.ReLU(inplace=True),
        nn.Conv2d(own, own, 3, padding=1, bias=False),
        nn.BatchNorm2d(own),
        nn.ReLU(inplace=True),
    )
