"""Subject: what a challenge is put to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lucyte.learn.splits import even_sample
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
    assumed : tuple of str
        What was assumed in making the crops (masks that were estimated); goes with every Finding.
    """

    crops: CropSet
    predictor: Predictor | None = None
    learner: Learner | None = None
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: CropSet | None = None
    unseen: bool = False
    file_bytes: npt.NDArray[np.float64] | None = None
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, values in self.levels.items():
            if len(values) != len(self.crops):
                raise UsageError(f"{name} must have one entry per crop ({len(self.crops)}).")
        if self.file_bytes is not None and len(self.file_bytes) != len(self.crops):
            raise UsageError(f"file sizes must have one entry per crop ({len(self.crops)}).")

    def take(self, index: npt.ArrayLike) -> Subject:
        """The crops at these positions, or where this boolean array is True, with all of theirs."""
        at = np.asarray(index)
        at = np.flatnonzero(at) if at.dtype == np.bool_ else at.astype(np.int64)
        return replace(
            self,
            crops=self.crops.take(at),
            levels={name: tuple(each[i] for i in at) for name, each in self.levels.items()},
            file_bytes=None if self.file_bytes is None else self.file_bytes[at],
        )

    def cells(self, most: int, seed: int) -> Subject:
        """At most so many labelled cells, drawn evenly over the units; no places among them."""
        kinds, labels = np.asarray(self.crops.kind), np.asarray(self.crops.labels, dtype=str)
        rows = np.flatnonzero((kinds == "cell") & (labels != ""))
        groups = np.asarray(self.crops.groups, dtype=str)[rows]
        return self.take(np.sort(rows[even_sample(groups, most, seed)]))

    def testable(self) -> tuple[Subject, tuple[str, ...]]:
        """Without classes that are in one unit only, which nothing can be held out of, and those.

        All crops, and no class, where fewer than two classes would be left.
        """
        counts = self.crops.units_per_class()
        lonely = tuple(name for name, units in counts.items() if units < 2)
        if not lonely or len(counts) - len(lonely) < 2:
            return self, ()
        return self.take(~np.isin(np.asarray(self.crops.labels, dtype=str), lonely)), lonely
