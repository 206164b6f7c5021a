"""Scene: the cells that are to be perturbed, with what is known of where things are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.schema.errors import UsageError

EIGHT = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class Scene:
    """Crops of single cells, with the cell's outline and its spots.

    Attributes
    ----------
    crops : array N C Y X
        Raw units, in the model's channels; channels ``mask:...`` are never changed.
    channels : tuple of str
    masks : bool array N Y X
        The cell's own px.
    spots : int array N Y X
        Spots numbered from 1 in each crop; a bool array is parted into what touches.
    groups : tuple of str
        The independent unit of each.
    unit : str
        What ``groups`` counts.
    """

    crops: npt.NDArray[Any]
    channels: tuple[str, ...]
    masks: npt.NDArray[np.bool_]
    spots: npt.NDArray[Any]
    groups: tuple[str, ...]
    unit: str = "well"
    _labels: npt.NDArray[np.int32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = self.crops.shape
        if self.crops.ndim != 4 or shape[1] != len(self.channels):
            raise UsageError(
                f"a scene takes crops N C Y X with channels {', '.join(self.channels)}; "
                f"got shape {shape}."
            )
        if not np.isfinite(np.asarray(self.crops, dtype=np.float64)).all():
            raise UsageError("crops hold nan or infinite values; leave those crops out first.")
        for name in ("masks", "spots"):
            got = getattr(self, name).shape
            if got != (shape[0], *shape[2:]):
                raise UsageError(f"{name} must be N Y X like the crops {shape}, got {got}.")
        if len(self.groups) != shape[0]:
            raise UsageError(f"got {len(self.groups)} groups for {shape[0]} crops; one each.")
        object.__setattr__(self, "_labels", numbered(self.spots))

    def __len__(self) -> int:
        return int(self.crops.shape[0])

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Spots numbered from 1 in each crop, ``N Y X``."""
        return self._labels

    @property
    def light(self) -> tuple[str, ...]:
        """Channels of light, in order."""
        return tuple(name for name in self.channels if not name.startswith("mask:"))

    def at(self, names: tuple[str, ...]) -> list[int]:
        """Positions of these channels; of all of light where none is named."""
        return [self.channels.index(name) for name in names or self.light]

    def with_spots(self, spots: npt.NDArray[Any]) -> Scene:
        """The same cells with other places called spots."""
        return replace(self, spots=spots)


def numbered(spots: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Spots ``N Y X`` numbered from 1 in every crop without gaps."""
    out = np.zeros(spots.shape, dtype=np.int32)
    for k, each in enumerate(spots):
        if each.dtype == np.bool_:
            out[k] = ndimage.label(each, EIGHT)[0]
        else:
            known = np.unique(each[each > 0])
            out[k] = np.where(each > 0, np.searchsorted(known, each) + 1, 0)
    return out


def elsewhere(scene: Scene, seed: int = 0) -> Scene:
    """The same number of spots, of the same shapes, at places of each cell where none is: a sham.

    A spot for which no place is found is left out of that cell.

    Parameters
    ----------
    scene : Scene
    seed : int
    """
    out = np.zeros_like(scene.labels)
    for k in range(len(scene)):
        rng = np.random.default_rng([seed, k])
        free = scene.masks[k] & ~ndimage.binary_dilation(scene.labels[k] > 0, EIGHT)
        for number in range(1, int(scene.labels[k].max(initial=0)) + 1):
            shape = np.argwhere(scene.labels[k] == number)
            place = a_place(shape - shape.min(axis=0), free, rng)
            if place is not None:
                out[k][place[:, 0], place[:, 1]] = number
                free[place[:, 0], place[:, 1]] = False
    return scene.with_spots(out)


def a_place(
    shape: npt.NDArray[np.int64], free: npt.NDArray[np.bool_], rng: np.random.Generator
) -> npt.NDArray[np.int64] | None:
    """Px of a shape at a random place that is wholly free; None where there is none.

    Parameters
    ----------
    shape : int array M 2
        Rows and columns from 0.
    free : bool array Y X
    rng : Generator
    """
    height, width = shape.max(axis=0) + 1
    if height > free.shape[0] or width > free.shape[1]:
        return None
    fits = np.ones((free.shape[0] - height + 1, free.shape[1] - width + 1), dtype=np.bool_)
    for y, x in shape:
        fits &= free[y : y + fits.shape[0], x : x + fits.shape[1]]
    corners = np.argwhere(fits)
    if not len(corners):
        return None
    return np.asarray(shape + corners[rng.integers(len(corners))], dtype=np.int64)
