r"""A chain of invertible steps, and a head that is linear in the latents.

Stages of a squeeze and blocks; every block has a normalisation (and, before a coupling, a rotation
of the channels) ahead of it. The heads look at :math:`\bar z`, the mean of :math:`z` over its
:math:`HW` places:

.. math:: \text{linear: } A\, N(\bar z) + b, \qquad
          \text{gaussian: } HW\,(\mu_y \cdot \bar z - \tfrac12 \|\mu_y\|^2)

:math:`N` divides each channel by its deviation over training crops, a running mean (batch
normalisation), and is linear too once trained. The second is :math:`\log \mathcal N(z; \mu_y, I)`
up to what all classes share. In both the border between two classes is a plane, so the nearest
latent beyond it has a closed form.

References
----------
Behrmann et al. 2019, arXiv 1811.00995. Ardizzone et al. 2020 (IB-INN), arXiv 2001.06448.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lucyte.networks.coupling import Coupling
from lucyte.networks.invertible_residual import InvertibleBlock
from lucyte.networks.invertible_steps import SQUEEZES, ActNorm, ChannelMix, ChannelPadding, Step
from lucyte.schema.errors import UsageError, unknown

FLOWS = {
    "i-resnet": "residual blocks whose branch is a contraction; undone by iteration",
    "coupling": "affine couplings and rotations of the channels; undone exactly",
    "additive": "additive couplings and rotations of the channels; keeps volume but for scales",
}
HEADS = {
    "linear": "a linear layer on the mean of the latents",
    "gaussian": "one Gaussian of unit covariance per class in the latents",
}


@dataclass(frozen=True)
class InvertiblePlan:
    """What is built.

    Attributes
    ----------
    flow : {"i-resnet", "coupling", "additive"}
    head : {"linear", "gaussian"}
    channels, px : int
        Of the prepared pictures.
    classes : int
    blocks : tuple of int
        Blocks of each stage; every stage halves the side.
    hidden : tuple of int
        Channels inside the blocks of each stage.
    padding : int
        Channels of zeros added after the first squeeze.
    bound : float
        On the norm of each convolution of an i-ResNet.
    squeeze : {"px", "haar"}
        How four px become four channels: as they are, or as a mean and three differences.
    """

    flow: str = "i-resnet"
    head: str = "linear"
    channels: int = 3
    px: int = 48
    classes: int = 2
    blocks: tuple[int, ...] = (3, 3, 3)
    hidden: tuple[int, ...] = (16, 32, 32)
    padding: int = 0
    bound: float = 0.9
    squeeze: str = "px"

    def __post_init__(self) -> None:
        if self.flow not in FLOWS:
            raise unknown("invertible network", self.flow, FLOWS)
        if self.head not in HEADS:
            raise unknown("head", self.head, HEADS)
        if self.squeeze not in SQUEEZES:
            raise unknown("squeeze", self.squeeze, SQUEEZES)
        if not self.blocks or len(self.blocks) != len(self.hidden):
            raise UsageError(
                f"blocks and hidden need one number per stage, got {self.blocks} and {self.hidden}."
            )
        step = 2 ** len(self.blocks)
        if self.px % step or self.px < step:
            near = max(step, step * round(self.px / step))
            raise UsageError(
                f"pictures of {self.px} px cannot be halved {len(self.blocks)} times; "
                f"cut crops at {near} px, or take fewer stages."
            )
        if self.padding < 0:
            raise UsageError(f"padding adds 0 or more channels, got {self.padding}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents."""
        side = self.px // 2 ** len(self.blocks)
        channels = (4 * self.channels + self.padding) * 4 ** (len(self.blocks) - 1)
        return channels, side, side

    def config(self) -> dict[str, Any]:
        """As JSON types."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def restore(cls, config: dict[str, Any]) -> InvertiblePlan:
        """What `config` wrote."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in config.items()
        }
        return cls(**values)


