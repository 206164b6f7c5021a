"""Backgrounds to exchange with: cell-free places, or the cell-free pixels of other crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.inputs import free_level, grown
from lucyte.schema.crops import CropSet


class NoDonorError(Exception):
    """No background to exchange with."""


@dataclass(frozen=True)
class Donors:
    """Backgrounds that can be given to a cell."""

    crops: CropSet
    levels: npt.NDArray[np.float32]
    free: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]

    @classmethod
    def of(cls, crops: CropSet, halo_px: int) -> Donors:
        places = crops.of_kind("background")
        held = places.units_per_class()
        enough = all(held.get(name, 0) >= 2 for name in crops.classes)
        source = places if enough else crops
        levels = free_level(source, halo_px)
        at = np.isfinite(levels).all(axis=1)
        source = source.take(at)
        return cls(
            source,
            levels[at],
            ~grown(source.foreground, halo_px),
            np.asarray(source.labels, dtype=str),
            np.asarray(source.groups, dtype=str),
        )

    def choose(self, label: str, group: str, rng: np.random.Generator) -> int:
        """A donor of this class from another unit."""
        rows = np.flatnonzero((self.labels == label) & (self.groups != group))
        if not len(rows):
            raise NoDonorError(
                f"no other unit of {label} has cell-free pixels to exchange with; at least 2 "
                "units of each class are needed"
            )
        return int(rng.choice(rows))

    def surface(self, row: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """A whole crop ``C Y X`` of this donor's background."""
        picture: npt.NDArray[np.float32] = self.crops.crops[row].astype(np.float32)
        holes = np.flatnonzero(~self.free[row])
        if len(holes):
            flat = picture.reshape(len(picture), -1)
            flat[:, holes] = flat[:, rng.choice(np.flatnonzero(self.free[row]), len(holes))]
        return picture
