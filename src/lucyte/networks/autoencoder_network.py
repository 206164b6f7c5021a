r"""A small variational autoencoder of crops whose first latents carry the class, linearly.

.. math:: \mu, \log \sigma^2 = E(x), \qquad z = \mu + \sigma \epsilon, \qquad \hat x = D(z),
          \qquad \ell = W z_{1 \dots K} + b

Three convolutions halve the picture, three enlarge it again. Normalisation is over batches: over
the planes of one crop it would take away how bright that crop is. Beside the smallest map the
latents see the mean of every map over its places: how much of something there is, wherever it is.

References
----------
Kingma and Welling 2014, arXiv 1312.6114. Shi et al. 2016, doi 10.1109/CVPR.2016.207 (px laid out
from planes).
Rotem et al. 2024 (DISCOVER: the first latents carry the score), doi 10.1038/s41467-024-51136-9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.schema.errors import UsageError

SMALLEST_PX = 16
CALMEST = -8.0
"""Lowest and, negated, highest logarithm of a latent's variance."""


@dataclass(frozen=True)
class AutoencoderPlan:
    """What the network is.

    Attributes
    ----------
    channels, px, classes : int
        Planes and side of prepared crops; classes told apart.
    latents, told : int
        Latents, and how many of them, the first ones, the class is read from.
    widths : tuple of int
        Planes at 1/2, 1/4 and 1/8 of the size.
    dense : int
        Width between the smallest map and the latents.
    """

    channels: int
    px: int
    classes: int
    latents: int = 32
    told: int = 4
    widths: tuple[int, ...] = (16, 32, 64)
    dense: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.told <= self.latents:
            raise UsageError(
                f"the class is read from 1 to {self.latents} latents (all), got {self.told}."
            )
        if self.px < SMALLEST_PX:
            raise UsageError(f"an autoencoder takes crops from {SMALLEST_PX} px, got {self.px}.")
        if not self.widths or min(self.widths) < 1:
            raise UsageError(f"widths are one number or more, each above 0, got {self.widths}.")

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the picture and of each smaller map."""
        found = [self.px]
        for _ in self.widths:
            found.append((found[-1] + 1) // 2)
        return tuple(found)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the latents, as an invertible network's: channels and a single place."""
        return (self.latents, 1, 1)

    def config(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def restore(cls, config: Mapping[str, Any]) -> AutoencoderPlan:
        """What `config` wrote."""
        return cls(**{**config, "widths": tuple(config["widths"])})


class AutoencoderNetwork(nn.Module):
    """Encoder, decoder and head; prepared planes ``N P H W`` to logits of the mean latents."""

    def __init__(self, plan: AutoencoderPlan) -> None:
        super().__init__()
        self.plan = plan
        planes = (plan.channels, *plan.widths)
        last = plan.widths[-1] * plan.sides[-1] ** 2
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, 2, 2), nn.BatchNorm2d(b), nn.SiLU())
            for a, b in pairwise(planes)
        )
        self.inwards = nn.Sequential(nn.Linear(last + sum(plan.widths), plan.dense), nn.SiLU())
        self.mean = nn.Linear(plan.dense, plan.latents)
        self.log_variance = nn.Linear(plan.dense, plan.latents)
        self.outwards = nn.Sequential(
            nn.Linear(plan.latents, plan.dense), nn.SiLU(), nn.Linear(plan.dense, last), nn.SiLU()
        )
        wide = plan.widths[::-1]
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 1, 1), nn.BatchNorm2d(b), nn.SiLU())
            for a, b in pairwise(wide)
        )
        # Four planes per channel at half the size, laid out as px: on a CPU a layer at full size
        # costs more than all the others.
        self.paint = nn.Conv2d(plan.widths[0], 4 * plan.channels, 3, 1, 1)
        self.head = nn.Linear(plan.told, plan.classes)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latents, ``N L`` each."""
        means = []
        for step in self.down:
            x = step(x)
            means.append(x.mean((2, 3)))
        inner = self.inwards(torch.cat([x.flatten(1), *means], 1))
        return self.mean(inner), self.log_variance(inner).clamp(CALMEST, -CALMEST)

    def decode(self, z: Tensor) -> Tensor:
        """Latents ``N L`` to prepared planes ``N P H W``."""
        side = self.plan.sides
        x = self.outwards(z).unflatten(1, (self.plan.widths[-1], side[-1], side[-1]))
        for step, size in zip(self.up, side[-2:0:-1], strict=True):
            x = step(F.interpolate(x, size=(size, size), mode="nearest"))
        painted = F.pixel_shuffle(self.paint(x), 2)[:, :, : self.plan.px, : self.plan.px]
        # Twice the mean of 2 x 2: the pattern of every other px that laid out planes leave goes.
        around = F.pad(painted, (1, 1, 1, 1), mode="replicate")
        return F.avg_pool2d(F.avg_pool2d(around, 2, 1), 2, 1)

    def told(self, z: Tensor) -> Tensor:
        """Uncalibrated logits ``N K``: the first latents, linearly."""
        logits: Tensor = self.head(z[:, : self.plan.told])
        return logits

    def features(self, x: Tensor) -> Tensor:
        """Mean latents ``N L`` of prepared planes."""
        return self.encode(x)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Logits of prepared planes."""
        return self.told(self.encode(x)[0])

    def layers(self) -> Mapping[str, nn.Module]:
        """Maps of the encoder, by their share of the size."""
        return {f"down{2 ** (k + 1)}": step for k, step in enumerate(self.down)}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Nats per crop and latent from the standard normal, ``N L``.

    .. math:: \tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def off_diagonal(mean: Tensor) -> Tensor:
    """Mean squared covariance of different latents over a batch ``N L``; 0 for one latent."""
    centred = mean - mean.mean(0)
    covariance = centred.T @ centred / max(len(mean) - 1, 1)
    rest = covariance - torch.diag(torch.diagonal(covariance))
    return rest.square().sum() / max(mean.shape[1] * (mean.shape[1] - 1), 1)
