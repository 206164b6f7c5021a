"""Points per independent unit, and their mean: over time, over dose, or side by side.

Never a bar, never a cell as a point: n is the number of units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from lucyte.report.chart import INK, SOFT, chart, quiet
from lucyte.report.palette import Style, natural
from lucyte.report.wording import count, named, number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOGETHER = 5
"""Up to so many conditions share one pair of axes; more are drawn side by side."""
MOST = 60
"""So many conditions are drawn at most; ``units_plot`` says how many were left out."""
WIDTH_IN = 9.3
CROWDED = 12
"""More units of a condition than this are drawn faintly, so that their mean is seen."""


@dataclass(frozen=True)
class Scale:
    """What the axes say.

    Attributes
    ----------
    y : str
        Label of the value.
    unit : str
        What a point is.
    limits : tuple of float or None
        Ends of the value axis; None fits them to the points.
    interval_s : float or None
        Seconds between time indices; None leaves the index as it is.
    """

    y: str
    unit: str = "well"
    limits: tuple[float, float] | None = None
    interval_s: float | None = None


@dataclass(frozen=True)
class UnitsPlot:
    """The drawing, how it was laid out (``dose``, ``time``, ``panels`` or ``beside``) and how
    many conditions did not fit."""

    svg: Markup
    layout: str
    left_out: int


def units_plot(points: pd.DataFrame, styles: Mapping[str, Style], scale: Scale) -> UnitsPlot:
    """Draw one value per unit, condition and time.

    Parameters
    ----------
    points : DataFrame
        ``unit, condition, time_index, value`` and optionally ``dose``.
    styles : mapping of condition to Style
    scale : Scale
    """
    points = points[np.isfinite(points["value"].astype(float))]
    conditions = natural(points["condition"])
    shown = conditions[:MOST]
    points = points[points["condition"].isin(shown)].sort_values(
        ["condition", "time_index", "unit"], kind="stable"
    )
    layout = _layout(points, shown)
    draw = {"dose": _dose, "time": _time, "panels": _panels, "beside": _beside}[layout]
    height = {
        "dose": 3.1,
        "time": 3.1,
        "panels": 0.5 + 1.35 * math.ceil(len(shown) / 5),
        "beside": 0.75 + 0.34 * max(len(shown), 2),
    }[layout]
    alt = _alt(points, shown, scale)
    svg = chart((WIDTH_IN, height), lambda figure: draw(figure, points, styles, scale), alt)
    return UnitsPlot(svg, layout, len(conditions) - len(shown))


def _layout(points: pd.DataFrame, conditions: list[str]) -> str:
    if points["time_index"].nunique() > 1:
        return "time" if len(conditions) <= TOGETHER else "panels"
    doses = points["dose"].nunique() if "dose" in points else 0
    return "dose" if doses > 1 and not points["dose"].isna().any() else "beside"


def _alt(points: pd.DataFrame, conditions: list[str], scale: Scale) -> str:
    means = []
    for condition in conditions[:8]:
        own = points[points["condition"] == condition]
        last = own[own["time_index"] == own["time_index"].max()]
        means.append(
            f"{named(condition)} {number(last['value'].mean())} ({count(len(last), scale.unit)})"
        )
    when = " at the last time" if points["time_index"].nunique() > 1 else ""
    more = f"; {len(conditions) - 8} further conditions" if len(conditions) > 8 else ""
    return f"{scale.y}, one point per {scale.unit}. Means{when}: {'; '.join(means)}{more}."


def _time(figure: Figure, points: pd.DataFrame, styles: Mapping[str, Style], scale: Scale) -> None:
    axes = figure.add_subplot()
    conditions = natural(points["condition"])
    times = np.sort(points["time_index"].unique())
    step = float(np.diff(times).min()) if len(times) > 1 else 1.0
    labels = []
    for place, condition in enumerate(conditions):
        own, style = points[points["condition"] == condition], styles[condition]
        shift = (place - (len(conditions) - 1) / 2) * step * min(0.05, 0.3 / len(conditions))
        _trace(axes, own, style, shift, scale)
        mean = own.groupby("time_index")["value"].mean()
        units = own["unit"].nunique()
        labels.append((float(mean.iloc[-1]), short(named(condition)), units, style))
    _ends(axes, labels, scale)
    _time_axis(axes, times, scale)


def _trace(axes: Axes, own: pd.DataFrame, style: Style, shift: float, scale: Scale) -> None:
    crowded = own["unit"].nunique() > CROWDED
    for _, unit in own.groupby("unit", sort=True):
        x = _hours(unit["time_index"].to_numpy(float) + shift, scale)
        look: dict[str, Any] = {"color": style.colour}
        axes.plot(x, unit["value"], linewidth=0.6, alpha=0.15 if crowded else 0.5, **look)
        axes.plot(
            x,
            unit["value"],
            linestyle="none",
            marker=style.matplotlib_marker,
            markersize=3.0 if crowded else 4.6,
            markeredgecolor="white",
            markeredgewidth=0.0 if crowded else 0.6,
            alpha=0.35 if crowded else 1.0,
            zorder=3 if crowded else 6,
            **look,
        )
    mean = own.groupby("time_index")["value"].mean()
    x = _hours(mean.index.to_numpy(float), scale)
    axes.plot(x, mean, color="white", linewidth=3.4, solid_capstyle="round", zorder=4)
    axes.plot(x, mean, color=style.colour, linewidth=2.2, solid_capstyle="round", zorder=5)


def _ends(axes: Axes, labels: list[tuple[float, str, int, Style]], scale: Scale) -> None:
    """Names at the ends of the mean lines, moved apart where they would touch."""
    if scale.limits:
        axes.set_ylim(*scale.limits)
    else:
        axes.margins(y=0.08)
    low, high = axes.get_ylim()
    ordered = sorted(labels, key=lambda each: each[0])
    places = spaced([value for value, *_ in ordered], (high - low) * 0.14)
    for place, (_, name, units, style) in zip(places, ordered, strict=True):
        axes.annotate(
            f"{name}\n",
            (1.015, place),
            xycoords=("axes fraction", "data"),
            color=style.ink,
            fontweight="bold",
            va="center",
            linespacing=1.25,
        )
        axes.annotate(
            f"\n{count(units, scale.unit)}",
            (1.015, place),
            xycoords=("axes fraction", "data"),
            color=SOFT,
            fontsize=7.5,
            va="center",
            linespacing=1.7,
        )


def spaced(places: list[float], gap: float) -> list[float]:
    """Rising places moved apart to at least ``gap``, each group about its own middle."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1:
            below, above = groups[-2], groups[-1]
            reach = (len(below) + len(above)) / 2 * gap
            if sum(above) / len(above) - sum(below) / len(below) >= reach:
                break
            groups[-2:] = [below + above]
    return [
        sum(group) / len(group) + (i - (len(group) - 1) / 2) * gap
        for group in groups
        for i in range(len(group))
    ]


