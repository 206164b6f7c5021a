"""Subject: what a challenge is put to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Learner, Predictor


@dataclass(frozen=True)
class Subject:
    """Cells with their units, the model that tells their states, and how such a model is made.

    Attributes
    ----------
    crops : CropSet
        Cells with labels and independent units, in raw units.
    predictor : Predictor or None
        The model at hand; without it only questions about the data can be asked.
    learner : Learner or None
        Makes such a model again; without it nothing is retrained.
    levels : mapping of str to tuple of str
        What else is known of the design, an entry per crop: plate, batch, day, position.
    places : CropSet or None
        Places without any cell.
    unseen : bool
        The model never saw these cells' units.
    file_bytes : float array N or None
        Size of the file that each crop comes from.
    """

    crops: CropSet
    predictor: Predictor | None = None
    learner: Learner | None = None
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: CropSet | None = None
    unseen: bool = False
    file_bytes: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name, values in self.levels.items():
            if len(values) != len(self.crops):
                raise UsageError(f"{name} must have one entry per crop ({len(self.crops)}).")
