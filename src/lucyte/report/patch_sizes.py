"""Score and number of patches over the patch's side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.report.palette import natural, styles

DPI = 120


def size_curve(table: pd.DataFrame) -> npt.NDArray[np.uint8]:
    """Draw the curve.

    Parameters
    ----------
    table : DataFrame
        ``patch_px, balanced_accuracy, low, high, n, unit, patches``; limits may be nan.

    Returns
    -------
    uint8 array H W 3
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colour = next(iter(styles(natural(["score"])).values())).colour
    figure = Figure(figsize=(6.4, 4.6), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    score, count = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    side, value = table["patch_px"], table["balanced_accuracy"]
    known = table["low"].notna()
    score.vlines(side[known], table["low"][known], table["high"][known], color=colour, lw=1.5)
    score.plot(side, value, "o-", color=colour)
    score.set_ylabel("balanced accuracy")
    score.set_ylim(0, 1.02)
    n, unit = int(table["n"].iloc[0]), str(table["unit"].iloc[0])
    score.set_title(f"Unseen {unit}s, n = {n}; lines: 95 % intervals", loc="left", fontsize=10)
    count.bar(side, table["patches"], width=0.6 * np.diff(np.sort(side)).min(), color="#8fa6b5")
    count.set_ylabel("patches kept")
    count.set_xlabel("side of a patch (px)")
    count.set_xticks(list(side))
    for axes in (score, count):
        axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
