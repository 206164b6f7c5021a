"""Bland and Altman's picture: difference over mean, a point per unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lucyte.evidence.accuracy.readout import Readout, compared, number
from lucyte.io.atomic import atomic_path
from lucyte.stats.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, SOFT = "#0072B2", "#D55E00", "#5b6670"


def draw_agreement(readouts: Sequence[Readout], path: Path) -> None:
    """Write a PNG with one panel per readout: bias, limits of agreement and their intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(readouts), 3.8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, each in zip(np.atleast_1d(figure.subplots(1, len(readouts))), readouts, strict=True):
        _panel(axes, each)
    with atomic_path(path) as temporary:
        canvas.print_figure(temporary, dpi=150, format="png", metadata={"Software": None})


def _panel(axes: Axes, readout: Readout) -> None:
    found = compared(readout)
    noun = readout.by.removesuffix("_id")
    unit = f" ({readout.unit})" if readout.unit else ""
    axes.axhline(0, color=SOFT, linewidth=0.8)
    lines: tuple[tuple[Interval, str, str], ...] = (
        (found.high, ORANGE, "--"),
        (found.bias, BLUE, "-"),
        (found.low, ORANGE, "--"),
    )
    for interval, colour, style in lines:
        if not np.isfinite(interval.estimate):
            continue
        axes.axhline(interval.estimate, color=colour, linestyle=style, linewidth=1.3)
        if interval.low is not None and interval.high is not None:
            axes.axhspan(interval.low, interval.high, color=colour, alpha=0.13, linewidth=0)
        axes.annotate(
            number(interval.estimate),
            (1.0, interval.estimate),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 2),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=colour,
        )
    axes.plot((found.prediction + found.reference) / 2, found.prediction - found.reference, "o",
              color="#1d2329", markersize=4, alpha=0.7, markeredgewidth=0)  # fmt: skip
    axes.set_title(f"{readout.noun}, {len(found.units)} {noun}s", fontsize=10, loc="left")
    axes.set_xlabel(f"mean of truth and prediction{unit}", fontsize=9)
    axes.set_ylabel(f"prediction minus truth{unit}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.text(
        0.0, -0.23, "blue: bias; orange: limits of agreement; bands: 95 % intervals",
        transform=axes.transAxes, fontsize=7.5, color=SOFT, va="top",
    )  # fmt: skip