class Flow(Step):
    """A chain of steps, one bijection."""

    def __init__(self, plan: InvertiblePlan) -> None:
        super().__init__()
        self.steps = nn.ModuleDict()
        channels, px = plan.channels, plan.px
        for stage, (blocks, hidden) in enumerate(zip(plan.blocks, plan.hidden, strict=True), 1):
            self.steps[f"stage{stage}_squeeze"] = SQUEEZES[plan.squeeze]()
            channels, px = 4 * channels, px // 2
            if stage == 1 and plan.padding:
                self.steps["stage1_padding"] = ChannelPadding(plan.padding)
                channels += plan.padding
            for block in range(1, blocks + 1):
                name = f"stage{stage}_block{block}"
                self.steps[f"{name}_norm"] = ActNorm(channels)
                if plan.flow == "i-resnet":
                    step: Step = InvertibleBlock(channels, hidden, px, plan.bound, name)
                else:
                    self.steps[f"{name}_mix"] = ChannelMix(channels)
                    step = Coupling(channels, hidden, affine=plan.flow == "coupling")
                self.steps[name] = step
        self.steps["last_norm"] = ActNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures to latents."""
        for step in self.steps.values():
            x = step(x)
        return x

    def inverse(self, z: Tensor) -> Tensor:
        """Latents to pictures.

        Raises
        ------
        NotInverted
            A block's iteration did not come within its tolerance.
        """
        for step in reversed(list(self.steps.values())):
            undo: Any = step.inverse
            z = undo(z)
        return z

    def with_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and the sum of the steps' log-determinants."""
        total = x.new_zeros(len(x))
        for step in self.steps.values():
            each: Any = step.with_log_det
            x, part = each(x)
            total = total + part
        return x, total

    def blocks(self) -> dict[str, InvertibleBlock]:
        """Residual blocks by name; none where the flow is of couplings."""
        return {k: v for k, v in self.steps.items() if isinstance(v, InvertibleBlock)}

    def settle(self, most: int = 500) -> None:
        """Find every convolution's norm, for evaluation, in at most so many iterations."""
        for block in self.blocks().values():
            for convolution in block.convolutions:
                convolution.settle(most)  # type: ignore[operator]


class InvertibleNetwork(nn.Module):
    """A flow and its head: prepared pictures to logits.

    Attributes
    ----------
    weight : Parameter K C
        Rows of A, or the class means.
    bias : Parameter K
        b; unused by Gaussian classes.
    """

    def __init__(self, plan: InvertiblePlan) -> None:
        super().__init__()
        self.plan = plan
        self.flow = Flow(plan)
        channels, height, width = plan.shape
        self.places = height * width
        # Bounded branches move the mean of many places little; without this the head starts deaf.
        self.pooled = nn.BatchNorm1d(channels, affine=False) if plan.head == "linear" else None
        self.weight = nn.Parameter(torch.randn(plan.classes, channels) / math.sqrt(channels))
        if plan.head == "gaussian":
            with torch.no_grad():
                self.weight.mul_(1 / math.sqrt(self.places))
        self.bias = nn.Parameter(torch.zeros(plan.classes), requires_grad=plan.head == "linear")

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``N K``."""
        return self.told(self.flow(x))

    def features(self, x: Tensor) -> Tensor:
        """Latents averaged over their places, ``N C``."""
        latents: Tensor = self.flow(x)
        return latents.mean(dim=(2, 3))

    def told(self, z: Tensor) -> Tensor:
        """Logits of latents."""
        mean = z.mean(dim=(2, 3))
        if self.training and self.pooled is not None:
            normal: Tensor = self.pooled(mean)
            return normal @ self.weight.T + self.bias
        weight, bias = self.plane()
        return mean @ weight.T + bias

    def plane(self) -> tuple[Tensor, Tensor]:
        """``A`` (K C) and ``b`` (K): logits are ``A z_mean + b``, as evaluation mode has them."""
        if self.pooled is not None:
            centre: Any = self.pooled.running_mean
            spread: Any = self.pooled.running_var
            weight = self.weight / (spread + self.pooled.eps).sqrt()
            return weight, self.bias - weight @ centre
        return self.places * self.weight, -0.5 * self.places * self.weight.square().sum(1)

    def log_density(self, z: Tensor, log_det: Tensor, target: Tensor) -> Tensor:
        """Log density of pictures given their class, per dimension, ``N``.

        A linear head says nothing of density; the latents are then taken as one Gaussian.
        """
        centre = self.weight[target][:, :, None, None] if self.plan.head == "gaussian" else 0.0
        squares = (z - centre).square().flatten(1).sum(1)
        size = z[0].numel()
        return (-0.5 * squares + log_det) / size - 0.5 * math.log(2 * math.pi)

    def layers(self) -> dict[str, nn.Module]:
        """Every block, by stage."""
        steps = self.flow.steps.items()
        return {k: v for k, v in steps if isinstance(v, InvertibleBlock | Coupling)}


def build_invertible(plan: InvertiblePlan) -> InvertibleNetwork:
    """Make the network; weights come from torch's generator."""
    return InvertibleNetwork(plan)
