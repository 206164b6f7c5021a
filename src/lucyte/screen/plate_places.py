"""Wells as rows and columns of the plates one can buy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lucyte.schema.plate import well_sort_key

FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of 6, 12, 24, 48, 96, 384 and 1536 wells."""


def place_of(well: str) -> tuple[int, int] | None:
    """Row and column from 0 of ``A01`` or ``AA12``; None for a name that is no well's."""
    kind, letters, column, _ = well_sort_key(well.strip())
    if kind:
        return None
    row = 0
    for letter in letters.strip():
        row = row * 26 + ord(letter) - ord("A") + 1
    place = row - 1, column - 1
    return place if 0 <= place[0] < FORMATS[-1][0] and 0 <= place[1] < FORMATS[-1][1] else None


def shape_of(places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The smallest plate that has all these wells."""
    down, across = (max(place[axis] for place in places) + 1 for axis in (0, 1))
    return next((r, c) for r, c in FORMATS if r >= down and c >= across)


def as_plate(
    values: npt.ArrayLike, places: Sequence[tuple[int, int]], shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """One value per well as an array of rows and columns, nan where there is no well."""
    plate = np.full(shape, np.nan)
    for value, (row, column) in zip(np.asarray(values, np.float64), places, strict=True):
        plate[row, column] = value
    return plate
