"""Precision against recall of every class, and how the networks learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.chart import INK, SOFT, chart, quiet
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.classifier_numbers import basis
from lucyte.report.markup import NOTHING
from lucyte.report.palette import OKABE_ITO, natural, styles
from lucyte.report.section import Figures, Section
from lucyte.report.wording import count, short
from lucyte.stats.classification import average_precision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
WIDTH_IN = 9.3
MOST_PANELS = 20
COLUMNS = 5
MOST_POINTS = 300
NAMED_NETWORKS = 8


def curves_section(content: ClassifierContent, figures: Figures) -> Section:
    """One small panel of precision against recall per class, at most `MOST_PANELS`."""
    thing, result = content.levels[0]
    rows = result.rows()
    truth, _ = result.codes(rows)
    n = np.bincount(truth, minlength=len(result.classes))
    chosen = sorted(np.argsort(-n, kind="stable")[:MOST_PANELS].tolist())
    names = [name for name in natural(result.classes) if result.classes.index(name) in chosen]
    left = len(result.classes) - len(names)
    more = f" The {count(left, 'class')} with the fewest samples are in the table." if left else ""
    figure = figures.figure(
        "precision-recall",
        _recall_panels(result, rows, truth, names),
        "Each class against all others, over thresholds on its probability "
        f"({basis(result, rows, thing)}, pooled over folds). AP: average precision. Dashed: what "
        f"guessing reaches.{more}",
    )
    return Section("curves", "Precision against recall", figure, link="Precision and recall")


def _recall_panels(
    result: CrossValidation,
    rows: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    names: list[str],
) -> Markup:
    p = result.probabilities[rows]
    columns = min(COLUMNS, max(2, len(names)))
    lines = math.ceil(len(names) / columns)
    width, height = min(WIDTH_IN, 0.7 + 2.2 * columns), 0.65 + 1.75 * lines

    def draw(figure: Figure) -> None:
        figure.set_layout_engine(None)  # the solver takes seconds over many panels
        figure.subplots_adjust(left=0.7 / width, right=1 - 0.1 / width, bottom=0.5 / height,
                               top=1 - 0.38 / height, wspace=0.18, hspace=0.5)  # fmt: skip
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(grid, names, strict=False):
            k = result.classes.index(name)
            _recall_panel(axes, p[:, k], truth == k, name)
        for axes in grid[len(names) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(names) - columns) : len(names)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel("recall", fontsize=9)
        figure.supylabel("precision", fontsize=9)

    alt = f"Precision against recall of {count(len(names), 'class')}."
    return chart((width, height), draw, alt)


def _recall_panel(axes: Axes, scores: Floats, positive: npt.NDArray[np.bool_], name: str) -> None:
    quiet(axes, "both")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    if not positive.any():
        axes.text(0.5, 0.5, "not tested", ha="center", color=SOFT, fontsize=8)
        axes.set_title(short(name, 24), fontsize=8)
        return
    share = float(positive.mean())
    axes.axhline(share, color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))
    found, right = recall_curve(scores, positive)
    axes.plot(found, right, color=OKABE_ITO[0], linewidth=1.6, drawstyle="steps-pre")
    ap = average_precision(scores, positive)
    axes.set_title(f"{short(name, 24)}\nAP {ap:.2f}, n {positive.sum():,}", fontsize=8)


def recall_curve(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Recall and precision at every distinct threshold, thinned to what can be seen."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[last].astype(np.float64)
    found, right = hits / max(hits[-1], 1), hits / (last + 1)
    keep = np.unique(np.linspace(0, len(last) - 1, min(MOST_POINTS, len(last))).astype(int))
    return np.append(0.0, found[keep]), np.append(right[0], right[keep])


def learning_section(content: ClassifierContent, figures: Figures) -> Section:
    """Loss and validation over epochs, a line per network."""
    title = "How it learned"
    history = content.history
    if history is None or not len(history):
        return Section("learning", title, absent="No training was recorded.", link="Learning")
    table = history.copy()
    if "network" not in table:
        table["network"] = [f"fold {int(k) + 1}" if k >= 0 else "final" for k in table["fold"]]
    wanted = ["loss", *(c for c in table.columns if str(c).startswith("validation"))]
    shown = [c for c in wanted if c in table and np.isfinite(table[c].astype(float)).any()]
    networks = natural(table["network"])

    def draw(figure: Figure) -> None:
        for axes, column in zip(np.ravel(figure.subplots(1, len(shown))), shown, strict=True):
            _learning(axes, table, str(column), networks)

    ends = table.groupby("network")["epoch"].max()
    alt = f"Learning curves of {count(len(networks), 'network')}."
    best = (
        " Large marks: the epoch that was kept." if "validation_balanced_accuracy" in shown else ""
    )
    figure = figures.figure(
        "learning",
        chart((WIDTH_IN, 2.9), draw, alt),
        f"One line per network ({int(ends.min())} to {int(ends.max())} epochs). Validation is on "
        f"groups inside the training folds, never on what was tested.{best}",
    )
    return Section("learning", title, figure if shown else NOTHING, "Nothing was recorded.",
                   link="Learning")  # fmt: skip


def _learning(axes: Axes, table: pd.DataFrame, column: str, networks: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    quiet(axes)
    looks = styles(networks)
    few = len(networks) <= NAMED_NETWORKS
    for name in networks:
        own = table[table["network"].astype(str) == name].sort_values("epoch")
        values = own[column].astype(float).to_numpy()
        look: dict[str, Any] = {
            "color": looks[name].colour if few else INK,
            "alpha": 1.0 if few else 0.45,
        }
        axes.plot(own["epoch"], values, linewidth=1.3 if few else 0.8, label=name, **look)
        if column == "validation_balanced_accuracy" and np.isfinite(values).any():
            best = int(np.nanargmax(values))
            mark = looks[name].matplotlib_marker
            at = own["epoch"].iloc[best]
            axes.plot(at, values[best], mark, markersize=8, markeredgecolor="white", **look)
    words = column.removeprefix("validation_").replace("_", " ")
    where = "training" if column == "loss" else "validation"
    axes.set_title(f"{words}, {where}", fontsize=9)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if few and len(networks) > 1 and column == "loss":
        axes.legend(frameon=False, fontsize=7.5)
