"""What a model must be to be walked through: its logits linear in latents that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lucyte.networks.abstention import Calibration
from lucyte.networks.invertible_input import InvertibleInput
from lucyte.networks.invertible_support import LatentSupport

Floats = npt.NDArray[np.float64]


class LatentForm(Protocol):
    """Of what form latents are."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``C H W``."""


class Walked(Protocol):
    """An `InvertibleClassifier` or an `Autoencoder`, by what walking through it takes."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Named input channels in order, ``mask:...`` included."""

    @property
    def seen(self) -> InvertibleInput:
        """From raw crops to prepared ones and back."""

    @property
    def plan(self) -> LatentForm:
        """What the network is."""

    @property
    def centres(self) -> Floats:
        """Mean latent of training crops predicted each class, ``K C H W``; nan where none is."""

    @property
    def spreads(self) -> Floats:
        """Covariance of the latents' channels within each class, ``K C C``."""

    @property
    def support(self) -> LatentSupport:
        """Where training latents lie."""

    @property
    def intensity_range(self) -> Mapping[str, tuple[float, float]]:
        """Raw units seen in training, by channel."""

    @property
    def calibration(self) -> Calibration:
        """What turns logits into probabilities."""

    def encode(self, crops: npt.NDArray[Any]) -> Tensor:
        """Raw crops to latents ``N C H W``."""

    def decode(self, z: Tensor) -> Floats:
        """Latents to light in raw units, ``N C Y X``."""

    def latent_logits(self, z: Tensor) -> Floats:
        """Calibrated logits of latents."""

    def head(self) -> tuple[Floats, Floats]:
        """``A`` (K C) and ``b`` (K): uncalibrated logits are ``A z_mean + b``."""


@runtime_checkable
class Detailed(Protocol):
    """A model that remembers the detail of its classes."""

    @property
    def details(self) -> npt.NDArray[np.float32]:
        """Vectors of detail by class and zone, ``K Z M C``; empty in models of old."""

    @property
    def levels(self) -> Floats:
        """Mean broad light by class, channel and zone, ``K C Z``; empty in models of old."""
