"""The two loops over pixels of the patches: count levels, count what is above a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def add_levels(levels: Any, plane: Any) -> None:  # pragma: no cover
    """Add a plane's pixels to four interleaved histograms.

    Parameters
    ----------
    levels : int64 array 4 L
        Added to. Four, because a px of the level of its neighbour would wait for its count.
    plane : unsigned integer array Y X
        Values below L.
    """
    rows, columns = plane.shape
    whole = columns - columns % 4
    for y in range(rows):
        line = plane[y]
        for x in range(0, whole, 4):
            levels[0, line[x]] += 1
            levels[1, line[x + 1]] += 1
            levels[2, line[x + 2]] += 1
            levels[3, line[x + 3]] += 1
        for x in range(whole, columns):
            levels[0, line[x]] += 1


@njit(cache=True, nogil=True)
def count_above(plane: Any, level: Any, rows: Any, columns: Any) -> Any:  # pragma: no cover
    """Pixels above a level in each block of a grid.

    Parameters
    ----------
    plane : array Y X
    level : scalar of the plane's type
    rows, columns : int64 arrays
        Rising borders of the blocks, first and last included.

    Returns
    -------
    int64 array len(rows) - 1, len(columns) - 1
    """
    out = np.zeros((len(rows) - 1, len(columns) - 1), np.int64)
    for i in range(len(rows) - 1):
        for y in range(rows[i], rows[i + 1]):
            for j in range(len(columns) - 1):
                part = plane[y, columns[j] : columns[j + 1]]
                n = np.uint32(0)
                for x in range(part.size):
                    n += np.uint32(part[x] > level)
                out[i, j] += n
    return out
