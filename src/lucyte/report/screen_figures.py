"""Figures of a screen: rescue against distance from the axis, ranked intervals, dose curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from lucyte.report.chart import INK, SOFT, chart, quiet
from lucyte.report.palette import Style
from lucyte.report.wording import count, number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 9.3
MOST_ROWS = 40
MOST_CURVES = 24
MOST_NAMES = 10
COLUMNS = 3
CONTROLS = ("disease", "wild_type")


@dataclass(frozen=True)
class CurveContent:
    """A dose response to draw.

    Attributes
    ----------
    treatment : str
    ec50 : float
        nan where there is none.
    low, high : float or None
    why : str
        What must be said beside it.
    at : callable
        From doses to the curve.
    """

    treatment: str
    ec50: float
    low: float | None
    high: float | None
    why: str
    at: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def rescue_scatter(wells: pd.DataFrame, hits: pd.DataFrame, looks: Mapping[str, Style]) -> Markup:
    """On the axis against off the axis: controls as small points, treatments by what they were
    called.

    Parameters
    ----------
    wells : DataFrame
        ``role, rescue, off_axis``.
    hits : DataFrame
        ``treatment, dose, call, rescue, off_axis``.
    looks : mapping of call to Style
    """
    known = hits[np.isfinite(hits["rescue"]) & np.isfinite(hits["off_axis"])]
    called = known["call"].value_counts()
    told = "; ".join(f"{name}: {n}" for name, n in called.items())
    alt = f"Rescue against distance from the axis, one mark per treatment and dose. {told}."
    return chart((WIDTH_IN, 4.6), lambda figure: _scatter(figure, wells, known, looks), alt)


def _scatter(
    figure: Figure, wells: pd.DataFrame, hits: pd.DataFrame, looks: Mapping[str, Style]
) -> None:
    axes = figure.add_subplot()
    quiet(axes, "both")
    controls = wells[wells["role"].isin(CONTROLS)]
    top = float(controls["off_axis"].quantile(0.95))
    hits = hits.assign(off_axis=hits["off_axis"].clip(lower=0.1))
    seen = [*controls["off_axis"], *hits["off_axis"]]
    floor = max(0.1, 0.8 * float(np.nanmin(seen, initial=1.0)))
    axes.set_yscale("log")
    axes.axhspan(floor / 2, top, color="#eef1f3", zorder=0)
    axes.text(0.995, top, "95 % of control wells ", transform=axes.get_yaxis_transform(),
              ha="right", va="bottom", fontsize=7.5, color=SOFT)  # fmt: skip
    for role, place in zip(CONTROLS, (0.0, 1.0), strict=True):
        own = controls[controls["role"] == role]
        axes.axvline(place, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        axes.scatter(own["rescue"], own["off_axis"], s=9, zorder=2,
                     facecolor="none" if role == "disease" else SOFT,
                     edgecolor=SOFT, linewidth=0.7)  # fmt: skip
    for call, style in looks.items():
        own = hits[hits["call"] == call]
        if not len(own):
            continue
        axes.scatter(own["rescue"], own["off_axis"], s=44, color=style.colour,
                     marker=style.matplotlib_marker, edgecolor="white", linewidth=0.7, zorder=4,
                     label=f"{call} ({len(own)})")  # fmt: skip
    ceiling = 1.6 * max(float(np.nanmax(seen, initial=1.0)), 4.0)
    axes.set_ylim(floor, ceiling)
    ticks = [each for each in (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000) if floor <= each <= ceiling]
    axes.set_yticks(ticks)
    axes.set_yticklabels([f"{each:g}" for each in ticks])
    axes.minorticks_off()
    axes.margins(x=0.08)
    if len(hits):
        _label_points(axes, hits)
    axes.set_xlabel("rescue along the model's margin (0 disease, 1 wild type)")
    axes.set_ylabel("distance from the axis, logarithmic\n(1: like a control well)")
    if len(hits):
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0),
                    handletextpad=0.3)  # fmt: skip


def _label_points(axes: Axes, hits: pd.DataFrame) -> None:
    """Names of what stands out, each beside its point, none upon another.

    Everything that left the axis, and the highest rescue of each treatment.
    """
    quiet_calls = ["none shown", "too few wells"]
    loud = hits[~hits["call"].isin(quiet_calls)]
    odd = loud[loud["call"] != "rescue"]
    best = loud[loud["call"] == "rescue"].drop_duplicates("treatment")
    named = pd.concat([odd, best]).head(MOST_NAMES).sort_values("off_axis")
    left, right = axes.get_xlim()
    height = float(np.diff(np.log10(axes.get_ylim()))[0])
    taken: list[tuple[float, float]] = []
    for row in named.to_dict("records"):
        x, y = float(row["rescue"]), float(row["off_axis"])
        place = math.log10(y)
        while any(
            abs(place - other) < 0.045 * height and abs(x - at) < 0.2 * (right - left)
            for at, other in taken
        ):
            place += 0.01 * height
        taken.append((x, place))
        end = x > left + 0.8 * (right - left)
        axes.annotate(
            f"{short(str(row['treatment']), 18)}{dose_text(row['dose'])}",
            (x, y),
            xytext=(x + (-0.014 if end else 0.014) * (right - left), 10**place),
            ha="right" if end else "left",
            va="center",
            fontsize=7.5,
            color=INK,
            zorder=6,
        )


def ranked(hits: pd.DataFrame, wells: pd.DataFrame, looks: Mapping[str, Style]) -> Markup:
    """Rescue with its interval per treatment and dose, in the order of the table, wells as dots."""
    shown = hits[np.isfinite(hits["rescue"].astype(float))].head(MOST_ROWS)
    first = ", ".join(
        f"{row['treatment']}{dose_text(row['dose'])} {number(row['rescue'])}"
        for row in shown.head(6).to_dict("records")
    )
    alt = f"Rescue of {count(len(shown), 'treatment')} and doses with intervals. Highest: {first}."
    height = 0.85 + 0.235 * max(len(shown), 3)
    return chart((WIDTH_IN, height), lambda figure: _ranked(figure, shown, wells, looks), alt)


def _ranked(
    figure: Figure, shown: pd.DataFrame, wells: pd.DataFrame, looks: Mapping[str, Style]
) -> None:
    axes = figure.add_subplot()
    quiet(axes, "x")
    for place in (0.0, 1.0):
        axes.axvline(place, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    by: dict[Any, pd.DataFrame] = dict(iter(wells.groupby(["treatment", wells["dose"].fillna(-1)])))
    for at, row in enumerate(shown.to_dict("records")):
        style = looks[row["call"]]
        dose = row["dose"] if math.isfinite(row["dose"]) else -1
        own = by.get((row["treatment"], dose))
        if own is not None:
            axes.scatter(own["rescue"], np.full(len(own), at), s=9, color=SOFT, alpha=0.55,
                         linewidth=0, zorder=2)  # fmt: skip
        if row["low"] is not None and math.isfinite(row["low"]):
            axes.plot([row["low"], row["high"]], [at, at], color=style.colour, linewidth=2.4,
                      alpha=0.55, solid_capstyle="round", zorder=3)  # fmt: skip
        axes.scatter([row["rescue"]], [at], s=34, color=style.colour,
                     marker=style.matplotlib_marker, edgecolor="white", linewidth=0.6,
                     zorder=4)  # fmt: skip
    names = [f"{short(str(r['treatment']), 24)}{dose_text(r['dose'])}"
             for r in shown.to_dict("records")]  # fmt: skip
    axes.set_yticks(range(len(shown)))
    axes.set_yticklabels(names, fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("rescue (0 disease, 1 wild type)")
    _handles(axes, looks, list(shown["call"]))


def _handles(axes: Axes, looks: Mapping[str, Style], calls: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    marks: list[Any] = [
        Line2D([], [], linestyle="none", marker=style.matplotlib_marker, color=style.colour,
               markeredgecolor="white", markersize=7, label=call)
        for call, style in looks.items() if call in calls
    ]  # fmt: skip
    axes.legend(handles=marks, frameon=False, fontsize=8, loc="upper left",
                bbox_to_anchor=(1.0, 1.0), handletextpad=0.3)  # fmt: skip


def dose_curves(curves: Sequence[CurveContent], wells: pd.DataFrame) -> Markup:
    """A panel per treatment: wells, the fitted curve, the EC50 with its interval.

    Parameters
    ----------
    curves : sequence of CurveContent
    wells : DataFrame
        ``role, treatment, dose, rescue``.
    """
    shown = curves[:MOST_CURVES]
    rows = math.ceil(len(shown) / COLUMNS)
    told = "; ".join(f"{each.treatment}: {ec50_text(each)}" for each in shown)
    alt = f"Rescue by dose, one point per well. {told}."
    return chart((WIDTH_IN, 0.55 + 2.15 * rows),
                 lambda figure: _curves(figure, shown, wells, rows), alt)  # fmt: skip


def _curves(figure: Figure, shown: Sequence[CurveContent], wells: pd.DataFrame, rows: int) -> None:
    grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    vehicle = wells.loc[wells["role"] == "disease", "rescue"].dropna().to_numpy(float)
    for axes, each in zip(grid, shown, strict=False):
        own = wells[(wells["treatment"] == each.treatment) & (wells["dose"] > 0)].dropna(
            subset=["rescue"]
        )
        _one_curve(axes, each, own, vehicle)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    figure.supylabel("rescue", fontsize=9)
    figure.supxlabel("dose (logarithmic); left: vehicle", fontsize=9)


def _one_curve(
    axes: Axes, each: CurveContent, own: pd.DataFrame, vehicle: npt.NDArray[np.float64]
) -> None:
    quiet(axes)
    doses = np.sort(own["dose"].unique().astype(float))
    start = doses[0] / 10**0.75
    for place in (0.0, 1.0):
        axes.axhline(place, color=SOFT, linewidth=0.7, linestyle=(0, (3, 3)), zorder=1)
    axes.set_xscale("log")
    jitter = start * 10 ** np.linspace(-0.12, 0.12, max(len(vehicle), 2))[: len(vehicle)]
    axes.scatter(jitter, vehicle, s=8, color=SOFT, alpha=0.5, linewidth=0, zorder=2)
    axes.scatter(own["dose"], own["rescue"], s=20, color="#0072B2", edgecolor="white",
                 linewidth=0.5, zorder=3)  # fmt: skip
    if math.isfinite(each.ec50):
        line = np.geomspace(doses[0] / 2, doses[-1] * 2, 120)
        axes.plot(line, each.at(line), color=INK, linewidth=1.6, zorder=4)
        low = each.low if each.low is not None else doses[0] / 2
        high = each.high if each.high is not None else doses[-1] * 2
        axes.axvspan(low, high, color="#E69F00", alpha=0.16, linewidth=0, zorder=0)
        if doses[0] / 2 <= each.ec50 <= doses[-1] * 2:
            axes.axvline(each.ec50, color="#a87400", linewidth=1.1, zorder=1)
    axes.set_xlim(start / 1.8, doses[-1] * 2.2)
    ticks = doses if len(doses) <= 6 else doses[:: math.ceil(len(doses) / 5)]
    axes.set_xticks([start, *ticks])
    axes.set_xticklabels(["0", *(f"{dose:g}" for dose in ticks)], fontsize=7.5)
    axes.minorticks_off()
    axes.set_title(f"{short(each.treatment, 26)}\n", fontsize=9)
    axes.text(0, 1.03, short(ec50_text(each), 46), transform=axes.transAxes, fontsize=7.5,
              color=SOFT, va="bottom")  # fmt: skip


def ec50_text(each: CurveContent) -> str:
    """``EC50 0.62 (0.4 to 0.9)``, or why there is none."""
    if not math.isfinite(each.ec50):
        return each.why.split(" (")[0].split(", so")[0]
    if each.why.startswith("EC50 outside"):
        return each.why
    if each.low is None and each.high is None:
        return f"EC50 {number(each.ec50)}, not bounded"
    if each.low is None:
        return f"EC50 {number(each.ec50)} (at most {number(each.high)})"
    if each.high is None:
        return f"EC50 {number(each.ec50)} (at least {number(each.low)})"
    return f"EC50 {number(each.ec50)} ({number(each.low)} to {number(each.high)})"


def dose_text(dose: float) -> str:
    """`` at 3.2``; empty where there is no dose."""
    return f" at {dose:g}" if math.isfinite(dose) else ""
