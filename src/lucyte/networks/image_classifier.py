"""ImageClassifier: a network that tells classes of raw crops, with all it needs inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lucyte.networks.abstention import Calibration
from lucyte.networks.classifier_engine import start_classifier
from lucyte.networks.engine import ENGINES, Answer
from lucyte.networks.fusion import Fused, NetworkPlan, build_network, count_parameters
from lucyte.networks.image_input import ImageInput
from lucyte.networks.model_folder import Card, StoredModel
from lucyte.networks.stored_weights import fill_network
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
KIND = "image-classifier"
BATCH = 512
"""Crops prepared at once; bounds the memory."""
TURNS = (1, 4, 8)


@dataclass(frozen=True, eq=False)
class ImageClassifier:
    """A network of images with preprocessing, calibration and engine. A `Differentiable`.

    Attributes
    ----------
    network : Branch or LateFusion
        Prepared pictures to uncalibrated logits; in evaluation mode.
    plan : NetworkPlan
    seen : ImageInput
    classes : tuple of str
        In the order of the logits.
    pixel_size_um : float or None
    intensity_range : mapping of channel to (low, high)
        Raw units seen in training.
    calibration : Calibration
    turns : {1, 4, 8}
        Views that are averaged (log-probabilities): as it is, quarter turns, and mirrored.
    training : mapping
        What the training was, JSON types: epochs, seconds, validation.
    engine, device : str
        See `start_classifier`.
    """

    network: Fused
    plan: NetworkPlan
    seen: ImageInput
    classes: tuple[str, ...]
    pixel_size_um: float | None = None
    intensity_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    turns: int = 1
    training: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "torch"
    device: str = "cpu"
    _running: dict[str, Answer] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        # One layout of the weights for fresh, trained and restored models: equal answers to a bit.
        network: Any = self.network
        network.to(memory_format=torch.channels_last)
        if len(self.classes) != self.plan.outputs or len(set(self.classes)) < len(self.classes):
            raise UsageError(
                f"{self.plan.outputs} different class names are needed, "
                f"got {', '.join(self.classes) or 'none'}."
            )
        if self.turns not in TURNS:
            raise UsageError(f"turns must be 1, 4 or 8, got {self.turns}.")
        if self.engine not in ENGINES:
            raise unknown("engine", self.engine, ENGINES)

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
        parts = [
            self.logits_of_prepared(self.prepare(crops[at : at + BATCH]))
            for at in range(0, len(crops), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def logits_of_prepared(self, x: Tensor) -> Floats:
        """Calibrated logits ``N x classes`` of what `prepare` made, by the model's engine."""
        total: Any = 0.0
        for view in turned_views(x, self.turns):
            logits = torch.from_numpy(self._answer(view))
            total = total + (torch.log_softmax(logits, 1) if self.turns > 1 else logits)
        mean = np.asarray(total.numpy() / self.turns, dtype=np.float64)
        return mean / self.calibration.temperature

    def probabilities(self, crops: npt.NDArray[Any]) -> Floats:
        """Calibrated probabilities ``N x classes``."""
        return self.calibration.probabilities(self.logits(crops))

    def answers(self, crops: npt.NDArray[Any]) -> tuple[str, ...]:
        """Class names, or "unknown" below the calibrated threshold."""
        return self.calibration.answers(self.logits(crops), self.classes)

    def embed(self, crops: npt.NDArray[Any]) -> Floats:
        """Pooled features ``N F`` ahead of the head, by torch."""
        self.seen.check(crops)
        network = self.network.to("cpu").eval()
        found = []
        with torch.inference_mode():
            for at in range(0, len(crops), 128):
                x = self.prepare(crops[at : at + 128])
                found.append(network.features(x).float().numpy())
        return np.concatenate(found).astype(np.float64) if found else np.zeros((0, 0))

    def module(self) -> nn.Module:
        """The network with its temperature, on prepared input; on the CPU, evaluation mode."""
        return Calibrated(self.network.to("cpu").eval(), self.calibration.temperature)

    def prepare(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to the tensor that ``module()`` takes."""
        return self.seen.prepare(self.seen.tensor(crops))

    def layers(self) -> Mapping[str, nn.Module]:
        """Layers attribution may look at, ``channel/stage`` where channels have own encoders."""
        return self.network.layers()

    def planes(self) -> Mapping[str, tuple[int, ...]]:
        """Which planes of the prepared input show each channel of light."""
        per = self.seen.planes_per_channel
        light = self.seen.light
        return {name: tuple(range(k * per, (k + 1) * per)) for k, name in enumerate(light)}

    def with_engine(self, engine: str, device: str = "cpu") -> ImageClassifier:
        """The same model on another engine; compiled at first use."""
        return replace(self, engine=engine, device=device, _running={})

    def _answer(self, x: Tensor) -> npt.NDArray[np.float32]:
        if "answer" not in self._running:
            px = self.seen.network_px
            self._running["answer"] = start_classifier(
                self.network, x.shape[1], px, self.engine, self.device
            )
        return self._running["answer"](x.numpy())

    def store(self, card: Card) -> StoredModel:
        """Take apart for a model folder; ranges and normalisation are written into the card."""
        state = self.network.to("cpu").state_dict()
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
                "turns": self.turns,
                "training": dict(self.training),
            },
            arrays={name: value.numpy() for name, value in state.items()},
            card=replace(
                card,
                intensity_range=dict(card.intensity_range or self.intensity_range),
                normalisation=f"{self.seen.normalisation}, shown {self.seen.views}"
                + (", less the crop's own background" if self.seen.subtracts else ""),
            ),
        )

    @classmethod
    def restore(cls, stored: StoredModel) -> ImageClassifier:
        """Put back together from a model folder.

        Raises
        ------
        UsageError
            Arrays that do not fit the network that the settings describe.
        """
        plan = NetworkPlan.restore(stored.config["plan"])
        network = build_network(plan)
        fill_network(network, stored.arrays, repr(plan.encoder))
        return cls(
            network.eval(),
            plan,
            ImageInput.restore(stored.config["seen"]),
            stored.classes,
            stored.pixel_size_um,
            dict(stored.card.intensity_range),
            Calibration(**stored.config["calibration"]),
            int(stored.config["turns"]),
            dict(stored.config["training"]),
        )

    def describe(self) -> str:
        """The network in words."""
        return f"{self.plan.encoder}, fusion {self.plan.form}, {self.parameters:,} parameters"


class Calibrated(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, x: Tensor) -> Tensor:
        """Calibrated logits."""
        found: Tensor = self.network(x)
        return found / self.temperature


def turned_views(x: Tensor, turns: int) -> Sequence[Tensor]:
    """The picture, its quarter turns, and those of its mirror image."""
    views = [torch.rot90(x, k, (2, 3)) for k in range(4 if turns > 1 else 1)]
    if turns == 8:
        views += [view.flip(3) for view in views]
    return [view.contiguous() for view in views]
