"""Autoencoder: a classifier whose few first latents say the class and can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lucyte.networks.abstention import Calibration
from lucyte.networks.autoencoder_network import AutoencoderNetwork, AutoencoderPlan
from lucyte.networks.fusion import count_parameters
from lucyte.networks.image_classifier import Calibrated
from lucyte.networks.invertible_input import InvertibleInput
from lucyte.networks.invertible_support import LatentSupport
from lucyte.networks.model_folder import Card, StoredModel
from lucyte.networks.stored_weights import fill_network
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
KIND = "autoencoder"
BATCH = 128


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A variational autoencoder with a linear head on its first latents. A `Differentiable`.

    Latents are ``N L 1 1``, the form of an invertible classifier's, so counterfactuals, film
    strips and planes take either.

    Attributes
    ----------
    network : AutoencoderNetwork
        In evaluation mode.
    plan : AutoencoderPlan
    seen : InvertibleInput
    classes : tuple of str
        In the order of the logits.
    centres : float array K L 1 1
        Mean latent of the training crops that are predicted each class; nan where none is.
    spread : float array L
        Deviation of each latent over training crops.
    support : LatentSupport
        Where training latents lie.
    pixel_size_um : float or None
    intensity_range : mapping of channel to (low, high)
        Raw units seen in training.
    calibration : Calibration
    training : mapping
        What the training was, JSON types.
    """

    network: AutoencoderNetwork
    plan: AutoencoderPlan
    seen: InvertibleInput
    classes: tuple[str, ...]
    centres: Floats
    spread: Floats
    support: LatentSupport
    pixel_size_um: float | None = None
    intensity_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.classes) != self.plan.classes or len(set(self.classes)) < len(self.classes):
            raise UsageError(
                f"{self.plan.classes} different class names are needed, "
                f"got {', '.join(self.classes) or 'none'}."
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """Input channels in order, ``mask:cell`` included."""
        return self.seen.channels

    @property
    def input_px(self) -> int:
        """Side of the square crop it takes."""
        return self.seen.input_px

    @property
    def parameters(self) -> int:
        """Learned parameters of the network."""
        return count_parameters(self.network)

    @property
    def spreads(self) -> Floats:
        """A latent has one place and so no texture: zeros ``K L L``, as crossings ask."""
        return np.zeros((len(self.classes), self.plan.latents, self.plan.latents))

    def logits(self, crops: npt.NDArray[Any]) -> Floats:
        """Crops ``N C Y X`` in raw units to calibrated logits ``N x classes``.

        Raises
        ------
        UsageError
            Crops of another form.
        """
        return self.latent_logits(self.encode(crops))

    def probabilities(self, crops: npt.NDArray[Any]) -> Floats:
        """Calibrated probabilities ``N x classes``."""
        return self.calibration.probabilities(self.logits(crops))

    def answers(self, crops: npt.NDArray[Any]) -> tuple[str, ...]:
        """Class names, or "unknown" below the calibrated threshold."""
        return self.calibration.answers(self.logits(crops), self.classes)

    def embed(self, crops: npt.NDArray[Any]) -> Floats:
        """Latents ``N L``."""
        return np.asarray(self.encode(crops)[:, :, 0, 0].numpy(), dtype=np.float64)

    def encode(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to mean latents ``N L 1 1``."""
        self.seen.check(crops)
        found = [torch.zeros((0, self.plan.latents))]
        with torch.inference_mode():
            for at in range(0, len(crops), BATCH):
                found.append(self.network.encode(self.prepare(crops[at : at + BATCH]))[0])
        return torch.cat(found).clone()[:, :, None, None]

    def planes_of(self, z: Tensor) -> Tensor:
        """Latents ``N L 1 1`` to prepared planes ``N P H W``."""
        if z.shape[1:] != (self.plan.latents, 1, 1):
            raise UsageError(
                f"latents of this model are N x {self.plan.latents} x 1 x 1, "
                f"got shape {tuple(z.shape)}."
            )
        found = [torch.zeros((0, self.plan.channels, self.plan.px, self.plan.px))]
        with torch.inference_mode():
            for at in range(0, len(z), BATCH):
                found.append(self.network.decode(z[at : at + BATCH, :, 0, 0].float()))
        return torch.cat(found).clone()

    def decode(self, z: Tensor) -> Floats:
        """Latents to light in raw units, ``N C Y X`` with the channels of light; not clipped."""
        return np.asarray(self.seen.undo(self.planes_of(z)).numpy(), dtype=np.float64)

    def latent_logits(self, z: Tensor) -> Floats:
        """Calibrated logits of latents."""
        weight, bias = self.head()
        told = z[:, :, 0, 0].double().numpy() @ weight.T + bias
        return np.asarray(told / self.calibration.temperature, dtype=np.float64)

    def head(self) -> tuple[Floats, Floats]:
        """``A`` (K L) and ``b`` (K): uncalibrated logits are ``A z + b``; 0 beyond the first."""
        weight = np.zeros((len(self.classes), self.plan.latents))
        weight[:, : self.plan.told] = self.network.head.weight.detach().double().numpy()
        return weight, self.network.head.bias.detach().double().numpy()

    def module(self) -> nn.Module:
        """The encoder and head with their temperature, on prepared input."""
        return Calibrated(self.network.eval(), self.calibration.temperature)

    def prepare(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to the tensor that ``module()`` takes."""
        return self.seen.prepare(self.seen.tensor(crops))

    def layers(self) -> Mapping[str, nn.Module]:
        """Maps of the encoder that attribution may look at."""
        return self.network.layers()

    def planes(self) -> Mapping[str, tuple[int, ...]]:
        """Which plane of the prepared input shows each channel of light."""
        return {name: (k,) for k, name in enumerate(self.seen.light)}

    def store(self, card: Card) -> StoredModel:
        """Take apart for a model folder; ranges and normalisation are written into the card."""
        state = self.network.state_dict()
        return StoredModel(
            kind=KIND,
            architecture=self.describe(),
            classes=self.classes,
            channels=self.channels,
            input_px=self.input_px,
            pixel_size_um=self.pixel_size_um,
            config={
                "plan": self.plan.config(),
                "seen": self.seen.config(),
                "calibration": asdict(self.calibration),
                "training": dict(self.training),
            },
            arrays={
                **{f"network.{name}": value.numpy() for name, value in state.items()},
                "centres": self.centres,
                "spread": self.spread,
                **self.support.arrays(),
            },
            card=replace(
                card,
                intensity_range=dict(card.intensity_range or self.intensity_range),
                normalisation="training, shown log, undone exactly",
            ),
        )

    @classmethod
    def restore(cls, stored: StoredModel) -> Autoencoder:
        """Put back together from a model folder.

        Raises
        ------
        UsageError
            Arrays that do not fit the network that the settings describe.
        """
        plan = AutoencoderPlan.restore(dict(stored.config["plan"]))
        network = AutoencoderNetwork(plan)
        arrays = {name: np.array(value) for name, value in stored.arrays.items()}
        fill_network(network, arrays, "this autoencoder", "network.")
        return cls(
            network.eval(),
            plan,
            InvertibleInput.restore(dict(stored.config["seen"])),
            stored.classes,
            arrays["centres"],
            arrays["spread"],
            LatentSupport.restore(arrays),
            stored.pixel_size_um,
            dict(stored.card.intensity_range),
            Calibration(**stored.config["calibration"]),
            dict(stored.config["training"]),
        )

    def describe(self) -> str:
        """The network in words."""
        return (
            f"autoencoder, {self.plan.latents} latents, class in the first {self.plan.told}, "
            f"{self.parameters:,} parameters"
        )
