"""InvertibleClassifier: a network whose decision can be walked across and undone into a picture."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lucyte.networks.abstention import Calibration
from lucyte.networks.fusion import count_parameters
from lucyte.networks.image_classifier import Calibrated
from lucyte.networks.invertible_input import InvertibleInput
from lucyte.networks.invertible_network import (
    InvertibleNetwork,
    InvertiblePlan,
    build_invertible,
)
from lucyte.networks.invertible_support import LatentSupport
from lucyte.networks.model_folder import Card, StoredModel
from lucyte.networks.stored_weights import fill_network
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
KIND = "invertible-classifier"
BATCH = 64
NO_DETAIL = np.zeros((0, 0, 0, 0), dtype=np.float32)
NO_LEVELS = np.zeros((0, 0, 0))


@dataclass(frozen=True, eq=False)
class InvertibleClassifier:
    """An invertible network of images with all it needs inside. A `Differentiable`.

    Attributes
    ----------
    network : InvertibleNetwork
        In evaluation mode, norms settled.
    plan : InvertiblePlan
    seen : InvertibleInput
    classes : tuple of str
        In the order of the logits.
    centres : float array K C H W
        Mean latent of the training crops that are predicted each class; nan where none is.
    spreads : float array K C C
        Covariance of the latents' channels around that mean and each crop's own, over all places.
    support : LatentSupport
        Where training latents lie.
    details : float32 array K Z M C
        Detail of training crops that are predicted each class, by zone; see
        `lucyte.networks.invertible_detail`. Empty in models made before it was kept.
    pixel_size_um : float or None
    intensity_range : mapping of channel to (low, high)
        Raw units seen in training.
    calibration : Calibration
    training : mapping
        What the training was, JSON types.
    precision : {"double", "single"}
        Of `encode` and `decode`.
    levels : float array K C Z
        Mean broad light of those crops by class, channel and zone. Empty in models made before it
        was kept.
    """

    network: InvertibleNetwork
    plan: InvertiblePlan
    seen: InvertibleInput
    classes: tuple[str, ...]
    centres: Floats
    spreads: Floats
    support: LatentSupport
    details: npt.NDArray[np.float32] = field(default_factory=lambda: NO_DETAIL)
    pixel_size_um: float | None = None
    intensity_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    training: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "double"
    levels: Floats = field(default_factory=lambda: NO_LEVELS)
    _working: dict[str, InvertibleNetwork] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.classes) != self.plan.classes or len(set(self.classes)) < len(self.classes):
            raise UsageError(
                f"{self.plan.classes} different class names are needed, "
                f"got {', '.join(self.classes) or 'none'}."
            )
        if self.precision not in ("double", "single"):
            raise unknown("precision", self.precision, ("double", "single"))

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

    def logits(self, crops: npt.NDArray[Any]) -> Floats:
        """Crops ``N C Y X`` in raw units to calibrated logits ``N x classes``.

        Raises
        ------
        UsageError
            Crops of another form.
        """
        self.seen.check(crops)
        found = [np.zeros((0, len(self.classes)))]
        network = self.network.eval()
        with torch.inference_mode():
            for at in range(0, len(crops), BATCH):
                found.append(network(self.prepare(crops[at : at + BATCH])).numpy())
        return np.concatenate(found).astype(np.float64) / self.calibration.temperature

    def probabilities(self, crops: npt.NDArray[Any]) -> Floats:
        """Calibrated probabilities ``N x classes``."""
        return self.calibration.probabilities(self.logits(crops))

    def answers(self, crops: npt.NDArray[Any]) -> tuple[str, ...]:
        """Class names, or "unknown" below the calibrated threshold."""
        return self.calibration.answers(self.logits(crops), self.classes)

    def embed(self, crops: npt.NDArray[Any]) -> Floats:
        """Latents averaged over their places, ``N F``."""
        return np.asarray(self.encode(crops).mean(dim=(2, 3)).numpy(), dtype=np.float64)

    def encode(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to latents ``N C H W``, in the precision of the inverse."""
        self.seen.check(crops)
        network, kind = self._exact()
        found = [torch.zeros((0, *self.plan.shape), dtype=kind)]
        with torch.inference_mode():
            for at in range(0, len(crops), BATCH):
                raw = torch.from_numpy(np.asarray(crops[at : at + BATCH]).astype(np.float64))
                found.append(network.flow(self.seen.prepare(raw.to(kind))))
        return torch.cat(found).clone()

    def planes_of(self, z: Tensor) -> Tensor:
        """Latents to prepared planes ``N P H W``: the inverse of the network.

        Raises
        ------
        NotInverted
            A block's iteration did not come within its tolerance; says which, and its norm.
        """
        if z.shape[1:] != self.plan.shape:
            raise UsageError(
                f"latents of this model are N x {' x '.join(map(str, self.plan.shape))}, "
                f"got shape {tuple(z.shape)}."
            )
        network, kind = self._exact()
        found = [torch.zeros((0, self.plan.channels, self.plan.px, self.plan.px), dtype=kind)]
        with torch.inference_mode():
            for at in range(0, len(z), BATCH):
                found.append(network.flow.inverse(z[at : at + BATCH].to(kind)))
        return torch.cat(found).clone()

    def decode(self, z: Tensor) -> Floats:
        """Latents to light in raw units, ``N C Y X`` with the channels of light; not clipped."""
        return np.asarray(self.seen.undo(self.planes_of(z)).numpy(), dtype=np.float64)

    def latent_logits(self, z: Tensor) -> Floats:
        """Calibrated logits of latents."""
        network, kind = self._exact()
        with torch.inference_mode():
            told = network.told(z.to(kind)).numpy()
        return np.asarray(told, dtype=np.float64) / self.calibration.temperature

    def head(self) -> tuple[Floats, Floats]:
        """``A`` (K C) and ``b`` (K): uncalibrated logits are ``A z_mean + b``."""
        weight, bias = self._exact()[0].plane()
        return weight.detach().double().numpy(), bias.detach().double().numpy()

    def module(self) -> nn.Module:
        """The network with its temperature, on prepared input."""
        return Calibrated(self.network.eval(), self.calibration.temperature)

    def prepare(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to the tensor that ``module()`` takes."""
        return self.seen.prepare(self.seen.tensor(crops))

    def layers(self) -> Mapping[str, nn.Module]:
        """Blocks by stage that attribution may look at."""
        return self.network.layers()

    def planes(self) -> Mapping[str, tuple[int, ...]]:
        """Which plane of the prepared input shows each channel of light."""
        return {name: (k,) for k, name in enumerate(self.seen.light)}

    def _exact(self) -> tuple[InvertibleNetwork, torch.dtype]:
        if self.precision == "single":
            return self.network.eval(), torch.float32
        if "double" not in self._working:
            self._working["double"] = copy.deepcopy(self.network).double().eval()
        return self._working["double"], torch.float64

    def store(self, card: Card) -> StoredModel:
        """Take apart for a model folder; ranges and normalisation are written into the card."""
        state = self.network.state_dict()
        arrays = {f"network.{name}": value.numpy() for name, value in state.items()}
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
                **arrays,
                "centres": self.centres,
                "spreads": self.spreads,
                "details": self.details,
                "levels": self.levels,
                **self.support.arrays(),
            },
            card=replace(
                card,
                intensity_range=dict(card.intensity_range or self.intensity_range),
                normalisation="training, shown log, undone exactly"
                + (", less the crop's own background" if self.seen.subtracts else ""),
            ),
        )

    @classmethod
    def restore(cls, stored: StoredModel) -> InvertibleClassifier:
        """Put back together from a model folder.

        Raises
        ------
        UsageError
            Arrays that do not fit the network that the settings describe.
        """
        plan = InvertiblePlan.restore(dict(stored.config["plan"]))
        network = build_invertible(plan)
        arrays = {name: np.array(value) for name, value in stored.arrays.items()}
        fill_network(network, arrays, repr(plan.flow), "network.")
        return cls(
            network.eval(),
            plan,
            InvertibleInput.restore(dict(stored.config["seen"])),
            stored.classes,
            arrays["centres"],
            arrays["spreads"],
            LatentSupport.restore(arrays),
            arrays.get("details", NO_DETAIL),
            stored.pixel_size_um,
            dict(stored.card.intensity_range),
            Calibration(**stored.config["calibration"]),
            dict(stored.config["training"]),
            levels=arrays.get("levels", NO_LEVELS),
        )

    def describe(self) -> str:
        """The network in words."""
        blocks = "-".join(map(str, self.plan.blocks))
        return f"{self.plan.flow} {blocks}, {self.plan.head} head, {self.parameters:,} parameters"
