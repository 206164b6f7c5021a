"""What is taken for what: the confusion matrix, rows to one, counts written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.chart import INK, SOFT, chart
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.markup import NOTHING, tag
from lucyte.report.palette import ink_on, natural, ramp
from lucyte.report.section import Figures, Section
from lucyte.report.wording import listed, plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 9.3
MOST_COUNTS = 30
"""With more classes the counts could not be read and are left to the table."""
PER_CELL = 12
"""Up to so many classes the share is written under the count."""
NAMED_PAIRS = 6


def confusion_section(content: ClassifierContent, figures: Figures) -> Section:
    """A matrix per level of answers, and the commonest confusions in words."""
    body = NOTHING
    for thing, result in content.levels:
        body += figures.figure(
            f"confusion-{'voted' if result is content.voted else 'own'}",
            confusion_figure(result),
            f"Rows: what each {thing} is. Columns: what it was called by "
            f"{content.unseen}. Colour: share of the row; numbers: counts "
            f"of {plural(thing)}.",
        )
        body += _loudest(result, thing)
    return Section("confusion", "What is taken for what", body, link="Confusions")


def confusion_figure(result: CrossValidation) -> Markup:
    """The matrix as inline SVG; side of a cell and length of names follow the classes."""
    names = natural(result.classes)
    at = [result.classes.index(name) for name in names]
    counts = result.table()[np.ix_(at, at)]
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    side = float(np.clip(6.4 / len(names), 0.16, 0.75))
    label = 0.085 * min(28, max(len(name) for name in names)) + 0.2
    width = min(WIDTH_IN, side * len(names) + label + 1.0)
    height = side * len(names) + label + 0.5
    right = np.diag(shares)[totals > 0]
    alt = (
        f"Confusion matrix of {len(names)} classes; the share called right runs from "
        f"{right.min():.2f} to {right.max():.2f}."
        if len(right)
        else "An empty confusion matrix."
    )

    def draw(figure: Figure) -> None:
        _draw(figure.add_subplot(), names, counts, shares)

    return chart((max(width, 3.2), height), draw, alt)


def _draw(
    axes: Axes,
    names: list[str],
    counts: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    shares: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    from matplotlib.patches import Rectangle

    n = len(names)
    size = 8.5 if n <= PER_CELL else 7.5 if n <= 18 else 5.5
    for i in range(n):
        for j in range(n):
            colour = ramp(float(shares[i, j]))
            axes.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colour, edgecolor="white", lw=0.8)
            )
            if not counts[i, j] or n > MOST_COUNTS:
                continue
            text = f"{counts[i, j]:,}"
            if n <= PER_CELL:
                text += f"\n{100 * shares[i, j]:.0f} %"
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=ink_on(colour),
                      linespacing=1.15)  # fmt: skip
        axes.add_patch(
            Rectangle(
                (i - 0.5, i - 0.5),
                1,
                1,
                facecolor="none",
                edgecolor=INK,
                lw=1.0,
                zorder=3,
                clip_on=False,
            )
        )
        axes.text(n - 0.35, i, f"{counts[i].sum():,}", va="center", fontsize=8, color=SOFT)
    axes.text(n - 0.35, -0.75, "all", va="center", fontsize=8, color=SOFT)
    most = 28
    side = float(np.clip(6.4 / n, 0.16, 0.75))
    upright = 0.085 * max(len(short(name, most)) for name in names) < side
    shown = [short(name, most) for name in names]
    axes.set_xticks(range(n))
    axes.set_xticklabels(
        shown,
        rotation=0 if upright else 90,
        ha="center",
        fontsize=9 if n <= 24 else 6,
    )
    axes.set_yticks(range(n))
    axes.set_yticklabels(shown, fontsize=9 if n <= 24 else 6)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _loudest(result: CrossValidation, thing: str) -> Markup:
    """The commonest confusions, as shares of what they are."""
    counts = result.table()
    totals = counts.sum(axis=1)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:NAMED_PAIRS]
    said = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j]:
            said.append(
                f"{result.classes[i]} as {result.classes[j]} ({wrong[i, j]} of {totals[i]})"
            )
    if not said:
        return tag("p", f"No {thing} was taken for another class.")
    return tag("p", f"Most often taken for another: {listed(said, NAMED_PAIRS)}.")
