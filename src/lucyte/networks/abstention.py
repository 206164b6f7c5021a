"""Answers with a calibrated "unknown": temperature and threshold, applied alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Calibration:
    """What turns a network's logits into probabilities, and when to say nothing.

    Attributes
    ----------
    temperature : float
        Logits are divided by it.
    threshold : float
        An answer whose probability is below is "unknown"; 0 always answers.
    wanted_error, error, coverage : float or None
        What was asked for on held-out samples, and what came: share of wrong answers among those
        given, and share of samples answered.
    n, groups : int
        Held-out samples and groups it was read from; 0 where it was not.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    wanted_error: float | None = None
    error: float | None = None
    coverage: float | None = None
    n: int = 0
    groups: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise UsageError(f"a temperature must be above 0, got {self.temperature}.")
        if self.threshold < 0:
            raise UsageError(f"a threshold must be 0 or more, got {self.threshold}.")

    def probabilities(self, logits: Floats) -> Floats:
        """Probabilities of calibrated or raw logits alike: pass raw ones only once.

        Parameters
        ----------
        logits : float array N K
            Already divided by the temperature.
        """
        told: Floats = softmax(logits, axis=1)
        return told

    def answers(self, logits: Floats, classes: Sequence[str]) -> tuple[str, ...]:
        """Class of each row, or "unknown" below the threshold; logits divided already."""
        told = self.probabilities(logits)
        best, sure = told.argmax(axis=1), told.max(axis=1)
        return tuple(
            classes[k] if p >= self.threshold else UNKNOWN for k, p in zip(best, sure, strict=True)
        )
