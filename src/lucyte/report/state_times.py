"""States over time drawn: curves of what is left, rates as arrows, sisters by age.

Every mark is an independent unit or a mean of units; cells are only counted in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lucyte.report.chart import INK, SOFT, chart, quiet
from lucyte.report.markup import drawing, tag
from lucyte.report.palette import Style, natural
from lucyte.report.units_plot import spaced
from lucyte.report.wording import count, interval, named, number, short
from lucyte.stats.inheritance import pair_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_IN = (9.3, 3.2)
PANEL = (392.0, 236.0)
FEWEST_PAIRS = 4
"""Pairs of a unit below which its own correlation is not drawn."""


def survival_figure(
    curves: pd.DataFrame, kind: str, state: str, styles: Mapping[str, Style], unit: str = "well"
) -> Markup:
    """The share to which it has not happened yet: a thin line per unit, the mean of units above.

    Parameters
    ----------
    curves : DataFrame
        ``kind, state, condition, unit, time_h, survival, low, high, n``; an empty unit is the mean
        of the units. Limits are drawn where they are known.
    kind : str
        ``dwell`` or ``passage``.
    state : str
    styles : mapping of condition to Style
    unit : str
        What a thin line is, in words.
    """
    own = curves[(curves["kind"] == kind) & (curves["state"] == state)]
    label = f"still in {state}" if kind == "dwell" else f"not yet in {state}"
    axis = "hours since it began" if kind == "dwell" else "hours since treatment"
    return chart(SIZE_IN, lambda figure: _survival(figure, own, styles, (label, axis, unit)),
                 _survival_alt(own, label, unit))  # fmt: skip


def _survival(
    figure: Figure, own: pd.DataFrame, styles: Mapping[str, Style], words: tuple[str, str, str]
) -> None:
    axes = figure.add_subplot()
    quiet(axes)
    ends: list[tuple[float, str, int, Style]] = []
    for condition in natural(own["condition"]):
        style, here = styles[condition], own[own["condition"] == condition]
        for _, line in here[here["unit"] != ""].groupby("unit", sort=True):
            axes.step(
                line["time_h"],
                line["survival"],
                where="post",
                color=style.colour,
                linewidth=0.7,
                alpha=0.5,
            )
        mean = here[here["unit"] == ""]
        known = mean[mean["low"].notna()]
        if len(known):
            axes.fill_between(
                known["time_h"],
                known["low"],
                known["high"],
                step="post",
                color=style.colour,
                alpha=0.14,
                linewidth=0,
            )
        axes.step(mean["time_h"], mean["survival"], where="post", color="white", linewidth=3.6)
        axes.step(mean["time_h"], mean["survival"], where="post", color=style.colour, linewidth=2.2)
        if len(mean):
            last = float(mean["survival"].iloc[-1])
            ends.append((last, condition, int(mean["n"].iloc[0]), style))
    _names(axes, ends, words[2])
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.set_ylabel(words[0])
    axes.set_xlabel(words[1])


def _names(axes: Axes, ends: Sequence[tuple[float, str, int, Style]], unit: str) -> None:
    ordered = sorted(ends, key=lambda each: each[0])
    places = spaced([each[0] for each in ordered], 0.17)
    for place, (_, condition, n, style) in zip(places, ordered, strict=True):
        where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
        name = short(named(condition), 20)
        axes.annotate(
            f"{name}\n",
            (1.015, place),
            color=style.ink,
            fontweight="bold",
            linespacing=1.2,
            **where,
        )
        axes.annotate(
            f"\n{count(n, unit)}",
            (1.015, place),
            color=SOFT,
            fontsize=7.5,
            linespacing=1.7,
            **where,
        )


def _survival_alt(own: pd.DataFrame, label: str, unit: str) -> str:
    parts = []
    for condition in natural(own["condition"]):
        mean = own[(own["condition"] == condition) & (own["unit"] == "")]
        if mean.empty:
            continue
        half = mean[mean["survival"] <= 0.5]
        when = f"half after {number(half['time_h'].iloc[0])} h" if len(half) else (
            f"{number(100 * mean['survival'].iloc[-1])} % at the end"
        )  # fmt: skip
        parts.append(f"{named(condition)} {when} ({count(int(mean['n'].iloc[0]), unit)})")
    return f"Share {label}, a thin line per {unit}, thick the mean: {'; '.join(parts)}."


def transition_diagram(
    rates: pd.DataFrame, classes: Sequence[str], styles: Mapping[str, Style], unit: str = "well"
) -> Markup:
    """States as discs, rates as arrows whose width goes with the rate; a panel per condition.

    Parameters
    ----------
    rates : DataFrame
        ``condition, source, target, estimate, low, high, n, seen`` per hour.
    classes : sequence of str
    styles : mapping of state to Style
    unit : str
    """
    conditions = natural(rates["condition"])
    finite = rates["estimate"][np.isfinite(rates["estimate"])]
    most = float(finite.max()) if len(finite) else 1.0
    height = PANEL[1] + 120 * (len(classes) > 2)
    columns = min(2, len(conditions))
    parts = []
    for place, condition in enumerate(conditions):
        own = rates[rates["condition"] == condition]
        dx, dy = (place % columns) * PANEL[0], (place // columns) * height
        panel = _panel(own, classes, styles, (most, height, unit))
        title = tag("text", named(condition), x=PANEL[0] / 2, y=18, text_anchor="middle",
                    font_weight=700, font_size=13, fill=INK)  # fmt: skip
        parts.append(tag("g", title, *panel, transform=f"translate({dx:.0f} {dy:.0f})"))
    rows = math.ceil(len(conditions) / columns)
    alt = "Switching rates per hour. " + "; ".join(
        f"{named(row['condition'])}: {row['source']} to {row['target']} {number(row['estimate'])}"
        for row in rates.to_dict("records")
    )
    return drawing(columns * PANEL[0], rows * height, *parts, alt=f"{alt}.", class_="transitions")


def _panel(
    own: pd.DataFrame,
    classes: Sequence[str],
    styles: Mapping[str, Style],
    scale: tuple[float, float, str],
) -> list[Markup]:
    most, height, unit = scale
    at = _places(len(classes), height)
    index = {name: place for place, name in enumerate(classes)}
    parts: list[Markup] = []
    for row in own.to_dict("records"):
        ends = at[index[str(row["source"])]], at[index[str(row["target"])]]
        parts += _arrow(row, ends, (most, unit, 0.5 if len(classes) == 2 else 0.27))
    for name, (x, y) in zip(classes, at, strict=True):
        parts.append(tag("circle", cx=x, cy=y, r=33.0, fill="#ffffff", stroke=styles[name].colour,
                         stroke_width=4))  # fmt: skip
        parts.append(tag("text", short(name, 11), x=x, y=y + 4, text_anchor="middle",
                         font_size=11.5, font_weight=600, fill=styles[name].ink))  # fmt: skip
    return parts


def _places(k: int, height: float) -> list[tuple[float, float]]:
    """Two states side by side, more on a ring."""
    if k == 2:
        return [(62.0, height / 2 + 8), (PANEL[0] - 62.0, height / 2 + 8)]
    middle = (PANEL[0] / 2, height / 2 + 10)
    return [
        (
            middle[0] + 132 * math.sin(2 * math.pi * i / k),
            middle[1] - (height / 2 - 66) * math.cos(2 * math.pi * i / k),
        )
        for i in range(k)
    ]


def _arrow(
    row: Mapping[Any, Any],
    ends: tuple[tuple[float, float], tuple[float, float]],
    scale: tuple[float, str, float],
) -> list[Markup]:
    """A bow to the left of the way it goes, its words outside it.

    ``scale``: the largest rate, the unit, and how far along the bow the words stand.
    """
    most, unit, along = scale
    (ax, ay), (bx, by) = ends
    length = math.hypot(bx - ax, by - ay)
    ux, uy = (bx - ax) / length, (by - ay) / length
    nx, ny = uy, -ux
    rate = float(row["estimate"])
    width = 1.0 + 7.0 * (rate / most if math.isfinite(rate) and most else 0.0)
    start = (ax + 30 * ux + 18 * nx, ay + 30 * uy + 18 * ny)
    tip = (bx - 32 * ux + 18 * nx, by - 32 * uy + 18 * ny)
    base = (tip[0] - 13 * ux + 5 * nx, tip[1] - 13 * uy + 5 * ny)
    bend = ((ax + bx) / 2 + 42 * nx, (ay + by) / 2 + 42 * ny)
    side = 4.5 + width / 2
    head = (
        f"M{tip[0]:.1f} {tip[1]:.1f}L{base[0] + side * nx:.1f} {base[1] + side * ny:.1f}"
        f"L{base[0] - side * nx:.1f} {base[1] - side * ny:.1f}Z"
    )
    bow = f"M{start[0]:.1f} {start[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {base[0]:.1f} {base[1]:.1f}"
    bow_at = [
        (1 - along) ** 2 * s + 2 * along * (1 - along) * m + along**2 * e
        for s, m, e in zip(start, bend, base, strict=True)
    ]
    away = 26.0 if along == 0.5 else 8.0
    words = (bow_at[0] + away * nx, bow_at[1] + away * ny + (0 if ny < 0 else 10))
    within = interval(row["low"], row["high"])
    few = f" ({within})" if within else ""
    n = f"{count(int(row['n']), unit)}, {int(row['seen'])} seen"
    middle: dict[str, Any] = {"text_anchor": "middle", "x": words[0]}
    return [
        tag("path", d=bow, fill="none", stroke=INK, stroke_width=width, opacity=0.8),
        tag("path", d=head, fill=INK, opacity=0.8),
        tag("text", f"{number(rate)} per h{few}", y=words[1], font_size=11, fill=INK, **middle),
        tag("text", n, y=words[1] + 13, font_size=9.5, fill=SOFT, **middle),
    ]


def sister_figure(
    sisters: pd.DataFrame, pairs: pd.DataFrame, styles: Mapping[str, Style], unit: str = "well"
) -> Markup:
    """How alike sisters' states are by age: a point per unit, the mean, and what chance gives.

    Parameters
    ----------
    sisters : DataFrame
        ``what, age_h, condition, correlation, low, high, n, pairs, chance, p``.
    pairs : DataFrame
        ``unit, condition, what, age_h, first, second``.
    styles : mapping of condition to Style
    unit : str
    """
    own = sisters[sisters["what"] == "state"].sort_values("age_h")
    points = _unit_points(pairs[pairs["what"] == "state"])
    first = own[own["age_h"] == own["age_h"].min()]
    parts = [
        f"{named(row['condition'])} {number(row['correlation'])} at first sight, "
        f"{count(int(row['pairs']), 'pair')} in {count(int(row['n']), unit)}, p {number(row['p'])}"
        for row in first.to_dict("records")
    ]
    alt = f"Correlation of sisters' states by age, a point per {unit}: {'; '.join(parts)}."
    return chart(SIZE_IN, lambda figure: _sisters(figure, own, points, styles), alt)


def _unit_points(pairs: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (unit, condition, age, pair_correlation(own["first"], own["second"]))
        for (unit, condition, age), own in pairs.groupby(["unit", "condition", "age_h"], sort=True)
        if len(own) >= FEWEST_PAIRS
    ]
    return pd.DataFrame(rows, columns=["unit", "condition", "age_h", "value"])


def _sisters(
    figure: Figure, own: pd.DataFrame, points: pd.DataFrame, styles: Mapping[str, Style]
) -> None:
    conditions = natural(own["condition"])
    ages = np.sort(own["age_h"].unique())
    step = float(np.diff(ages).min()) if len(ages) > 1 else 1.0
    grid = figure.subplots(1, len(conditions), sharey=True, squeeze=False)[0]
    for axes, condition in zip(grid, conditions, strict=True):
        quiet(axes)
        style, here = styles[condition], own[own["condition"] == condition]
        mine = points[points["condition"] == condition].dropna()
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.plot(here["age_h"], here["chance"], color=SOFT, linestyle="--", linewidth=1.0)
        axes.plot(
            mine["age_h"] - 0.12 * step,
            mine["value"],
            linestyle="none",
            marker=style.matplotlib_marker,
            markersize=3.8,
            color=style.colour,
            alpha=0.55,
            markeredgewidth=0,
        )
        known = here[here["low"].notna()]
        axes.vlines(known["age_h"], known["low"], known["high"], color=style.ink, linewidth=1.6)
        axes.plot(here["age_h"], here["correlation"], color=style.ink, linewidth=1.2, marker="o",
                  markersize=5, markeredgecolor="white")  # fmt: skip
        axes.set_title(short(named(condition), 24), fontsize=9)
        axes.set_xticks(ages)
        labels = [f"{age:g}\n{int(n)}" for age, n in zip(here["age_h"], here["pairs"], strict=True)]
        if len(labels) == len(ages):
            axes.set_xticklabels(labels)
        axes.set_xlabel("hours since both were first seen; below: pairs")
    grid[0].set_ylabel("correlation of sisters' states")
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(max(low, -1.05), min(high, 1.05))
