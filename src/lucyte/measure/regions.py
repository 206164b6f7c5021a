"""Regions: the pixels of every object in one list, object after object, in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels, check_labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Regions:
    """Objects of one label image, as every measurement reads them.

    Attributes
    ----------
    labels : int array, n
        Labels present, rising.
    index : int32 array Y X
        Position of the px's object in ``labels``; -1 for background.
    start : int array, n + 1
        ``pixels[start[k]:start[k + 1]]`` are the flat positions of object ``k``.
    pixels : int array
    """

    labels: Ints
    index: Labels
    start: Ints
    pixels: Ints

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def area(self) -> Ints:
        """Number of px of each object."""
        return np.diff(self.start)


def regions(labels: npt.NDArray[Any], source: str = "labels") -> Regions:
    """List the pixels of each object.

    Parameters
    ----------
    labels : integer array Y X
        0 is background. Labels need not be consecutive.

    Raises
    ------
    UsageError
        Not two-dimensional, or not a label image.
    """
    plane = check_labels(labels, source)
    if plane.ndim != 2:
        raise UsageError(f"{source}: measuring takes a label image Y X, got {plane.ndim} axes.")
    names = _present(plane)
    position = _positions(plane, names)
    start, pixels = _list_pixels(position, len(names))
    return Regions(labels=names, index=position, start=start, pixels=pixels)


def _present(plane: Labels) -> Ints:
    """Labels present, rising; counted where they are few, sorted where they are far apart."""
    top = int(plane.max(initial=0))
    if top <= max(4 * plane.size, 1 << 16):
        present = np.bincount(plane.ravel(), minlength=1) > 0
        present[0] = False
        return np.flatnonzero(present).astype(np.int64)
    names = np.unique(plane).astype(np.int64)
    return names[names > 0]


def _positions(plane: Labels, names: Ints) -> Labels:
    top = int(names[-1]) if len(names) else 0
    if top <= max(4 * plane.size, 1 << 16):
        table = np.full(top + 1, -1, np.int32)
        table[names] = np.arange(len(names), dtype=np.int32)
        out: Labels = table[plane]
        return out
    found = np.searchsorted(names, plane)
    clipped = np.minimum(found, len(names) - 1)
    return np.where(names[clipped] == plane, clipped, -1).astype(np.int32)


@njit(cache=True)
def _list_pixels(index: Any, n: int) -> Any:  # pragma: no cover
    flat = index.ravel()
    start = np.zeros(n + 1, np.int64)
    for i in range(flat.size):
        if flat[i] >= 0:
            start[flat[i] + 1] += 1
    for k in range(n):
        start[k + 1] += start[k]
    here = start[:-1].copy()
    pixels = np.empty(start[n], np.int64)
    for i in range(flat.size):
        k = flat[i]
        if k >= 0:
            pixels[here[k]] = i
            here[k] += 1
    return start, pixels
