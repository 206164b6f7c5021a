"""The page of a screen: verdict first, then hits, curves, plates and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lucyte.report.document import content_of, document, head
from lucyte.report.findings import findings_section
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.palette import UNKNOWN, Style, natural, styles
from lucyte.report.screen_figures import (
    CurveContent,
    dose_curves,
    ec50_text,
    ranked,
    rescue_scatter,
)
from lucyte.report.screen_plates import plate_figures
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count, feature_words, interval, number
from lucyte.schema.finding import Finding

__all__ = ["CurveContent", "ScreenContent", "render_screen"]

MOST_ROWS = 60
LOOKS = {
    "rescue": Style("#009E73", "circle"),
    "rescue, and changed otherwise": Style("#E69F00", "triangle"),
    "few cells left": Style("#000000", "cross"),
    "changed otherwise": Style("#D55E00", "square"),
    "away from health": Style("#CC79A7", "diamond"),
    "none shown": Style("#8fa6b5", "circle"),
    "too few wells": Style(UNKNOWN, "plus"),
}
"""How each call is drawn; also their order."""


@dataclass(frozen=True)
class ScreenContent:
    """Everything on the page of a screen.

    Attributes
    ----------
    title, command : str
    disease, wild_type : str
        Names of the controls.
    features : tuple of str
        Features whose rescue is shown beside the margin's.
    fdr, level : float
    wells : DataFrame
        ``plate, well, treatment, dose, role, n_fields, n_cells, rescue, b_score`` and, where
        known, ``off_axis``.
    hits : DataFrame
        One row per treatment and dose, in order.
    separation : DataFrame
        ``plate, name, value, low, high, n_first, n_second, method, why``.
    curves : tuple of CurveContent
    not_fitted : mapping of treatment to str
    findings : tuple of Finding
    notes : tuple of str
    """

    title: str
    command: str
    disease: str
    wild_type: str
    features: tuple[str, ...]
    fdr: float
    level: float
    wells: pd.DataFrame
    hits: pd.DataFrame
    separation: pd.DataFrame
    curves: tuple[CurveContent, ...]
    not_fitted: Mapping[str, str]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def render_screen(content: ScreenContent) -> str:
    """Make the page: one HTML file that opens offline, the same text for the same content."""
    figures = Figures()
    report = content_of(content.title, content.command, content.findings, alpha=1 - content.level)
    sections = [
        findings_section(report),
        _hits(content, figures),
        _rescue(content, figures),
        _doses(content, figures),
        _plates(content, figures),
        _separation(content),
        _how(content),
    ]
    return document(content.title, _opening(content), sections, content.findings)


def _opening(content: ScreenContent) -> Markup:
    wells = content.wells
    rescued = int((content.hits["call"] == "rescue").sum()) if len(content.hits) else 0
    treated = wells.loc[wells["role"] == "treated", "treatment"].nunique()
    tiles = [
        (wells["plate"].nunique(), "plate"),
        (len(wells), "well"),
        (treated, "treatment"),
        (len(content.hits), "treatment and dose"),
        (int(wells["n_cells"].sum()), "cell"),
    ]
    shown = [(f"{n:,}", count(int(n), noun).split(" ", 1)[1]) for n, noun in tiles]
    shown = [(n, noun.replace("treatment and doses", "treatments at doses")) for n, noun in shown]
    told = [*shown, (str(rescued), "rescue")]
    return head(content.title, told, _verdict(content), content.findings)


def _verdict(content: ScreenContent) -> str:
    """The answer, then the loudest doubts, in a few sentences."""
    by = {each.name: each for each in content.findings}
    words = [by["screen.rescue"].why] if "screen.rescue" in by else []
    doubts = [each.why.split(". ")[0].rstrip(".") + "." for each in content.findings
              if each.verdict == "fail"]  # fmt: skip
    if doubts:
        words.append("Before you act on it: " + " ".join(doubts[:3]))
    return " ".join(words)


def _hits(content: ScreenContent, figures: Figures) -> Section:
    title = "Hits"
    if not len(content.hits):
        return Section("hits", title, absent="There are only controls, so nothing to rank.")
    hits = content.hits
    figure = figures.figure(
        "ranked",
        ranked(hits, content.wells, LOOKS),
        f"Rescue by treatment and dose in the order of the table; bars are "
        f"{100 * content.level:g} % intervals that take in the uncertainty of both controls, grey "
        "dots single wells.",
    )
    rows = [_row(row, content) for row in hits.head(MOST_ROWS).to_dict("records")]
    caption = "Treatments and doses, hits first"
    more = (
        tag("p", f"{len(hits) - MOST_ROWS} more rows in hits.csv.", class_="note")
        if len(hits) > MOST_ROWS
        else NOTHING
    )
    note = tag(
        "p",
        f"q: false discovery rate (Benjamini and Hochberg), a hit has {content.fdr:g} or less. "
        "Cells: per field, against disease wells of the plate. Off axis: distance from the line "
        "from disease to wild type, 1 is like a control well.",
        class_="note",
    )
    return Section("hits", title, figure + table(rows, caption) + more + note)


def _row(row: Mapping[Any, Any], content: ScreenContent) -> dict[str, object]:
    def n(name: str, digits: int = 2) -> str:
        value = row.get(name)
        known = isinstance(value, int | float) and math.isfinite(value)
        return number(value, digits) if known else "–"

    low, high = _two(row.get("low")), _two(row.get("high"))
    ends = "" if "–" in (low, high) else f"{low} to {high}"
    out: dict[str, object] = {
        "treatment": str(row["treatment"]),
        "dose": n("dose", 3),
        "call": _call(str(row["call"])),
        "rescue": _two(row["rescue"]),
        f"{100 * content.level:g} % interval": _together(ends or "–"),
        "q": _together(_q(row["q"])),
        "wells": n("n_wells"),
        "off axis": n("off_axis"),
        "cells": n("cells"),
    }
    for name in content.features:
        out[f"rescue in {feature_words(name)}"] = _two(row.get(f"rescue_{name}"))
    return out


def _two(value: object) -> str:
    """Two decimals, so that a column can be read down."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return f"{value:.2f}".replace("-", "−") if known else "–"