def _time_axis(axes: Axes, times: npt.NDArray[Any], scale: Scale) -> None:
    from matplotlib.ticker import MaxNLocator

    quiet(axes)
    axes.set_ylabel(scale.y)
    axes.set_xlabel("time (h)" if scale.interval_s else "time index (frames)")
    if len(times) <= 12:
        axes.set_xticks(_hours(times.astype(float), scale))
        axes.set_xticklabels([f"{x:g}" for x in np.round(_hours(times.astype(float), scale), 2)])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=not scale.interval_s))


def _hours(times: npt.NDArray[Any], scale: Scale) -> npt.NDArray[Any]:
    return times * scale.interval_s / 3600 if scale.interval_s else times


def _panels(
    figure: Figure, points: pd.DataFrame, styles: Mapping[str, Style], scale: Scale
) -> None:
    conditions = natural(points["condition"])
    columns = 5
    rows = math.ceil(len(conditions) / columns)
    _fixed_margins(figure)  # the solver takes seconds over forty panels
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    overall = points.groupby("time_index")["value"].mean()
    for axes, condition in zip(grid, conditions, strict=False):
        own = points[points["condition"] == condition]
        x = _hours(overall.index.to_numpy(float), scale)
        axes.plot(x, overall, color="#b9c1c8", linewidth=1.2)
        _trace(axes, own, Style(INK, "circle"), 0.0, scale)
        axes.set_title(short(named(condition), 20), fontsize=8)
        quiet(axes)
        if scale.limits:
            axes.set_ylim(*scale.limits)
    for axes in grid[len(conditions) :]:
        axes.set_visible(False)
    figure.supylabel(scale.y, fontsize=9)
    figure.supxlabel("time (h)" if scale.interval_s else "time index (frames)", fontsize=9)


