"""A model in words and curves: formulas that answer like it, and what moves its answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lucyte.report.chart import SOFT, chart
from lucyte.report.findings import chip
from lucyte.report.markup import join, tag
from lucyte.report.palette import styles
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count
from lucyte.schema.finding import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3
LONG = re.compile(r"\d+\.\d{4,}(?!\d|e)")
KINDS = {"sparse": "weighted sum", "tree": "small tree", "formula": "formula"}


@dataclass(frozen=True)
class Formula:
    """A readable model with what held-out groups say of it; see `explain_by_formulas`."""

    kind: str
    words: str
    features: str
    complexity: float
    verdict: str
    fidelity: float
    fidelity_low: float | None
    fidelity_high: float | None
    accuracy: float
    accuracy_low: float | None
    accuracy_high: float | None
    accuracy_kept: float
    accuracy_kept_low: float | None
    accuracy_kept_high: float | None


@dataclass(frozen=True)
class Curve:
    """How far the answer moves with the dose of a change.

    Attributes
    ----------
    words, dose, target : str
    levels : tuple of S float
    change : tuple of S float
        Of the target's probability from level 0, mean over units.
    low, high : tuple of S float or None
    per_unit : mapping of unit to S float
    flipped : float
        Share of answers that turn at the full dose.
    unit : str
    """

    words: str
    dose: str
    target: str
    levels: tuple[float, ...]
    change: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    per_unit: Mapping[str, tuple[float, ...]]
    flipped: float
    unit: str


def formulas_section(formulas: Sequence[Formula], findings: Sequence[Finding]) -> Section:
    """Readable models, each with the share of answers and of accuracy that it keeps."""
    title = "In words"
    if not formulas:
        why = "No readable model answers like this one, or none could be tested."
        return Section("formulas", title, absent=why, link="In words")
    tests = [chip(each) for each in findings if each.name.startswith("surrogate.")]
    rows = [
        {
            "kind": KINDS.get(each.kind, each.kind),
            "says": LONG.sub(_rounded, each.words),
            "same answers": _range(each.fidelity, each.fidelity_low, each.fidelity_high),
            "accuracy kept": _range(
                each.accuracy_kept, each.accuracy_kept_low, each.accuracy_kept_high
            ),
        }
        for each in formulas
    ]
    note = tag(
        "p",
        "Fitted to the model's answers on measured features, and asked about groups that they did "
        "not see. A formula that answers alike need not be how the model does it.",
        class_="note",
    )
    parts = [tag("div", join(tests), class_="chips"), table(rows, "Readable models"), note]
    return Section("formulas", title, join(parts), link="In words")


def curves_section(curves: Sequence[Curve], figures: Figures) -> Section:
    """One panel per change: what the answer does as more of it is made."""
    title = "What moves the answer"
    if not curves:
        return Section("curves", title, absent="No picture was changed.", link="What moves it")
    kinds = list(dict.fromkeys(each.words for each in curves))
    drawn = chart(
        (9.0, 2.3 * math.ceil(len(kinds) / COLUMNS)),
        lambda figure: _draw(figure, kinds, curves),
        "Change of the model's probability with the dose of each change",
    )
    units = max(len(each.per_unit) for each in curves)
    words = (
        "How far the probability of a cell's own answer moves as its picture is changed: thin "
        f"lines single {curves[0].unit}s, thick ones their mean "
        f"({count(units, curves[0].unit)}), bars 95 % intervals. It says what this model uses, not "
        "what the biology is."
    )
    return Section("curves", title, figures.figure("curves", drawn, words), link="What moves it")


def _draw(figure: Figure, kinds: Sequence[str], curves: Sequence[Curve]) -> None:
    look = styles(list(dict.fromkeys(each.target for each in curves)))
    rows = math.ceil(len(kinds) / COLUMNS)
    grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    for place, kind in enumerate(kinds):
        axes = grid[place // COLUMNS][place % COLUMNS]
        axes.axhline(0, color=SOFT, lw=0.6)
        for each in curves:
            if each.words != kind:
                continue
            colour = look[each.target].colour
            for values in each.per_unit.values():
                axes.plot(each.levels, values, color=colour, lw=0.5, alpha=0.4)
            label = f"{each.target}: {each.flipped:.0%} turn"
            axes.plot(each.levels, each.change, color=colour, lw=1.8, label=label)
            for x, low, high in zip(each.levels, each.low, each.high, strict=True):
                if low is not None and high is not None:
                    axes.vlines(x, low, high, color=colour, lw=1.2)
        axes.set_title(kind)
        axes.set_ylim(-1.02, 0.6)
        axes.legend(frameon=False, fontsize=7, loc="lower left")
    for place in range(len(kinds), rows * COLUMNS):
        grid[place // COLUMNS][place % COLUMNS].set_visible(False)
    for row in grid:
        row[0].set_ylabel("change of probability")


def _rounded(found: re.Match[str]) -> str:
    """Four digits are what a person reads; the exact number is in the model's own words."""
    return f"{float(found[0]):.4g}"


def _range(value: float, low: float | None, high: float | None) -> Markup | str:
    if not math.isfinite(value):
        return "–"
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return f"{value:.0%}" + (f" ({low:.0%} to {high:.0%})" if known else "")