def _q(value: object) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _together(text: str) -> Markup:
    return tag("span", text, style="white-space:nowrap")


def _call(name: str) -> Markup:
    style = LOOKS[name]
    return tag("span", name, style=f"color:{style.ink};font-weight:600;white-space:nowrap")


def _rescue(content: ScreenContent, figures: Figures) -> Section:
    title, wells, hits = "Towards health, or elsewhere?", content.wells, content.hits
    if "off_axis" not in wells or not len(hits) or not np.isfinite(wells["off_axis"]).any():
        why = next((n for n in content.notes if n.startswith("No distance")), "not worked out.")
        return Section("rescue", title, absent=why, link="Off the axis")
    words = tag(
        "p",
        "A treatment that rescues moves cells to the right and stays low. One that moves right and "
        "up, or only up, changed cells in a way that neither disease nor health shows: it may harm "
        "or kill them.",
    )
    figure = figures.figure(
        "off-axis",
        rescue_scatter(wells, hits, LOOKS),
        "One mark per treatment and dose. Small circles: control wells, open for disease, filled "
        "for wild type. The distance is taken over features of cells and their number.",
    )
    return Section("rescue", title, words + figure, link="Off the axis")


def _doses(content: ScreenContent, figures: Figures) -> Section:
    title = "Dose response"
    refused = [f"{name}: {why}" for name, why in content.not_fitted.items()]
    if not content.curves:
        why = "; ".join(refused) or "there are no doses"
        return Section("doses", title, absent=f"No curve was fitted: {why}.")
    figure = figures.figure(
        "doses",
        dose_curves(content.curves, content.wells),
        "One point per well; a four-parameter logistic where the rescue depends on the dose. The "
        f"line is the EC50, the band its {100 * content.level:g} % profile interval.",
        wide=True,
    )
    rows = [
        {
            "treatment": each.treatment,
            "EC50": _together(ec50_text(each) if math.isfinite(each.ec50) else "–"),
            "remark": each.why or "–",
        }
        for each in content.curves
    ]
    note = tag("p", "Without a curve: " + "; ".join(refused) + ".", class_="note")
    body = figure + table(rows, "EC50 by treatment") + (note if refused else NOTHING)
    return Section("doses", title, body)


def _plates(content: ScreenContent, figures: Figures) -> Section:
    names = natural(content.wells["treatment"])
    ordered = [content.disease, content.wild_type]
    ordered += [name for name in names if name not in ordered]
    return Section("plates", "Plates", plate_figures(content.wells, styles(ordered), figures))


def _separation(content: ScreenContent) -> Section:
    plates = content.separation["plate"].nunique()
    rows = []
    for row in content.separation.to_dict("records"):
        known = row["low"] is not None and math.isfinite(row["low"])
        rows.append(
            {
                "plate": row["plate"] or ("all, centred by plate" if plates > 1 else "all"),
                "": row["name"],
                "value": number(row["value"]),
                f"{100 * content.level:g} % interval": interval(row["low"], row["high"])
                if known
                else "–",
                "wells": f"{row['n_first']} + {row['n_second']}",
                "how": row["why"] or row["method"],
            }
        )
    words = tag(
        "p",
        f"Of the logit margin over wells of {content.disease} (first) and {content.wild_type}. "
        "Z' above 0.5 is called excellent, at 0 the bands of three standard deviations touch. The "
        "pooled form is always higher and must not be held to those marks.",
    )
    return Section("separation", "Separation of the controls", words + table(rows, "Separation"))


def _how(content: ScreenContent) -> Section:
    notes = [
        "Margins are medians over the cells of a well, from models that were not fitted on that "
        "well.",
        "Rescue: each well against the disease mean of its plate, over the mean gap to wild type.",
        "Validated on simulated screens only; no published figure is claimed.",
        *content.notes,
    ]
    body = tag("ul", join(tag("li", each) for each in notes))
    return Section("how", "How it was made", body + tag("pre", content.command))