def _fixed_margins(figure: Figure) -> None:
    width, height = figure.get_size_inches()
    figure.set_layout_engine(None)
    figure.subplots_adjust(
        left=0.7 / width,
        right=1 - 0.08 / width,
        bottom=0.55 / height,
        top=1 - 0.25 / height,
        wspace=0.12,
        hspace=0.42,
    )


def _beside(
    figure: Figure, points: pd.DataFrame, styles: Mapping[str, Style], scale: Scale
) -> None:
    axes = figure.add_subplot()
    quiet(axes, "x")
    conditions = natural(points["condition"])
    ends = scale.limits or (points["value"].min(), points["value"].max())
    for row, condition in enumerate(conditions):
        own, style = points[points["condition"] == condition], styles[condition]
        values = own["value"].to_numpy(float)
        axes.scatter(
            values,
            row + _spread(values, 0.012 * float(ends[1] - ends[0])),
            s=26,
            color=style.colour,
            marker=style.matplotlib_marker,
            edgecolor="white",
            linewidth=0.6,
            zorder=3,
        )
        if len(values) > 1:
            mean = float(values.mean())
            axes.plot([mean, mean], [row - 0.32, row + 0.32], color=INK, linewidth=1.4, zorder=2)
    axes.set_yticks(range(len(conditions)))
    names = [
        f"{short(named(each), 34)}  ({(points['condition'] == each).sum()})" for each in conditions
    ]
    axes.set_yticklabels(names)
    axes.set_ylim(len(conditions) - 0.4, -0.6)
    if scale.limits:
        axes.set_xlim(*scale.limits)
    axes.set_xlabel(scale.y)


def _spread(values: npt.NDArray[np.float64], near: float) -> npt.NDArray[np.float64]:
    """Small steps up and down where points would hide one another."""
    steps = (0.0, 0.13, -0.13, 0.24, -0.24)
    spread = np.zeros(len(values))
    step, last = 0, -math.inf
    for i in np.argsort(values, kind="stable"):
        step = (step + 1) % len(steps) if values[i] - last < near else 0
        spread[i], last = steps[step], float(values[i])
    return spread


def _dose(figure: Figure, points: pd.DataFrame, styles: Mapping[str, Style], scale: Scale) -> None:
    axes = figure.add_subplot()
    quiet(axes)
    doses = np.sort(points["dose"].astype(float).unique())
    place = _dose_places(doses)
    x = points["dose"].astype(float).map(place)
    colour = styles[natural(points["condition"])[0]].colour
    axes.scatter(x, points["value"], s=26, color=colour, edgecolor="white", linewidth=0.6, zorder=3)
    mean = points.groupby(x)["value"].mean()
    axes.plot(mean.index, mean, color=INK, linewidth=1.8)
    axes.set_xticks([place[dose] for dose in doses])
    axes.set_xticklabels(
        [number(float(dose)) for dose in doses],
        rotation=0 if len(doses) <= 9 else 40,
        ha="center" if len(doses) <= 9 else "right",
    )
    if scale.limits:
        axes.set_ylim(*scale.limits)
    axes.margins(y=0.1)
    axes.set_ylabel(scale.y)
    axes.set_xlabel("dose (logarithmic)" if _logarithmic(doses) else "dose")


def _logarithmic(doses: npt.NDArray[np.float64]) -> bool:
    positive = doses[doses > 0]
    return bool((doses >= 0).all() and len(positive) > 2 and positive.max() >= 20 * positive.min())


def _dose_places(doses: npt.NDArray[np.float64]) -> dict[float, float]:
    """Where each dose stands; on a logarithmic axis zero stands one step left of the lowest."""
    if not _logarithmic(doses):
        return {float(dose): float(dose) for dose in doses}
    logs = {float(dose): math.log10(dose) for dose in doses if dose > 0}
    ordered = sorted(logs.values())
    first = ordered[0] - max(float(np.median(np.diff(ordered))), 0.2)
    return {float(dose): logs.get(float(dose), first) for dose in doses}
