"""What a finding keeps in ``details``: curves as small charts, everything else as a list.

A curve is a mapping ``x, y`` (lists of one length), optional ``low, high`` (a band), ``x_label,
y_label, reference`` (a level to compare with); or several of them by name. ``units`` maps each
independent unit to its value, ``reviewer`` is a sentence for a specialist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from lucyte.report.chart import INK, SOFT, chart, quiet
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.palette import styles
from lucyte.report.table import table
from lucyte.report.wording import feature_words, number, sentence, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ITEMS = 40
Curve = Mapping[str, Any]


def details(found: Mapping[str, Any], y_label: str = "") -> Markup:
    """Curves first, then tables, then names and values; empty where there is nothing."""
    found = {str(key): binned(value) or value for key, value in found.items()}
    curves = {key: each for key, each in found.items() if _is_curve(each)}
    for value in found.values():
        if _holds_curves(value):
            curves |= {str(name): each for name, each in value.items()}
    rest = {k: v for k, v in found.items() if k not in curves and not _holds_curves(v)}
    parts = [_curves(curves, y_label)] if curves else []
    for key in [key for key in rest if records(rest[key])]:
        parts.append(_records_table(feature_words(key), rest.pop(key)))
    reviewer = rest.pop("reviewer", "")
    if rest:
        items = (
            tag("dt", feature_words(key)) + tag("dd", _value(value)) for key, value in rest.items()
        )
        parts.append(tag("dl", join(items), class_="facts"))
    if reviewer:
        parts.append(tag("p", tag("b", "For the reviewer. "), str(reviewer), class_="note"))
    return join(parts)


def records(value: Any) -> bool:
    """Is it a list of mappings?"""
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(row, Mapping) for row in value)
    )


def binned(value: Any) -> Curve | None:
    """Rows with ``from_<unit>``, ``to_<unit>`` and ``auroc`` as a curve over the middles."""
    if not records(value):
        return None
    ends = [key for key in value[0] if str(key).startswith("from_")]
    if len(ends) != 1 or any(
        key not in row for row in value for key in (ends[0], _to(ends[0]), "auroc")
    ):
        return None
    curve: dict[str, Any] = {
        "x": [(row[ends[0]] + row[_to(ends[0])]) / 2 for row in value],
        "y": [row["auroc"] for row in value],
        "x_label": f"distance to the nearest cell ({ends[0].removeprefix('from_')})",
        "y_label": "AUROC",
        "reference": 0.5,
    }
    if all(row.get(key) is not None for row in value for key in ("low", "high")):
        curve |= {key: [row[key] for row in value] for key in ("low", "high")}
    return curve


def _to(key: str) -> str:
    return "to_" + key.removeprefix("from_")


def _records_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Plain columns only; what is nested stands in evidence.json."""
    columns = [
        key
        for key in rows[0]
        if not any(isinstance(row.get(key), Mapping | list | tuple) for row in rows)
        and any(row.get(key) is not None for row in rows)
    ]
    plain = [
        {
            feature_words(str(key)): _text(row[key]) if row.get(key) is not None else "–"
            for key in columns
        }
        for row in rows[:MOST_ITEMS]
    ]
    return table(plain, sentence(title), hide_caption=False)


def _is_curve(value: Any) -> bool:
    if not isinstance(value, Mapping) or "x" not in value or "y" not in value:
        return False
    x, y = value["x"], value["y"]
    return (
        isinstance(x, list | tuple) and isinstance(y, list | tuple) and len(x) == len(y) and len(x)
    ) > 0


def _holds_curves(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(map(_is_curve, value.values()))


def _curves(curves: Mapping[str, Curve], y_label: str) -> Markup:
    first = next(iter(curves.values()))
    x_label = str(first.get("x_label", "x"))
    y_label = str(first.get("y_label", y_label or "value"))
    alt = f"{y_label} over {x_label}. " + " ".join(
        f"{feature_words(name)}: from {number(each['y'][0])} to {number(each['y'][-1])}."
        for name, each in curves.items()
    )

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for (name, each), style in zip(curves.items(), styles(curves).values(), strict=True):
            x, y = _floats(each["x"]), _floats(each["y"])
            if "low" in each and "high" in each:
                low, high = _floats(each["low"]), _floats(each["high"])
                axes.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)
            axes.plot(
                x,
                y,
                color=style.colour,
                marker=style.matplotlib_marker,
                markersize=4.5,
                label=short(feature_words(name), 30),
            )
            if each.get("reference") is not None:
                axes.axhline(float(each["reference"]), color=INK, linewidth=1, linestyle="--")
        quiet(axes)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if len(curves) > 1:
            axes.legend(frameon=False, labelcolor=SOFT, fontsize=8)

    return chart((4.8, 2.5), draw, alt)


def _floats(values: Any) -> Any:
    return np.array([math.nan if each is None else float(each) for each in values])


def _value(value: Any) -> Markup:
    if isinstance(value, Mapping):
        pairs = [f"{key}: {_text(each)}" for key, each in list(value.items())[:MOST_ITEMS]]
        return _items(pairs, len(value))
    if isinstance(value, list | tuple):
        return _items([_text(each) for each in value[:MOST_ITEMS]], len(value))
    return join([_text(value)])


def _items(texts: list[str], total: int) -> Markup:
    more = f" … ({total} in all)" if total > len(texts) else ""
    return join([", ".join(texts) + more]) if texts else NOTHING + "none"


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "undefined"}[value]
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_text(each)}" for key, each in value.items()) + ")"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_text, value)) + ")"
    return str(value)
