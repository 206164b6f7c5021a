"""Quality: what was flagged in which field, corrections before and after, problems of the input."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from lucyte.report.content import CorrectionPair, ReportContent
from lucyte.report.markup import join, tag
from lucyte.report.palette import natural
from lucyte.report.picture import data_address, shrink
from lucyte.report.section import Figures, Section, missing
from lucyte.report.table import table
from lucyte.report.wording import count, feature_words, number

MEANINGS = {
    "focus": "blurred against the other fields of its plate",
    "out_of_focus": "blurred against the other fields of its plate",
    "saturation": "pixels at the top of the range: their intensities are lower bounds",
    "saturated": "pixels at the top of the range: their intensities are lower bounds",
    "empty": "no cells, or nearly none",
    "uneven": "one side of the field is brighter than the other",
    "outlier": "far brighter or darker than its plate",
    "intensity_outlier": "far brighter or darker than its plate",
    "damaged": "could not be read; left out",
    "display-referred": "made for the eye: not proportional to light",
    "lossy": "compressed with loss",
    "clipped": "values beyond the range were cut",
}
MOST_FIELDS = 30
MOST_PROBLEMS = 40
MOST_PAIRS = 8
PAIR_PX = 420


def quality_section(content: ReportContent, figures: Figures) -> Section:
    """Flags by kind and by field, then corrections."""
    parts = [tag("p", _summary(content))]
    if len(content.flags):
        parts.append(table(_kinds(content.flags), "Flags by kind"))
        parts.append(_by_field(content.flags))
    parts += [_pair(each, i, figures) for i, each in enumerate(content.corrections[:MOST_PAIRS])]
    if not content.corrections:
        absent = missing(content, "correct", "no correction was asked for or needed")
        parts.append(tag("p", tag("b", "Corrections. "), absent, class_="absent"))
    return Section("quality", "Quality", join(parts))


def problems_section(content: ReportContent, figures: Figures) -> Section:
    """What was wrong with the input, by name."""
    title = "Problems with the input"
    if not content.problems:
        return Section("problems", title, absent="None were found.")
    rows = [
        {
            "file, well or field": each.where,
            "problem": feature_words(each.kind),
            "what": each.message,
        }
        for each in content.problems[:MOST_PROBLEMS]
    ]
    body = table(rows, "Problems with the input")
    if len(content.problems) > MOST_PROBLEMS:
        more = f"{len(content.problems) - MOST_PROBLEMS} more in provenance.json."
        body += tag("p", more, class_="note")
    return Section("problems", title, body)


def _summary(content: ReportContent) -> str:
    frames = int(content.fields["frames"].sum()) if len(content.fields) else 0
    if content.flags.empty:
        return f"No flag was raised on {count(frames, 'frame')}."
    flagged = len(content.flags[["field_id", "time_index"]].drop_duplicates())
    fields = content.flags["field_id"].nunique()
    return (
        f"{flagged:,} of {count(frames, 'frame')} in {count(fields, 'field')} carry at least one "
        "flag. A flag leaves nothing out; it says what to look at before believing a number."
    )


def _kinds(flags: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for name in natural(flags["flag"]):
        own = flags[flags["flag"].astype(str) == name]
        values = pd.to_numeric(own["value"], errors="coerce").dropna()
        rows.append(
            {
                "flag": feature_words(name),
                "meaning": MEANINGS.get(name.split(":")[0], ""),
                "frames": len(own[["field_id", "time_index"]].drop_duplicates()),
                "fields": int(own["field_id"].nunique()),
                "values": _span(values),
            }
        )
    return rows


def _span(values: pd.Series[float]) -> str:
    if values.empty:
        return ""
    low, high = number(float(values.min())), number(float(values.max()))
    return low if low == high else f"{low} to {high}"


def _by_field(flags: pd.DataFrame) -> Markup:
    names = natural(flags["flag"])
    counts = flags.groupby(["field_id", "flag"])["time_index"].nunique()
    totals = flags.groupby("field_id")["time_index"].count()
    order = sorted(totals.index.astype(str), key=lambda each: -int(totals[each]))
    rows = [
        {
            "field": field,
            **{feature_words(name): int(counts.get((field, name), 0)) for name in names},
        }
        for field in order[:MOST_FIELDS]
    ]
    inside = [
        tag("summary", "Flagged frames per field"),
        table(rows, "Flagged frames per field"),
    ]
    if len(order) > MOST_FIELDS:
        more = f"{count(len(order) - MOST_FIELDS, 'further field')} in flags.parquet."
        inside.append(tag("p", more, class_="note"))
    return tag("details", *inside)


def _pair(pair: CorrectionPair, index: int, figures: Figures) -> Markup:
    sides = [
        tag(
            "div",
            tag("img", src=data_address(shrink(each, PAIR_PX)), alt=f"{pair.title}, {word}"),
            tag("span", word),
            class_="tile",
        )
        for word, each in (("before", pair.before), ("after", pair.after))
    ]
    caption = f"{pair.title}. {pair.caption}".strip()
    return figures.figure(f"correction-{index}", tag("div", *sides, class_="pair"), caption)
