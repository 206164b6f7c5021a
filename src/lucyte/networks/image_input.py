r"""From raw crops to what a network of images sees; kept in the model, never the caller's task.

With :math:`l, h` a channel's dark level and bright level, :math:`v = \max(x - l, 0) / (h - l)`:

.. math:: \text{linear} = v, \qquad
          \text{log} = \frac{\log(1 + 20 v)}{\log 21}

each then centred on its training mean and divided by its training deviation. ``training`` takes
:math:`l, h` from the training set, so brightness itself may speak; ``image`` takes them from each
crop, so gain and offset cannot. Where ``mask:cell`` is among the channels everything outside the
cell is erased; with ``background="subtracted"`` the crop's own background is taken off first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.networks.own_background import above_background, background_level
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL

NORMALISATIONS = {
    "training": "dark and bright level of each channel from the training set",
    "image": "dark and bright level of each channel from each crop",
}
BACKGROUNDS = {
    "kept": "light as it was taken",
    "subtracted": "less the tenth percentile of the px outside the cell, 0 outside",
}
VIEWS = {"linear": ("linear",), "log": ("log",), "both": ("linear", "log")}
DARK, BRIGHT = 0.01, 0.998
"""Quantiles of the px of a channel (all training crops, or one crop)."""
STEEP = 20.0
SAMPLE = 512
"""Training crops that levels are read from."""


@dataclass(frozen=True)
class ImageInput:
    """How raw crops become prepared ones.

    Attributes
    ----------
    channels : tuple of str
        As the crops come, ``mask:cell`` where the background is erased.
    input_px : int
        Side of the crop that is taken.
    network_px : int
        Side the network sees.
    normalisation : {"training", "image"}
    views : {"linear", "log", "both"}
        How often, and how, each channel of light is shown.
    dark, bright : tuple of float
        Levels of each channel of light, raw units.
    centre, spread : tuple of float
        Mean and deviation of each view of each channel of light, channels first.
    background : {"kept", "subtracted"}
        What is done about the light beside the cell; see `own_background`.
    """

    channels: tuple[str, ...]
    input_px: int
    network_px: int
    normalisation: str = "training"
    views: str = "both"
    dark: tuple[float, ...] = ()
    bright: tuple[float, ...] = ()
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    background: str = "kept"

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            raise unknown("normalisation", self.normalisation, NORMALISATIONS)
        if self.views not in VIEWS:
            raise unknown("view", self.views, VIEWS)
        if len(set(self.channels)) != len(self.channels):
            raise UsageError(f"a channel is named twice: {', '.join(self.channels)}.")
        for name in self.channels:
            if name.startswith("mask:") and name != MASK_CHANNEL:
                raise unknown("mask", name, [MASK_CHANNEL])
        if not self.light:
            raise UsageError(f"no channel of light among {', '.join(self.channels) or 'none'}.")
        if self.background not in BACKGROUNDS:
            raise unknown("background", self.background, BACKGROUNDS)
        if self.subtracts and not self.erases:
            raise UsageError(
                f"a background can be taken off only where the cell is known, and the channels are "
                f"{', '.join(self.channels)}; add {MASK_CHANNEL}."
            )

    @property
    def light(self) -> tuple[str, ...]:
        """Channels of light, in order."""
        return tuple(name for name in self.channels if name != MASK_CHANNEL)

    @property
    def planes_per_channel(self) -> int:
        """Planes the network sees of each channel of light."""
        return len(VIEWS[self.views])

    @property
    def erases(self) -> bool:
        """Whether everything outside the cell's own mask is set to the dark level."""
        return MASK_CHANNEL in self.channels

    @property
    def subtracts(self) -> bool:
        """Whether each crop's own background is taken off."""
        return self.background == "subtracted"

    def check(self, crops: npt.NDArray[Any]) -> None:
        """Refuse crops of another number of channels or another size.

        Raises
        ------
        UsageError
            Says what came and what is taken.
        """
        if crops.ndim != 4 or crops.shape[1] != len(self.channels):
            raise UsageError(
                f"the model takes crops N C Y X with channels {', '.join(self.channels)}; "
                f"got shape {crops.shape}."
            )
        if crops.shape[2:] != (self.input_px, self.input_px):
            raise UsageError(
                f"the model takes crops of {self.input_px} x {self.input_px} px, got "
                f"{crops.shape[2]} x {crops.shape[3]}; cut them at that size."
            )

    def tensor(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops as float32, checked."""
        self.check(crops)
        return torch.from_numpy(np.ascontiguousarray(crops, dtype=np.float32))

    def prepare(self, raw: Tensor) -> Tensor:
        """Raw float crops ``N C Y X`` to ``N P H W``, planes of one channel beside each other."""
        raw = raw.float()
        light = self.light_of(raw)
        dark, bright = self._levels(light)
        value = (light - dark).clamp_min(0) / (bright - dark)
        if self.erases and not self.subtracts:
            value = value * self._own(raw)
        if self.network_px != raw.shape[-1]:
            value = F.interpolate(
                value,
                size=(self.network_px, self.network_px),
                mode="bilinear",
                align_corners=False,
                antialias=self.network_px < raw.shape[-1],
            )
        shown = []
        for view in VIEWS[self.views]:
            shown.append(value if view == "linear" else show_log(value))
        planes = torch.stack(shown, dim=2).flatten(1, 2)
        return self._standard(planes).contiguous(memory_format=torch.channels_last)

    def light_of(self, raw: Tensor) -> Tensor:
        """The channels of light, ``N C Y X``; above the crop's own background if that is off."""
        at = [k for k, name in enumerate(self.channels) if name != MASK_CHANNEL]
        light = raw[:, at] if len(at) < len(self.channels) else raw
        return above_background(light, self._own(raw)) if self.subtracts else light

    def taken_off(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """What `light_of` takes off each channel of light, ``N C 1 1``; 0 where nothing is."""
        at = [k for k, name in enumerate(self.channels) if name != MASK_CHANNEL]
        if not self.subtracts:
            return np.zeros((len(crops), len(at), 1, 1))
        raw = torch.from_numpy(np.asarray(crops).astype(np.float64))
        return np.asarray(background_level(raw[:, at], self._own(raw)).numpy())

    def _own(self, raw: Tensor) -> Tensor:
        own = self.channels.index(MASK_CHANNEL)
        return raw[:, own : own + 1] > 0.5

    def _levels(self, light: Tensor) -> tuple[Tensor, Tensor]:
        if self.normalisation == "image":
            ranked = light.flatten(2).sort(dim=2).values
            last = ranked.shape[2] - 1
            dark = ranked[:, :, round(DARK * last)]
            bright = ranked[:, :, round(BRIGHT * last)]
            # An empty crop has no contrast; dividing by it would make noise of nothing.
            bright = torch.maximum(bright, dark + 1e-6 * dark.abs() + 1e-6)
            return dark[:, :, None, None], bright[:, :, None, None]
        dark = torch.tensor(self.dark, device=light.device)[:, None, None]
        return dark, torch.tensor(self.bright, device=light.device)[:, None, None]

    def _standard(self, planes: Tensor) -> Tensor:
        if not self.centre:
            return planes
        centre = torch.tensor(self.centre, device=planes.device)[:, None, None]
        spread = torch.tensor(self.spread, device=planes.device)[:, None, None]
        return (planes - centre) / spread

    def config(self) -> dict[str, Any]:
        """As JSON types."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def restore(cls, config: dict[str, Any]) -> ImageInput:
        """What `config` wrote."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in config.items()
        }
        return cls(**values)


def show_log(value: Tensor) -> Tensor:
    """Values from 0 to 1 on a logarithmic scale that keeps 0 and 1 in place."""
    return torch.log1p(STEEP * value) / math.log1p(STEEP)


def fit_input(
    images: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    channels: Sequence[str],
    *,
    network_px: int | None = None,
    normalisation: str = "training",
    views: str = "both",
    background: str = "kept",
) -> ImageInput:
    """Read the levels of each channel from training crops.

    Parameters
    ----------
    images : array N C Y X
        Raw units; a memory map will do.
    rows : int array
        Training crops; up to 512 of them, evenly taken, are looked at.
    channels : sequence of str
    network_px : int, optional
        Side the network sees; as the crops where None.
    normalisation, views, background : str
        See `ImageInput`.

    Raises
    ------
    UsageError
        Crops that are not square, a channel without any contrast, values that are not finite.
    """
    if images.ndim != 4 or images.shape[1] != len(channels):
        raise UsageError(
            f"got crops of shape {images.shape} for channels {', '.join(channels)} (N C Y X)."
        )
    side = int(images.shape[-1])
    if images.shape[-2] != side:
        raise UsageError(f"crops must be square, got {images.shape[-2]} x {side} px.")
    blank = ImageInput(
        tuple(channels), side, network_px or side, normalisation, views, background=background
    )
    chosen = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(np.int64)]
    some = np.asarray(images[np.unique(chosen)], dtype=np.float32)
    if not np.isfinite(some).all():
        raise UsageError("crops hold nan or infinite values; leave those samples out first.")
    light = blank.light_of(torch.from_numpy(some)).numpy()
    if blank.erases:
        own = some[:, list(channels).index(MASK_CHANNEL)] > 0.5
        if not own.any():
            raise UsageError(f"{MASK_CHANNEL} is empty in all crops; there is nothing to look at.")
    dark = np.quantile(light, DARK, axis=(0, 2, 3))
    bright = np.quantile(light, BRIGHT, axis=(0, 2, 3))
    for name, low, high, plane in zip(
        blank.light, dark, bright, range(light.shape[1]), strict=True
    ):
        if not high > low:
            if not np.ptp(light[:, plane]) > 0:
                raise UsageError(
                    f"channel {name!r} holds one value only ({low:g}); nothing can be learned."
                )
            bright[plane] = light[:, plane].max()
    levels = (tuple(map(float, dark)), tuple(map(float, bright)))
    staged = replace(blank, dark=levels[0], bright=levels[1])
    planes = staged.prepare(torch.from_numpy(some))
    centre = planes.mean(dim=(0, 2, 3))
    spread = planes.std(dim=(0, 2, 3)).clamp_min(1e-6)
    return replace(
        staged,
        centre=tuple(float(x) for x in centre),
        spread=tuple(float(x) for x in spread),
    )
