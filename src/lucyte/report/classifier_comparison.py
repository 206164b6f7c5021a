"""Which channels carry the decision: every form of fusion beside every other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lucyte.learn.cross_validation import find_metric
from lucyte.learn.fusion_comparison import FusionComparison, Trained
from lucyte.report.chart import SOFT, chart
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.classifier_forest import Row, forest, upto_one
from lucyte.report.classifier_numbers import WORDS, fixed
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count, listed, plural, short, span
from lucyte.stats.intervals import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_IN = 9.3
MOST_TOGETHER = 24
"""A forest of more models may be parted between printed pages."""
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
        absent = "Forms of fusion were not compared; --compare does."
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
    thing = content.thing if content.voted is None else content.source
    figure = figures.figure(
        "comparison",
        _drawn(found, frame, words),
        f"Left: {words} of every model, the best first. Right: the same minus that of the best "
        f"single channel ({found.best_single.removeprefix('single ')}), paired on the same "
        f"{plural(thing)}; {marks}. The best single channel was chosen on these very "
        "answers, which favours it; intervals are not corrected for the number of models.",
        wide=len(frame) > MOST_TOGETHER,
    )
    body = join(
        [
            tag("p", carrier_words(carriers, words, unit), class_="lede"),
            figure,
            _channels(carriers, words, late_shares(found)),
            table(_models(frame, found.metric, words), "Models"),
            tag(
                "p",
                f"n = {int(frame['samples'].iloc[0]):,} {plural(thing)} of "
                f"{count(groups, unit)} for every model; small figures are 95 % intervals. Alike "
                f"for all: {found.protocol}.{_of_late(found)}",
                class_="note",
            ),
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
    rows: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in carriers.to_dict("records")
    ]
    best = max(rows, key=lambda row: float(row["alone"]))
    alone = f"{best['channel']} alone reaches the highest {metric} ({fixed(best['alone'])})"
    known = [row for row in rows if _known(row.get("loss_without")) is not None]
    known.sort(key=lambda row: -float(row["loss_without"]))
    if not known:
        return f"{alone}; that no other channel can stand in for it was not tested."
    most = known[0]
    n = count(int(most["n"]), unit)
    loss = f"{fixed(most['loss_without'])} of {metric}"
    if all(_known(row["low"]) is None for row in known):
        return (
            f"In the data at hand, leaving out {most['channel']} costs early fusion the most "
            f"({loss}), but {n} are too few to say that it would again; {alone}."
        )
    felt = [row for row in known if (_known(row["low"]) or 0.0) > 0]
    if not felt:
        return (
            f"No channel is needed on its own: leaving out any costs early fusion at most {loss} "
            f"({most['channel']}, 95 % interval {_ends(most)}, n = {n}), so the channels tell "
            f"the same or tell nothing; {alone}."
        )
    costs = [f"{fixed(row['loss_without'])} (95 % interval {_ends(row)})" for row in felt]
    names = [str(row["channel"]) for row in felt]
    one = len(names) == 1
    return (
        f"{listed(names, 12)} {'carries' if one else 'carry'} the decision: without "
        f"{'it' if one else 'one of them'} early fusion loses {listed(costs, 12)} of {metric}"
        f"{'' if one else ', in this order'} (n = {n}). {alone}."
    )


def _ends(row: Mapping[str, Any]) -> str:
    return f"{fixed(_known(row['low']))} to {fixed(_known(row['high']))}"


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
        upto_one(a, max(-1.0, min(known, default=0.0) - 0.04))
        forest(b, right, "minus the best single channel", names=False)
        b.axvline(0, color=SOFT, linewidth=0.9, zorder=1)

    alt = f"{words} of {count(len(names), 'model')}; the best is {names[0]}, {left[0].said}."
    return chart((WIDTH_IN, 0.85 + 0.32 * len(names)), draw, alt)


def _gain(
    row: Mapping[Any, Any], found: FusionComparison, own: Trained, few: bool, look: tuple[str, str]
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


def _channels(carriers: pd.DataFrame, words: str, late: Mapping[str, float]) -> Markup:
    """What each channel does alone, what is lost without it, and its say in late fusion."""
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
        if "loss_exchanged" in row:
            ends = _limits(row.get("exchanged_low"), row.get("exchanged_high"))
            line["intermediate loses when it is exchanged"] = (
                f"{fixed(_known(row['loss_exchanged']))} ({ends})"
            )
        if late:
            line["share in late fusion"] = fixed(late.get(str(row["channel"])), 2)
        rows.append(line)
    return table(rows, "Channels")


def late_shares(found: FusionComparison) -> dict[str, float]:
    """Weight of each channel in late fusion of all, mean over folds; empty where there is none."""
    for each in found.trained:
        if each.entry.form == "late" and each.weights:
            return {
                name: float(np.mean([weights[name] for weights in each.weights]))
                for name in each.entry.channels
            }
    return {}


def _models(frame: pd.DataFrame, metric: str, words: str) -> list[dict[str, Any]]:
    out = []
    for row in frame.to_dict("records"):
        gain = _known(row.get("over_best_single"))
        out.append(
            {
                "form": row["form"],
                "channels": row["channels"],
                words: _with(fixed(float(row[metric])), row["low"], row["high"]),
                "over best single": _with(_signed(gain), row.get("over_low"), row.get("over_high")),
                "parameters": int(row["parameters"]),
                "training": tag("span", span(float(row["seconds"])), style="white-space:nowrap"),
            }
        )
    return out


def _of_late(found: FusionComparison) -> str:
    if not any(each.entry.form == "late" for each in found.trained):
        return ""
    return (
        " Late fusion is made of the single channels' networks; its parameters and training are "
        "theirs."
    )


def _with(value: str, low: Any, high: Any) -> Markup:
    """A number and, in small, its interval."""
    a, b = _known(low), _known(high)
    ends = NOTHING if a is None or b is None else tag("small", f" {fixed(a)} to {fixed(b)}")
    return tag("span", value, ends, class_="figures")


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
