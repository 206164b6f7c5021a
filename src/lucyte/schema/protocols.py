"""What a model is to the rest of Lucyte. Stages receive these; only the pipeline makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

MASK_CHANNEL = "mask:cell"
"""Name of an input channel that holds the object's own mask (0 or 1), not light.

A predictor on features needs it (measure inside the mask, then the model). Perturbations of the
image leave channels whose name starts with ``mask:`` untouched.
"""


@runtime_checkable
class Predictor(Protocol):
    """Anything that gives class logits for crops. Preprocessing is inside, never the caller's."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Named input channels in order, ``mask:...`` included."""

    @property
    def pixel_size_um(self) -> float | None:
        """Pixel size it was made for; None where unknown."""

    @property
    def input_px(self) -> int:
        """Side of the square crop it takes."""

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Crops ``N C Y X`` in raw units to logits ``N x classes``."""


@runtime_checkable
class Differentiable(Predictor, Protocol):
    """A Predictor that lets one look inside."""

    def module(self) -> Any:
        """The torch module on prepared input."""

    def prepare(self, crops: npt.NDArray[Any]) -> Any:
        """Raw crops to the tensor that ``module()`` takes."""

    def layers(self) -> Mapping[str, Any]:
        """Named layers that attribution may look at."""


@runtime_checkable
class Learner(Protocol):
    """Makes a Predictor; evidence retrains with it."""

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> Predictor:
        """Fit on crops ``N C Y X`` in raw units; ``groups`` stay together in inner splits."""
