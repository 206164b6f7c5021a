"""The network's answer over a whole image, however large: tiles, peaks, and what they own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.grouping import Peaks, own_pixels
from lucyte.schema.objects import Labels

Floats = npt.NDArray[np.float32]
Window = tuple[int, int, int, int]
"""y0, x0, y1, x1, half-open."""
IN_MEMORY_PX = 64_000_000
"""Larger maps and label images are kept on disk."""


@dataclass(frozen=True)
class Dense:
    """What the network says of a whole image.

    Attributes
    ----------
    ratio : float
        Image px per network px.
    looks : list of float array 4 Y X
        Foreground, centre and votes in output px: of the only look, or their mean and then each.
    peaks : Peaks
        After suppression, in output px.
    """

    ratio: float
    looks: list[Floats]
    peaks: Peaks


def tiles(shape: tuple[int, int], tile: int, halo: int) -> Iterator[tuple[Window, Window]]:
    """Core and outer window of each tile of an image.

    Parameters
    ----------
    shape : (height, width)
        In network px.
    tile, halo : int
        Side of a core, and how far beyond it is looked.
    """
    if max(shape) <= tile + halo:
        yield (0, 0, *shape), (0, 0, *shape)
        return
    for y in range(0, shape[0], tile):
        for x in range(0, shape[1], tile):
            core = (y, x, min(y + tile, shape[0]), min(x + tile, shape[1]))
            outer = (
                max(0, y - halo),
                max(0, x - halo),
                min(core[2] + halo, shape[0]),
                min(core[3] + halo, shape[1]),
            )
            yield core, outer


def moved(peaks: Peaks, y: int, x: int) -> Peaks:
    """The same peaks in a window whose corner lies at (-y, -x) of theirs."""
    box = np.array([x, y, x, y], np.float32)
    place = peaks.place + np.array([y, x], np.float32)
    cell = peaks.cell + np.array([y, x], np.int32)
    return Peaks(place, peaks.boxes + box, peaks.score, cell, peaks.class_index)


def joined(parts: list[Peaks]) -> Peaks:
    """The peaks of all tiles."""
    names = Peaks.__dataclass_fields__
    return Peaks(
        **{name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
    )


def room(shape: tuple[int, ...], kind: type) -> Any:
    """Zeros in memory, or in a file that goes away with them where they are many."""
    if np.prod(shape, dtype=np.int64) <= IN_MEMORY_PX:
        return np.zeros(shape, kind)
    with tempfile.NamedTemporaryFile(prefix="lucyte-", suffix=".maps") as file:
        return np.memmap(Path(file.name), kind, "w+", shape=shape)


def owned(
    maps: Floats, peaks: Peaks, shape: tuple[int, ...], step: float
) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.int32]]]:
    """The label image piece by piece: where each lies and what it holds.

    Parameters
    ----------
    maps : float array 4 Y X
    peaks : Peaks
        Peak k draws label k + 1.
    shape : (height, width)
        Of the image, in its px.
    step : float
        Output px per image px.
    """
    sides = peaks.boxes[:, 2:] - peaks.boxes[:, :2]
    margin = int(np.ceil(sides.max(initial=0))) + 3
    piece = 2048
    for y in range(0, shape[0], piece):
        for x in range(0, shape[1], piece):
            y1, x1 = min(y + piece, shape[0]), min(x + piece, shape[1])
            a, b = (max(0, int(v * step) - margin) for v in (y, x))
            c, d = (int(np.ceil(v * step)) + margin for v in (y1, x1))
            window = np.asarray(maps[:, a:c, b:d], np.float32)
            far = peaks.place
            near = (far[:, 0] > a - margin) & (far[:, 0] < c + margin)
            near &= (far[:, 1] > b - margin) & (far[:, 1] < d + margin)
            index = np.flatnonzero(near)
            names = (index + 1).astype(np.int32)
            local = moved(peaks.take(index), -a, -b)
            origin = (y * step - a, x * step - b)
            found = own_pixels(window, local, names, (y1 - y, x1 - x), step, origin)
            yield (slice(y, y1), slice(x, x1)), found


def changes(looks: list[Floats], peaks: Peaks, labels: Labels, step: float) -> Floats:
    """One minus the mean IoU of each object with itself in each look.

    Parameters
    ----------
    looks : list of float array 4 Y X
    peaks : Peaks
        Object k is label k + 1.
    labels : int32 array Y X
    step : float
        Output px per image px.

    Returns
    -------
    float32 array n
    """
    alike = np.zeros(len(peaks), np.float64)
    whole = np.bincount(labels.ravel(), minlength=len(peaks) + 1)[1:]
    for maps in looks:
        both, theirs = np.zeros((2, len(peaks) + 1), np.int64)
        for window, piece in owned(maps, peaks, labels.shape, step):
            theirs += np.bincount(piece.ravel(), minlength=len(theirs))
            same = piece[(piece > 0) & (piece == labels[window])]
            both += np.bincount(same, minlength=len(both))
        alike += both[1:] / np.maximum(whole + theirs[1:] - both[1:], 1)
    return np.asarray(1 - alike / len(looks), np.float32)
