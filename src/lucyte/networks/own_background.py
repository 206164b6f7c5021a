r"""Light of a crop above its own background: what the medium adds is taken off, cell by cell.

With :math:`O` the px outside the cell's mask and :math:`q_{10}` their tenth percentile,

.. math:: x'_c = x_c - q_{10}(x_c[O]) \;\text{inside the mask}, \qquad 0 \;\text{outside}

A crop that the cell fills has no outside; there the tenth percentile is that of the whole crop.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.1
"""Quantile of the px outside the cell that counts as background; neighbours are above it."""


def background_level(light: Tensor, mask: Tensor) -> Tensor:
    """The background of each channel of each crop, ``N C 1 1`` in raw units.

    Parameters
    ----------
    light : Tensor N C Y X
        Raw units.
    mask : bool Tensor N 1 Y X
        The cell.
    """
    outside = ~mask.flatten(1)
    outside = outside | ~outside.any(dim=1, keepdim=True)
    last = outside.sum(dim=1) - 1
    hidden = light.flatten(2).masked_fill(~outside[:, None], float("inf"))
    ranked = hidden.sort(dim=2).values
    place = SHARE * last.to(light.dtype)
    below = place.floor().long()
    above = torch.minimum(below + 1, last)
    share = (place - below)[:, None]
    low, high = (_at(ranked, each) for each in (below, above))
    return (low + share * (high - low))[:, :, None, None]


def above_background(light: Tensor, mask: Tensor) -> Tensor:
    """Light less its own background inside the mask, 0 outside; see `background_level`."""
    return (light - background_level(light, mask)) * mask


def _at(ranked: Tensor, place: Tensor) -> Tensor:
    index = place[:, None, None].expand(-1, ranked.shape[1], 1)
    return ranked.gather(2, index)[:, :, 0]
