r"""Fusion: where the channels of a picture meet.

======================  ==========================================================================
``single:<channel>``    one encoder that sees one channel
``early``               one encoder that sees all channels
``intermediate``        one encoder per channel; pooled features side by side, then a dense layer
``late``                one whole classifier per channel; :math:`p = \sum_c w_c\, p_c` with
                        :math:`w` on the simplex, learned on validation samples
======================  ==========================================================================

References
----------
Data fusion of organelles for the classification of cancer cells, HISS 2026,
doi 10.1007/s13755-025-00425-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lucyte.networks.encoders import Encoder, build_encoder
from lucyte.schema.errors import UsageError, unknown

FORMS = ("early", "intermediate", "late", "single:<channel>")


@dataclass(frozen=True)
class NetworkPlan:
    """All that is needed to build the network again.

    Attributes
    ----------
    form : str
        One of `FORMS`.
    encoder : str
    channels : tuple of str
        Channels of light, in the order of the planes.
    planes_per_channel : int
    px : int
        Side of the prepared pictures.
    outputs : int
        Classes.
    width : int or None
        None is the encoder's own.
    dense : int
        Units of the layer between features and classes; 0 for none.
    dropout : float
    """

    form: str
    encoder: str
    channels: tuple[str, ...]
    planes_per_channel: int
    px: int
    outputs: int
    width: int | None = None
    dense: int = 0
    dropout: float = 0.3

    def __post_init__(self) -> None:
        used_channels(self.form, self.channels)
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout must be from 0 to below 1, got {self.dropout}.")
        if self.outputs < 2:
            raise UsageError(f"a classifier needs two classes or more, got {self.outputs}.")

    def config(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def restore(cls, config: Mapping[str, Any]) -> NetworkPlan:
        """What `config` wrote."""
        return cls(**{**config, "channels": tuple(config["channels"])})


def used_channels(form: str, channels: Sequence[str]) -> tuple[str, ...]:
    """The channels of light that a form looks at.

    Raises
    ------
    UsageError
        An unknown form or channel.
    """
    if form.startswith("single:"):
        name = form.removeprefix("single:")
        if name not in channels:
            raise unknown("channel", name, channels, f"Of the fusion form {form!r}.")
        return (name,)
    if form not in FORMS[:3]:
        raise unknown("fusion form", form, FORMS)
    return tuple(channels)


class Branch(nn.Module):
    """Encoders side by side, their features joined, and the head on top."""

    def __init__(self, encoders: Sequence[tuple[str, Encoder, tuple[int, ...]]], plan: NetworkPlan):
        super().__init__()
        self.names = [name for name, _, _ in encoders]
        self.encoders = nn.ModuleList([encoder for _, encoder, _ in encoders])
        self.planes = [list(planes) for _, _, planes in encoders]
        self.everything = plan.planes_per_channel * len(plan.channels)
        features = sum(encoder.features for _, encoder, _ in encoders)
        parts: list[nn.Module] = [nn.Dropout(plan.dropout)]
        if plan.dense:
            parts += [nn.Linear(features, plan.dense), nn.ReLU(), nn.Dropout(plan.dropout)]
        self.head = nn.Sequential(*parts, nn.Linear(plan.dense or features, plan.outputs))

    def features(self, x: Tensor) -> Tensor:
        """Pooled features ``N F``, encoders side by side."""
        found = []
        for encoder, planes in zip(self.encoders, self.planes, strict=True):
            own = x if len(planes) == self.everything else x[:, planes]
            found.append(encoder(own))
        return torch.cat(found, dim=1) if len(found) > 1 else found[0]

    def forward(self, x: Tensor) -> Tensor:
        """Prepared pictures ``N P H W`` to logits ``N K``."""
        return self.of_features([self.features(x)])

    def of_features(self, features: Sequence[Tensor]) -> Tensor:
        """Logits of what `features` gave; its one item."""
        logits: Tensor = self.head(features[0])
        return logits

    def layers(self) -> dict[str, nn.Module]:
        """Layers for attribution; ``channel/stage`` where channels have encoders of their own."""
        return {
            (f"{name}/{layer}" if name else layer): module
            for name, encoder in zip(self.names, self.encoders, strict=True)
            for layer, module in encoder.layers().items()  # type: ignore[operator]
        }


class LateFusion(nn.Module):
    """A classifier per channel; their probabilities are averaged with weights.

    Attributes
    ----------
    weights : Tensor C
        At least 0, adding up to 1; a buffer, set by `set_weights`.
    """

    weights: Tensor

    def __init__(self, names: Sequence[str], branches: Sequence[Branch]) -> None:
        super().__init__()
        self.names = list(names)
        self.branches = nn.ModuleList(branches)
        self.register_buffer("weights", torch.full((len(names),), 1 / len(names)))

    def forward(self, x: Tensor) -> Tensor:
        """Prepared pictures ``N P H W`` to logits ``N K``: logs of the mixed probabilities."""
        return self.of_features([b.features(x) for b in self.branches])  # type: ignore[operator]

    def of_features(self, features: Sequence[Tensor]) -> Tensor:
        """Logits of the pooled features of each branch."""
        logits = [b.head(f) for b, f in zip(self.branches, features, strict=True)]  # type: ignore[operator]
        told = torch.stack([torch.softmax(each.float(), 1) for each in logits], dim=1)
        return torch.log((told * self.weights[None, :, None]).sum(dim=1).clamp_min(1e-12))

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of all branches, side by side."""
        return torch.cat([b.features(x) for b in self.branches], dim=1)  # type: ignore[operator]

    def set_weights(self, weights: Sequence[float]) -> None:
        """Take the weights of the channels."""
        if len(weights) != len(self.names) or min(weights) < 0 or abs(sum(weights) - 1) > 1e-4:
            raise UsageError(
                f"late fusion of {len(self.names)} channels needs as many weights from 0, adding "
                f"up to 1; got {', '.join(f'{w:g}' for w in weights)}."
            )
        self.weights.copy_(torch.tensor(list(weights)))

    def layers(self) -> dict[str, nn.Module]:
        """Layers for attribution, ``channel/stage``."""
        return {
            f"{name}/{layer}": module
            for name, branch in zip(self.names, self.branches, strict=True)
            for layer, module in branch.layers().items()  # type: ignore[operator]
        }


Fused = Branch | LateFusion


def build_network(plan: NetworkPlan, weights: str | None = None) -> Fused:
    """The network of a plan, fresh or with pretrained encoders.

    Parameters
    ----------
    plan : NetworkPlan
    weights : str, optional
        For every encoder; see `build_encoder`.
    """
    per = plan.planes_per_channel
    at = {name: tuple(range(k * per, (k + 1) * per)) for k, name in enumerate(plan.channels)}

    def encoder(planes: int) -> Encoder:
        return build_encoder(plan.encoder, planes, plan.px, width=plan.width, weights=weights)

    used = used_channels(plan.form, plan.channels)
    if plan.form == "intermediate":
        return Branch([(name, encoder(per), at[name]) for name in used], plan)
    if plan.form == "late":
        return LateFusion(used, [Branch([("", encoder(per), at[name])], plan) for name in used])
    seen = tuple(plane for name in used for plane in at[name])
    return Branch([("", encoder(len(seen)), seen)], plan)


def count_parameters(network: nn.Module) -> int:
    """Parameters that are learned."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
