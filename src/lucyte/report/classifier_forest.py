"""Estimates in rows: diamond, interval, and the points where there are few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lucyte.report.chart import INK, SOFT, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Row:
    """One row of a forest.

    Attributes
    ----------
    label : str
    estimate : float
        nan is said in words.
    low, high : float or None
    points : sequence of float
        Drawn as small circles: groups, or folds.
    said : str
        At the right end of the row.
    chance : float or None
        A tick where guessing stands.
    colour, marker : str
    """

    label: str
    estimate: float
    low: float | None = None
    high: float | None = None
    points: Sequence[float] = ()
    said: str = ""
    chance: float | None = None
    colour: str = INK
    marker: str = "D"


def forest(axes: Axes, rows: Sequence[Row], label: str, *, names: bool = True) -> None:
    """Draw the rows from top to bottom on these axes.

    Parameters
    ----------
    axes : Axes
    rows : sequence of Row
    label : str
        Of the value axis.
    names : bool
        Whether the labels are written; not where a neighbour has them.
    """
    quiet(axes, "x")
    for place, row in enumerate(rows):
        if row.chance is not None:
            axes.plot([row.chance] * 2, [place - 0.33, place + 0.33], color=SOFT, linewidth=1.0,
                      linestyle=(0, (2, 2)), zorder=1)  # fmt: skip
        known = [x for x in row.points if math.isfinite(x)]
        axes.scatter(known, place + _apart(known), s=20, facecolor="none", edgecolor=row.colour,
                     linewidth=0.9, alpha=0.75, zorder=3)  # fmt: skip
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=row.colour, linewidth=4.5,
                      alpha=0.35, solid_capstyle="butt", zorder=2)  # fmt: skip
        if math.isfinite(row.estimate):
            axes.scatter([row.estimate], [place], s=34, color=row.colour, marker=row.marker,
                         edgecolor="white", linewidth=0.7, zorder=4)  # fmt: skip
        said = row.said or ("" if math.isfinite(row.estimate) else "undefined")
        axes.annotate(said, (1.015, place), xycoords=("axes fraction", "data"), va="center",
                      fontsize=8, color=SOFT)  # fmt: skip
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([row.label for row in rows] if names else [])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlabel(label)


def upto_one(axes: Axes, low: float) -> None:
    """From ``low`` to a little over 1, without a tick where no score can be."""
    axes.set_xlim(low, 1.0 + 0.025 * (1.0 - low))
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= 1.0 + 1e-9])


def _apart(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Small steps up and down, in the order of the values, so that equal points are seen."""
    steps = np.array([0.0, 0.16, -0.16, 0.28, -0.28])
    out = np.zeros(len(values))
    out[np.argsort(values, kind="stable")] = np.resize(steps, len(values))
    return out
