"""B-score: a plate's row and column effects taken off by a two-way median polish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
MAD_OF_NORMAL = 0.6744897501960817
CROWDED = 1 / 3
"""Share of a row or column above which its median may be that of the hits."""
FEWEST_IN_LINE = 3
"""Fewer treated wells than this cannot make a row or column theirs."""


@dataclass(frozen=True)
class Polish:
    """A plate as a sum: ``value = overall + row + column + residual``.

    Attributes
    ----------
    overall : float
    rows, columns : array
        Effects; 0 where a row or column holds no well.
    residuals : array R x C
        nan where there is no well.
    settled : bool
        Whether the last round changed next to nothing.
    """

    overall: float
    rows: Floats
    columns: Floats
    residuals: Floats
    settled: bool


def median_polish(plate: npt.ArrayLike, rounds: int = 30, tolerance: float = 1e-6) -> Polish:
    """Tukey's two-way median polish.

    Parameters
    ----------
    plate : array R x C
        One value per well; nan where there is none.
    rounds : int
        At most.
    tolerance : float
        It ends when no median moves by more than this share of the largest residual.

    Raises
    ------
    UsageError
        Not a plate, or no value on it.

    References
    ----------
    Tukey 1977, Exploratory Data Analysis, chapter 11.
    """
    left = np.array(plate, dtype=np.float64)
    if left.ndim != 2 or not np.isfinite(left).any():
        raise UsageError(f"a median polish needs a plate of rows and columns, got {left.shape}.")
    left[~np.isfinite(left)] = np.nan
    down, across = np.isfinite(left).any(axis=1), np.isfinite(left).any(axis=0)
    overall, rows, columns = 0.0, np.zeros(left.shape[0]), np.zeros(left.shape[1])
    settled = False
    for _ in range(rounds):
        step = _medians(left, 1)
        largest = float(np.abs(step).max())
        left -= step[:, None]
        rows += step
        move = float(np.median(columns[across]))
        columns[across] -= move
        overall += move
        step = _medians(left, 0)
        largest = max(largest, float(np.abs(step).max()))
        left -= step[None, :]
        columns += step
        move = float(np.median(rows[down]))
        rows[down] -= move
        overall += move
        settled = largest <= tolerance * float(np.nanmax(np.abs(left)))
        if settled:
            break
    return Polish(overall, rows, columns, left, settled)


def b_scores(plate: npt.ArrayLike) -> Floats:
    r"""Residuals of a median polish over their MAD, one per well.

    .. math:: B_{ij} = r_{ij} / (MAD(r) / 0.6745)

    The MAD is scaled to a standard deviation, so B reads like a z-score.

    References
    ----------
    Brideau et al. 2003, doi 10.1177/1087057103258285. Malo et al. 2006, doi 10.1038/nbt1186.
    """
    left = median_polish(plate).residuals
    middle = np.nanmedian(left)
    spread = float(np.nanmedian(np.abs(left - middle))) / MAD_OF_NORMAL
    return left / spread if spread > 0 else np.full(left.shape, np.nan)


def crowded_lines(treated: npt.ArrayLike, used: npt.ArrayLike) -> tuple[tuple[str, int], ...]:
    """Rows and columns of which more than a third are treatments that are not sham.

    There a median polish may take a real effect for a row or column effect and remove it.

    Parameters
    ----------
    treated, used : bool array R x C
        Wells with a treatment that may do something; wells in use.

    Returns
    -------
    tuple of (str, int)
        ``("row", 2)``, ``("column", 0)`` ..., from 0.
    """
    hot, there = np.asarray(treated, dtype=np.bool_), np.asarray(used, dtype=np.bool_)
    found: list[tuple[str, int]] = []
    for axis, name in ((1, "row"), (0, "column")):
        n, full = (hot & there).sum(axis=axis), there.sum(axis=axis)
        crowd = (n > CROWDED * full) & (n >= FEWEST_IN_LINE)
        found += [(name, int(at)) for at in np.flatnonzero(crowd)]
    return tuple(found)


def _medians(left: Floats, axis: int) -> Floats:
    """Medians of lines, 0 for a line without wells."""
    lines = left if axis == 1 else left.T
    out = [float(np.median(line[np.isfinite(line)])) if np.isfinite(line).any() else 0.0
           for line in lines]  # fmt: skip
    return np.array(out)
