"""The most alike real cell of another class: a counterfactual that nobody had to draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
FAR = 3.0
"""Deviations beyond which a difference counts no more, so that one odd feature does not decide."""


def nearest_real(
    table: pd.DataFrame, row: int, candidates: Sequence[int], groups: Sequence[str]
) -> int | None:
    """The candidate whose features lie nearest to those of a cell (nearest unlike neighbour).

    Features are compared in their own standard deviations over all cells; the distance is the mean
    of the squares over the features that both cells have. A cell of the same unit is taken only
    where no other unit has one.

    Parameters
    ----------
    table : DataFrame
        Features of all cells; columns that are no numbers are left aside.
    row : int
        The cell.
    candidates : sequence of int
        Rows to choose from.
    groups : sequence of str
        Independent unit of every cell.

    Returns
    -------
    int or None
        Row of the table; None without a candidate that shares a feature.

    Raises
    ------
    UsageError
        No column of numbers.

    References
    ----------
    Keane and Smyth 2020, doi 10.1007/978-3-030-58342-2_11.
    """
    values = table.select_dtypes("number").to_numpy(np.float64)
    if not values.shape[1]:
        raise UsageError("the table holds no feature, so no cell can be called alike.")
    rows = np.array([k for k in candidates if k != row], dtype=np.int64)
    elsewhere = np.array([groups[k] != groups[row] for k in rows], dtype=np.bool_)
    rows = rows[elsewhere] if elsewhere.any() else rows
    if not len(rows):
        return None
    apart = _apart(values, row, rows)
    return int(rows[np.nanargmin(apart)]) if np.isfinite(apart).any() else None


def _apart(values: Floats, row: int, rows: npt.NDArray[np.int64]) -> Floats:
    known = np.where(np.isfinite(values), values, np.nan)
    counts = np.isfinite(known).sum(axis=0)
    spread = np.array([np.nanstd(known[:, k]) if counts[k] > 1 else 0 for k in range(len(counts))])
    use = spread > 0
    steps = np.clip((known[np.ix_(rows, use)] - known[row, use]) / spread[use], -FAR, FAR)
    shared = np.isfinite(steps)
    sums = np.where(shared, steps, 0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums.sum(axis=1) / shared.sum(axis=1))
