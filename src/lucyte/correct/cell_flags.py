"""Quality of single cells: cut by the border, saturated, out of focus.

A flag leaves nothing out; it says which cells to look at before believing a number.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.measure.stains import is_transmitted

SATURATED = 0.01
"""Fraction of a cell's px at the top of the range that raises the flag."""
BLURRED = 2.0
"""Robust deviations below the plate's cells, in every channel of emitted light ..."""
SMOOTH = 0.29
"""... and so smooth that a step over 1 px is hardly more than the quarter of one over 4 px that
light without any fine structure has."""
CELLS_NEEDED = 30
SMALLEST_SPREAD = 0.05
FINE, COARSE = "texture_step_1px_", "texture_step_4px_"


def cell_flags(objects: pd.DataFrame) -> pd.DataFrame:
    """Flags of each object, judged among those of its plate and kind.

    Parameters
    ----------
    objects : DataFrame
        Rows of the objects table with ``plate``, ``kind`` and features.

    Returns
    -------
    DataFrame
        ``flag_border``, ``flag_saturated`` and ``flag_out_of_focus`` as bool, index as given. A
        cell is out of focus where, in every channel of emitted light, its steps over 1 px are less
        than 0.29 of those over 4 px and 2 robust deviations of the logarithm below the median of
        its plate. Fewer than 30 cells raise none.
    """
    columns = [str(name) for name in objects.columns]
    saturated = [name for name in columns if name.startswith("saturated_fraction_")]
    light = [name.removeprefix(FINE) for name in columns if name.startswith(FINE)]
    light = [name for name in light if not is_transmitted(name) and COARSE + name in columns]
    border = objects.get("touches_border", pd.Series(False, index=objects.index))
    out = pd.DataFrame({"flag_border": border.fillna(0).astype(bool)}, index=objects.index)
    out["flag_saturated"] = (objects[saturated].fillna(0.0) > SATURATED).any(axis=1)
    out["flag_out_of_focus"] = False
    for _, rows in objects.groupby(["plate", "kind"], sort=True, dropna=False):
        if len(rows) >= CELLS_NEEDED and light:
            soft = [_below(rows[FINE + name], rows[COARSE + name]) for name in light]
            out.loc[rows.index, "flag_out_of_focus"] = np.all(soft, axis=0)
    return out


def _below(fine: pd.Series[float], coarse: pd.Series[float]) -> npt.NDArray[np.bool_]:
    """Where the ratio of two steps is far below that of the others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(fine.to_numpy(np.float64) / coarse.to_numpy(np.float64))
    good = np.isfinite(ratio)
    if good.sum() < CELLS_NEEDED:
        return np.zeros(len(ratio), np.bool_)
    middle = np.median(ratio[good])
    spread = max(1.4826 * float(np.median(np.abs(ratio[good] - middle))), SMALLEST_SPREAD)
    limit = min(float(middle) - BLURRED * spread, math.log(SMOOTH))
    found: npt.NDArray[np.bool_] = good & (np.where(good, ratio, 0.0) < limit)
    return found
