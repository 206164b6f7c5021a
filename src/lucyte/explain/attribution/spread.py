r"""How far a map can be relied on: the same question under moves of the crop and by other models.

.. math:: \bar R = \frac1m \sum_i T_i^{-1} R(T_i x), \qquad
          a = \frac{2}{m (m - 1)} \sum_{i < j} \rho\big(T_i^{-1} R(T_i x), T_j^{-1} R(T_j x)\big)

with :math:`T_i` turns, mirrorings and shifts (or i other models, fitted with other seeds) and
:math:`\rho` the rank correlation of px. A cell has no right side up, so what changes with a turn is
not about the cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Explain = Callable[[npt.NDArray[Any]], Floats]
"""Crops ``N C Y X`` to maps ``N L Y X``."""


@dataclass(frozen=True)
class Move:
    """A move of the crop: quarter turns, then a mirror image, then a shift (down, right) in px."""

    turns: int = 0
    mirrored: bool = False
    shift: tuple[int, int] = (0, 0)


MOVES: tuple[Move, ...] = (
    Move(),
    *(Move(k) for k in (1, 2, 3)),
    *(Move(k, True) for k in range(4)),
    *(Move(shift=each) for each in ((2, 0), (-2, 0), (0, 2), (0, -2))),
)
"""The crop as it is, its turns and mirror images, and 2 px to each side."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Maps of the same crops, found in several ways.

    Attributes
    ----------
    mean, deviation : float array N L Y X
    agreement : float array N
        Mean rank correlation between every two ways, from -1 to 1; nan where a map is constant.
    runs : int
    """

    mean: Floats
    deviation: Floats
    agreement: Floats
    runs: int


def over_moves(explain: Explain, crops: npt.NDArray[Any], moves: Sequence[Move] = MOVES) -> Spread:
    """Explain moved crops, and move the maps back.

    Parameters
    ----------
    explain : callable
        Crops ``N C Y X`` to maps ``N L Y X``: one question, such as
        ``lambda crops: attribute(model, crops, "b", "grad_cam").maps``.
    crops : array N C Y X
        Mask channels move along.
    moves : sequence of Move

    Raises
    ------
    UsageError
        Fewer than two moves.
    """
    found = [move_back(explain(moved(crops, move)), move) for move in moves]
    return spread_of(found)


def over_models(explains: Sequence[Explain], crops: npt.NDArray[Any]) -> Spread:
    """Ask several models (other seeds, other folds) the same.

    Raises
    ------
    UsageError
        Fewer than two models.
    """
    return spread_of([explain(crops) for explain in explains])


def spread_of(found: Sequence[Floats]) -> Spread:
    """Mean, deviation and agreement of maps ``N L Y X``; px that are nan in some are left out.

    Raises
    ------
    UsageError
        Fewer than two.
    """
    if len(found) < 2:
        raise UsageError(f"agreement needs maps found in 2 ways or more, got {len(found)}.")
    stacked = np.stack(found)
    there = np.isfinite(stacked)
    times = there.sum(axis=0)
    if not times.all():
        raise UsageError("some px were seen by no move; leave out the largest shifts.")
    mean = np.where(there, stacked, 0.0).sum(axis=0) / times
    square = np.where(there, (stacked - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.sqrt(square / np.maximum(times - 1, 1))
    agreement = [_agreement(stacked[:, n].reshape(len(found), -1)) for n in range(len(mean))]
    return Spread(mean, deviation, np.array(agreement), len(found))


def moved(crops: npt.NDArray[Any], move: Move) -> npt.NDArray[Any]:
    """Crops after a move; what a shift lays bare repeats the edge."""
    out = np.rot90(crops, move.turns, (2, 3))
    out = out[:, :, :, ::-1] if move.mirrored else out
    y, x = move.shift
    if y or x:
        height, width = out.shape[2:]
        out = out[:, :, np.clip(np.arange(height) - y, 0, height - 1)]
        out = out[:, :, :, np.clip(np.arange(width) - x, 0, width - 1)]
    return np.ascontiguousarray(out)


def move_back(maps: Floats, move: Move) -> Floats:
    """Maps of moved crops where the crops were; nan where a shift pushed the picture out."""
    out = np.asarray(maps, dtype=np.float64)
    y, x = move.shift
    if y or x:
        out = np.roll(out, (-y, -x), (2, 3))
        for axis, by in ((2, y), (3, x)):
            gone = [slice(None)] * 4
            gone[axis] = slice(out.shape[axis] - by, None) if by > 0 else slice(0, -by)
            if by:
                out[tuple(gone)] = np.nan
    out = out[:, :, :, ::-1] if move.mirrored else out
    return np.ascontiguousarray(np.rot90(out, -move.turns, (2, 3)))


def _agreement(flat: Floats) -> float:
    """Mean rank correlation of every two rows over the px that all have."""
    some = flat[:, np.isfinite(flat).all(axis=0)]
    if some.shape[1] < 2 or (np.ptp(some, axis=1) == 0).any():
        return float("nan")
    ranks = rankdata(some, axis=1)
    pairs = np.asarray(np.corrcoef(ranks)).reshape(len(flat), len(flat))
    return float(np.mean([pairs[i, j] for i, j in combinations(range(len(flat)), 2)]))
