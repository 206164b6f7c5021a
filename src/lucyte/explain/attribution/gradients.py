r"""Gradients of the score with respect to what the network sees, folded back to channels.

With :math:`x` the prepared picture, :math:`b` the prepared fill and :math:`g = \nabla s`:

.. math::
    \text{gradient} \times \text{input} &: (x - b) \odot g(x) \\
    \text{SmoothGrad} &: (x - b) \odot E_{\varepsilon \sim N(0, \sigma^2)}[g(x + \varepsilon)] \\
    \text{integrated gradients} &: (x - b) \odot \int_0^1 g(b + t (x - b))\, dt

The zero of a prepared picture is the mean of its training px and means nothing, hence
:math:`x - b` where others write :math:`x`. The planes that show a channel (linear, logarithmic) are
added up, and the sum of a map is kept when it is brought to the size of the crop. Integrated
gradients add up to :math:`s(x) - s(b)`.

References
----------
Sundararajan et al. 2017, arXiv 1703.01365. Smilkov et al. 2017, arXiv 1706.03825. Shrikumar et al.
2016, arXiv 1605.01713. Computed by captum: Kokhlikyan et al. 2020, arXiv 2009.07896.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.explain.attribution.explained import Floats, Score
from lucyte.explain.attribution.inside import channel_planes, frozen, need_differentiable
from lucyte.networks.image_classifier import turned_views
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

BATCH = 32
"""Crops at once."""
INNER = 64
"""Pictures on the way from fill to crop that are looked at together."""
Way = Callable[[Any, Tensor, Tensor, Any], Tensor]


def gradient(case: Case) -> Relevance:
    """The method ``case.method`` of `WAYS` as a row of the table of methods."""
    need_differentiable(case.score.model, case.method)
    score, way = case.fixed(), WAYS[case.method]
    settings = case.settings
    if settings.steps < 2 or settings.noise <= 0:
        raise UsageError(
            f"{case.method} needs 2 steps or more and noise above 0, got {settings.steps} and "
            f"{settings.noise:g}."
        )
    found = []
    with frozen(Turned(score)) as network:

        def ask(x: Tensor, rows: Tensor) -> Tensor:
            return score.of_tensor(network(x), rows.numpy())

        for at in range(0, len(case.crops), BATCH):
            rows = np.arange(at, min(at + BATCH, len(case.crops)))
            x, fill = case.prepared(rows), case.prepared_fill(rows)
            found.append(fold(case, way((ask, torch.from_numpy(rows)), x, fill, settings)))
    return case.found(np.concatenate(found), "score", score=score)


def input_x_gradient(asked: Any, x: Tensor, fill: Tensor, _settings: Any) -> Tensor:
    """Gradient times what the crop has more than the fill."""
    from captum.attr import InputXGradient

    ask, rows = asked
    way = InputXGradient(lambda more, fill, rows: ask(fill + more, rows))
    return _plain(way.attribute((x - fill).requires_grad_(), additional_forward_args=(fill, rows)))


def smooth_grad(asked: Any, x: Tensor, fill: Tensor, settings: Any) -> Tensor:
    """Mean gradient over noisy copies times what the crop has more than the fill."""
    from captum.attr import NoiseTunnel, Saliency

    ask, rows = asked
    # captum draws from the global generator; a fork leaves everybody else's numbers alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + int(rows[0]))
        slope = NoiseTunnel(Saliency(ask)).attribute(
            x.requires_grad_(),
            nt_type="smoothgrad",
            nt_samples=settings.steps,
            nt_samples_batch_size=max(1, INNER // len(x)),
            stdevs=settings.noise,
            abs=False,
            additional_forward_args=(rows,),
        )
    return _plain(slope) * (x.detach() - fill)


def integrated_gradients(asked: Any, x: Tensor, fill: Tensor, settings: Any) -> Tensor:
    """The mean gradient on the straight way from fill to crop, times its length."""
    from captum.attr import IntegratedGradients

    ask, rows = asked
    found = IntegratedGradients(ask).attribute(
        x.requires_grad_(),
        fill,
        additional_forward_args=(rows,),
        n_steps=settings.steps,
        method="gausslegendre",
        internal_batch_size=max(INNER, len(x)),
    )
    return _plain(found)


WAYS: dict[str, Way] = {
    "gradient_x_input": input_x_gradient,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
}
"""One per row of the table of methods."""


def Turned(score: Score) -> nn.Module:
    """The network with the views that the model averages, as one module."""
    network = score.module()
    return network if score.turns == 1 else _Turned(network, score.turns)


class _Turned(nn.Module):
    """Mean log-probabilities over turned views."""

    def __init__(self, network: nn.Module, turns: int) -> None:
        super().__init__()
        self.network = network
        self.turns = turns

    def forward(self, x: Tensor) -> Tensor:
        """Prepared pictures to answers."""
        told = [torch.log_softmax(self.network(v), dim=1) for v in turned_views(x, self.turns)]
        return torch.stack(told).mean(dim=0)


def fold(case: Case, found: Tensor) -> Floats:
    """Relevance of planes ``N P H W`` as that of channels ``N L Y X``; sums are kept.

    Raises
    ------
    UsageError
        Planes that belong to no channel.
    """
    planes = channel_planes(case.score.model)
    if sum(len(own) for own in planes.values()) != found.shape[1]:
        raise UsageError(
            f"the network sees {found.shape[1]} planes, of which "
            f"{', '.join(planes)} own {sum(len(own) for own in planes.values())}; the model must "
            "say by a method planes() which planes show which channel."
        )
    own = torch.stack([found[:, list(planes[name])].sum(dim=1) for name in case.light], dim=1)
    return np.asarray(resize_sum(own, case.crops.shape[-1]).numpy(), dtype=np.float64)


def resize_sum(maps: Tensor, side: int) -> Tensor:
    """Maps ``N L H W`` at another side; what they add up to is the same."""
    before = maps.shape[-1]
    if before == side:
        return maps
    if before > side:
        return F.adaptive_avg_pool2d(maps, side) * (before / side) ** 2
    # Enlarging favours what lies inside over the rim by a little; the rest is spread evenly.
    ratio = (before / side) ** 2
    large = F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False) * ratio
    error = maps.sum(dim=(2, 3), keepdim=True) - large.sum(dim=(2, 3), keepdim=True)
    return large + error / side**2


def _plain(found: Any) -> Tensor:
    out: Tensor = found.detach()
    return out
