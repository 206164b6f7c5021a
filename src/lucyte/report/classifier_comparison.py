"""Which channels carry the decision: every form of fusion beside every other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lucyte.learn.cross_validation import find_metric
from lucyte.learn.fusion_comparison import FusionComparison, Trained
from lucyte.report.chart import SOFT, chart
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.classifier_forest import Row, forest
from lucyte.report.classifier_numbers import WORDS, fixed
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count, listed, plural, short, span
from lucyte.stats.intervals import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_IN = 9.3
LOOKS = {
    "single": ("#5b6670", "o"),
    "early": ("#0072B2", "D"),
    "intermediate": ("#D55E00", "s"),
    "late": ("#009E73", "^"),
}
"""Colour and mark of each form."""


def comparison_section(content: ClassifierContent, figures: Figures) -> Section:
    """A forest of every model, its paired difference to the best channel, and the carrier."""
    title, found = "Which channel carries the decision", content.comparison
    if found is None:
        absent = "forms of fusion were not compared; --compare does."
        return Section("comparison", title, absent=absent, link="Channels and fusion")
    frame, carriers = found.frame(), found.carriers()
    words = WORDS.get(found.metric, found.metric.replace("_", " "))
    unit = found.trained[0].result.unit
    groups = int(frame["n"].iloc[0])
    marks = (
        f"circles are single {plural(unit)}, too few for an interval"
        if groups < FEWEST
        else f"bars are 95 % intervals over {count(groups, unit)}, circles are folds"
    )
    figure = figures.figure(
        "comparison",
        _drawn(found, frame, words),
        f"Left: {words} of every model, the best first. Right: the same minus that of the best "
        f"single channel ({found.best_single.removeprefix('single ')}), paired on the same "
        f"{plural(content.thing)}; {marks}. The best single channel was chosen on these very "
        "answers, which favours it; intervals are not corrected for the number of models.",
        wide=True,
    )
    body = join(
        [
            tag("p", carrier_words(carriers, words, unit), class_="lede"),
            figure,
            _channels(carriers, words),
            table(_models(frame, found.metric, words), "Models"),
            tag("p", f"Alike for all: {found.protocol}.", class_="note"),
        ]
    )
    return Section("comparison", title, body, link="Channels and fusion")


def carrier_words(carriers: pd.DataFrame, metric: str, unit: str) -> str:
    """The sentence that names the channel whose absence is felt, or says that none is.

    Parameters
    ----------
    carriers : DataFrame
        Of `FusionComparison.carriers`.
    metric, unit : str
        In words.
    """
    best = carriers.loc[carriers["alone"].idxmax()]
    alone = f"{best['channel']} alone reaches the highest {metric} ({fixed(best['alone'])})"
    known = carriers[carriers["loss_without"].notna()] if "loss_without" in carriers else []
    if not len(known):
        return f"{alone}; that no other channel can stand in for it was not tested."
    most = known.loc[known["loss_without"].idxmax()]
    n = count(int(most["n"]), unit)
    loss = f"{fixed(most['loss_without'])} of {metric}"
    if most["low"] is None or not math.isfinite(most["low"]):
        return (
            f"In the data at hand, leaving out {most['channel']} costs early fusion the most "
            f"({loss}), but {n} are too few to say that it would again; {alone}."
        )
    felt = known[known["low"].astype(float) > 0].sort_values("loss_without", ascending=False)
    if not len(felt):
        return (
            f"No channel is needed on its own: leaving out any costs early fusion at most {loss} "
            f"({most['channel']}, 95 % interval {_ends(most)}, n = {n}), so the channels tell "
            f"the same or tell nothing; {alone}."
        )
    costs = [
        f"{fixed(row['loss_without'])} (95 % interval {_ends(row)})" for _, row in felt.iterrows()
    ]
    names = [str(name) for name in felt["channel"]]
    verb = "carries" if len(names) == 1 else "carry"
    each = "" if len(names) == 1 else ", in this order"
    return (
        f"{listed(names, 12)} {verb} the decision: without {'it' if len(names) == 1 else 'them'} "
        f"early fusion loses {listed(costs, 12)} of {metric}{each} (n = {n}). {alone}."
    )


def _ends(row: Any) -> str:
    return f"{fixed(row['low'])} to {fixed(row['high'])}"


def _drawn(found: FusionComparison, frame: pd.DataFrame, words: str) -> Markup:
    names = [str(name) for name in frame["model"]]
    left, right = [], []
    for row in frame.to_dict("records"):
        colour, marker = LOOKS.get(str(row["form"]), LOOKS["single"])
        own = found.find(str(row["model"]))
        few = int(row["n"]) < FEWEST
        low, high = _known(row["low"]), _known(row["high"])
        left.append(
            Row(
                short(str(row["model"]), 38),
                float(row[found.metric]),
                low,
                high,
                _by_group(own, found.metric) if few else _by_fold(own, found.metric),
                fixed(float(row[found.metric])),
                colour=colour,
                marker=marker,
            )
        )
        right.append(_gain(row, found, own, few, (colour, marker)))

    def draw(figure: Figure) -> None:
        a, b = figure.subplots(1, 2, width_ratios=(1.15, 1))
        forest(a, left, words)
        values = [x for row in left for x in (row.estimate, row.low, *row.points) if x is not None]
        known = [x for x in values if math.isfinite(x)]
        a.set_xlim(max(-1.0, min(known, default=0.0) - 0.04), 1.02)
        forest(b, right, "minus the best single channel", names=False)
        b.axvline(0, color=SOFT, linewidth=0.9, zorder=1)

    alt = f"{words} of {count(len(names), 'model')}; the best is {names[0]}, {left[0].said}."
    return chart((WIDTH_IN, 0.85 + 0.32 * len(names)), draw, alt)


def _gain(
    row: dict[str, Any], found: FusionComparison, own: Trained, few: bool, look: tuple[str, str]
) -> Row:
    if row["model"] == found.best_single:
        return Row("", 0.0, said="best single", colour=look[0], marker=look[1])
    base = found.find(found.best_single)
    points = (
        [
            x - y
            for x, y in zip(
                _by_group(own, found.metric), _by_group(base, found.metric), strict=True
            )
        ]
        if few
        else []
    )
    gain = _known(row.get("over_best_single"))
    return Row(
        "",
        math.nan if gain is None else gain,
        _known(row.get("over_low")),
        _known(row.get("over_high")),
        points,
        _signed(gain),
        colour=look[0],
        marker=look[1],
    )


def _by_fold(each: Trained, metric: str) -> list[float]:
    measure, result = find_metric(metric), each.result
    return [measure(result.table(result.rows(k))) for k in range(result.folds)]


def _by_group(each: Trained, metric: str) -> list[float]:
    measure, result = find_metric(metric), each.result
    rows = result.rows()
    where = np.asarray([result.groups[k] for k in rows])
    return [measure(result.table(rows[where == name])) for name in np.unique(where)]


def _channels(carriers: pd.DataFrame, words: str) -> Markup:
    """What each channel does alone, and what is lost without it."""
    if not len(carriers):
        return NOTHING
    rows = []
    for row in carriers.to_dict("records"):
        line: dict[str, Any] = {
            "channel": row["channel"],
            f"{words} alone": fixed(float(row["alone"])),
        }
        if "loss_without" in row:
            line |= {
                "early fusion of all loses without it": fixed(_known(row["loss_without"])),
                "95 % interval": _limits(row.get("low"), row.get("high")),
            }
        rows.append(line)
    return table(rows, "Channels")


def _models(frame: pd.DataFrame, metric: str, words: str) -> list[dict[str, Any]]:
    unit = plural(str(frame["unit"].iloc[0]))
    out = []
    for row in frame.to_dict("records"):
        gain = _known(row.get("over_best_single"))
        out.append(
            {
                "form": row["form"],
                "channels": row["channels"],
                words: fixed(float(row[metric])),
                "95 % interval": _limits(row["low"], row["high"]),
                "over best single": _signed(gain) if gain is not None else "–",
                "its interval": _limits(row.get("over_low"), row.get("over_high")),
                unit: int(row["n"]),
                "samples": int(row["samples"]),
                "parameters": int(row["parameters"]),
                "training": span(float(row["seconds"])),
            }
        )
    return out


def _limits(low: Any, high: Any) -> Markup:
    a, b = _known(low), _known(high)
    text = "–" if a is None or b is None else f"{fixed(a)} to {fixed(b)}"
    return tag("span", text, style="white-space:nowrap")


def _signed(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:+.3f}".replace("-", "−")


def _known(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def forms_named(trained: Sequence[Trained]) -> str:
    """``3 single channels, 3 early, 1 intermediate``, for the methods paragraph."""
    forms = [each.entry.form for each in trained]
    told = [f"{forms.count(form)} {form}" for form in LOOKS if form in forms]
    return listed(told)
