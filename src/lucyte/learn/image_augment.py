"""The same cell seen otherwise: turned, mirrored, larger, dimmer, blurred, noisier.

All of a batch at once, on raw units. Channels named ``mask:...`` move with the cell and are not
light.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.schema.errors import UsageError

MASK = "mask:"


@dataclass(frozen=True)
class AugmentSettings:
    """How far a crop may be changed; every range is symmetric around no change.

    Attributes
    ----------
    mirror, quarter_turns : bool
    turn_deg : float
        Largest free turn.
    stretch : float
        Largest relative change of size.
    shift : float
        Largest shift, as a share of the side.
    gain : float
        Standard deviation of the log of a factor on the light above the dark level.
    offset : float
        Standard deviation of what is added, as a share of the channel's range.
    blur_px : float
        Largest Gaussian sigma; half of the crops are blurred.
    noise : float
        Largest deviation of Gaussian noise, as a share of the channel's range.
    channel_dropout : float
        Chance that a channel of light is set to its dark level; one always stays.
    """

    mirror: bool = True
    quarter_turns: bool = True
    turn_deg: float = 180.0
    stretch: float = 0.15
    shift: float = 0.06
    gain: float = 0.2
    offset: float = 0.02
    blur_px: float = 0.7
    noise: float = 0.02
    channel_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("turn_deg", "stretch", "shift", "gain", "offset", "blur_px", "noise"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"augmentation {name} must be 0 or more.")
        if not 0 <= self.channel_dropout < 1:
            raise UsageError("augmentation channel_dropout must be from 0 to below 1.")
        if self.stretch >= 1:
            raise UsageError("augmentation stretch must be below 1.")

    def scaled(self, strength: float) -> AugmentSettings:
        """The changes of size and light times ``strength``; turns and mirrors stay."""
        names = ("stretch", "shift", "gain", "offset", "blur_px", "noise", "channel_dropout")
        return replace(self, **{name: getattr(self, name) * strength for name in names})


GENTLE = AugmentSettings(stretch=0.1, gain=0.15, offset=0.0, blur_px=0.0, noise=0.0)
"""Where fine structure decides, blur and noise would take away what is to be seen."""
IN_PLACE = AugmentSettings(
    turn_deg=0, stretch=0, shift=0, gain=0.1, offset=0.005, blur_px=0, noise=0
)
"""Turns by quarters and mirrors: px are moved, never blended, so noise stays as it is."""


def augment(
    raw: Tensor,
    channels: Sequence[str],
    levels: tuple[Sequence[float], Sequence[float]],
    settings: AugmentSettings,
    generator: torch.Generator,
) -> Tensor:
    """Change every crop of a batch in its own way.

    Parameters
    ----------
    raw : float Tensor N C Y X
    channels : sequence of C str
    levels : (dark, bright)
        Of each channel of light, raw units.
    settings : AugmentSettings
    generator : torch.Generator
        On the CPU; all chance comes from it.
    """
    light = [k for k, name in enumerate(channels) if not name.startswith(MASK)]
    dark = torch.tensor(levels[0], dtype=torch.float32)[:, None, None]
    span = torch.tensor(levels[1], dtype=torch.float32)[:, None, None] - dark
    moved = _move(raw, settings, generator)
    seen = (moved[:, light] - dark.to(raw.device)) / span.to(raw.device)
    seen = _light(seen, settings, generator)
    seen = seen * span.to(raw.device) + dark.to(raw.device)
    if len(light) == len(channels):
        return seen
    out = moved.clone()
    out[:, light] = seen
    return out


def _move(raw: Tensor, s: AugmentSettings, generator: torch.Generator) -> Tensor:
    n = len(raw)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    turn = uniform(-math.radians(s.turn_deg), math.radians(s.turn_deg))
    if s.quarter_turns:
        turn = turn + torch.randint(4, (n,), generator=generator) * (math.pi / 2)
    size = torch.exp(uniform(-1, 1, 2) * math.log1p(s.stretch))
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    if not s.mirror:
        flip = torch.ones(n)
    cos, sin = torch.cos(turn), torch.sin(turn)
    # Output place to input place: mirror, then stretch, then turn, then shift.
    theta = torch.stack(
        [cos * size[:, 0] * flip, -sin * size[:, 1], sin * size[:, 0] * flip, cos * size[:, 1]], 1
    ).view(n, 2, 2)
    shift = uniform(-2 * s.shift, 2 * s.shift, 2)[:, :, None]
    grid = F.affine_grid(torch.cat([theta, shift], 2), list(raw.shape), align_corners=False)
    return F.grid_sample(raw, grid.to(raw.device), padding_mode="reflection", align_corners=False)


def _light(seen: Tensor, s: AugmentSettings, generator: torch.Generator) -> Tensor:
    n, c = seen.shape[:2]

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(seen.device)

    if s.blur_px > 0:
        sigma = torch.rand(n, generator=generator) * s.blur_px
        sigma = sigma * (torch.rand(n, generator=generator) < 0.5)
        seen = _blur(seen, sigma.to(seen.device), s.blur_px)
    seen = seen * torch.exp(s.gain * normal(n, c, 1, 1)) + s.offset * normal(n, c, 1, 1)
    if s.noise > 0:
        sure = (torch.rand(n, 1, 1, 1, generator=generator) * s.noise).to(seen.device)
        seen = seen + sure * normal(*seen.shape)
    if s.channel_dropout > 0 and c > 1:
        stays = torch.rand(n, c, generator=generator) >= s.channel_dropout
        lucky = torch.randint(c, (n, 1), generator=generator)
        stays = stays.scatter(1, lucky, True)
        seen = seen * stays[:, :, None, None].to(seen.device)
    return seen


def _blur(seen: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """A Gaussian of each crop's own width, rows then columns; width 0 changes nothing."""
    reach = max(1, math.ceil(2.5 * largest))
    at = torch.arange(-reach, reach + 1, device=seen.device)
    kernel = torch.exp(-0.5 * (at / sigma.clamp_min(1e-3)[:, None]) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    n, c, height, width = seen.shape
    weight = kernel.repeat_interleave(c, 0)
    flat = seen.reshape(1, n * c, height, width)
    flat = F.conv2d(
        F.pad(flat, (0, 0, reach, reach), "replicate"), weight[:, None, :, None], groups=n * c
    )
    flat = F.conv2d(
        F.pad(flat, (reach, reach, 0, 0), "replicate"), weight[:, None, None, :], groups=n * c
    )
    return flat.reshape(n, c, height, width)
