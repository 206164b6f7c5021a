"""What JPEG compression leaves in a picture: steps every eight px, and missing grey values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BLOCK = 8
"""Side, px, of the blocks that JPEG compresses one by one."""
CLEAREST = 3.0
"""Differences count up to so many times their median, so that a cell's outline does not decide."""
CROWDED = 4
"""Px per grey value from which one that no px has is not missing by chance."""
COLUMNS = ("steps at the grid", "steps at the clearest grid", "missing grey values")


def jpeg_traces(crops: npt.NDArray[Any]) -> Floats:
    r"""Traces of compression of each crop, channels averaged, ``N x 3``.

    With ``d_j`` the mean absolute difference across columns (and rows) whose number is ``j``
    modulo 8 (each difference cut off at three times the median), the step at phase ``j`` is

    .. math:: b_j = \frac{d_j - \bar d_{-j}}{\bar d_{-j}}

    where the mean runs over the other phases. The first column is ``b_7`` (a picture that begins
    at a block), the second the largest ``b_j`` (a crop may begin anywhere), the third the share of
    whole grey values that no px has, from the 5th percentile up as far as there are four px to each
    value or more, so that it does not depend on the range of the cell's light.

    References
    ----------
    Wang, Bovik and Evans 2000, doi 10.1109/ICIP.2000.899622 (blind measurement of blocking).
    """
    x = np.asarray(crops, dtype=np.float32)
    steps: Floats = np.stack([_steps(x, axis) for axis in (2, 3)]).mean(axis=(0, 2))
    at_grid, clearest = steps[:, BLOCK - 1], steps.max(axis=1)
    return np.asarray(np.column_stack([at_grid, clearest, _missing(x)]), dtype=np.float64)


def _steps(x: npt.NDArray[np.float32], axis: int) -> Floats:
    """Excess of each of the eight phases, ``N C 8``."""
    off = np.abs(np.diff(x, axis=axis))
    typical = np.median(off, axis=(2, 3), keepdims=True)
    most = np.where(typical > 0, CLEAREST * typical, np.inf)
    off = np.minimum(off, most).mean(axis=5 - axis)
    phases = np.stack([off[..., j::BLOCK].mean(axis=2) for j in range(BLOCK)], axis=2)
    others = (phases.sum(axis=2, keepdims=True) - phases) / (BLOCK - 1)
    flat = others <= 0
    return np.asarray(
        np.where(flat, 0.0, (phases - others) / np.where(flat, 1.0, others)), dtype=np.float64
    )


def _missing(x: npt.NDArray[np.float32]) -> Floats:
    """Share of grey values that are skipped; 0 where values are no whole numbers."""
    out = np.zeros(x.shape[:2])
    if not np.array_equal(x, np.round(x)):
        return np.zeros(len(x))
    for n, c in np.ndindex(*x.shape[:2]):
        values = np.sort(x[n, c], axis=None).astype(np.int64)
        low = values[len(values) // 20]
        at = np.arange(low, values[-1] + 1)
        crowded = np.searchsorted(values, at, side="right") - len(values) // 20
        dense = np.flatnonzero(crowded >= CROWDED * (at - low + 1))
        if len(dense) and dense[-1] >= BLOCK:
            held = np.isin(at[: dense[-1] + 1], values)
            out[n, c] = 1 - held.mean()
    return np.asarray(out.mean(axis=1))
