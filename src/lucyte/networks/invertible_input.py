r"""From raw crops to prepared ones and back: a logarithm that goes on below the dark level.

With :math:`l, h` a channel's dark and bright level and :math:`v = (x - l) / (h - l)`:

.. math:: u = \operatorname{sign}(v)\, \frac{\log(1 + 20 |v|)}{\log 21}, \qquad
          |v| = \frac{21^{|u|} - 1}{20}

centred on its training mean and divided by its training deviation. Nothing is clamped, so every
prepared crop is the picture of one raw crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lucyte.networks.image_input import STEEP, ImageInput, fit_input

LOG_STEEP = math.log1p(STEEP)


@dataclass(frozen=True)
class InvertibleInput(ImageInput):
    """An `ImageInput` that can be undone: one plane per channel of light, levels of the training.

    Where ``mask:cell`` is among the channels, what lies outside the cell is the dark level; undoing
    gives that level there, and the caller keeps the original px. Where a background is subtracted,
    undoing gives light above it, and the caller adds what `taken_off` says.
    """

    views: str = "log"

    def prepare(self, raw: Tensor) -> Tensor:
        """Raw float crops ``N C Y X`` to ``N P H W``, one plane per channel of light."""
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        dark, bright = self._level(self.dark, raw), self._level(self.bright, raw)
        value = (self.light_of(raw) - dark) / (bright - dark)
        if self.erases and not self.subtracts:
            value = value * self._own(raw)
        shown = value.sign() * torch.log1p(STEEP * value.abs()) / LOG_STEEP
        return (shown - self._level(self.centre, raw)) / self._level(self.spread, raw)

    def undo(self, planes: Tensor) -> Tensor:
        """Prepared crops ``N P H W`` to the light in raw units, channels of light in order."""
        shown = planes * self._level(self.spread, planes) + self._level(self.centre, planes)
        value = shown.sign() * torch.expm1(shown.abs() * LOG_STEEP) / STEEP
        dark, bright = self._level(self.dark, planes), self._level(self.bright, planes)
        return value * (bright - dark) + dark

    @classmethod
    def restore(cls, config: dict[str, Any]) -> InvertibleInput:
        """What `config` wrote."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in config.items()
        }
        return cls(**values)

    def _level(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]


def fit_invertible_input(
    images: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    channels: Sequence[str],
    background: str = "kept",
) -> InvertibleInput:
    """Read the levels of each channel from training crops; see `fit_input`.

    Raises
    ------
    UsageError
        Crops that are not square, a channel without any contrast, values that are not finite.
    """
    fitted = fit_input(images, rows, channels, views="log", background=background)
    return InvertibleInput(**{each.name: getattr(fitted, each.name) for each in fields(fitted)})
