"""Why the model said what it said, each method beside the tests that it passed or failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.cells import portrait
from lucyte.report.content import ExplainedCell, ReportContent
from lucyte.report.contributions import contribution_bars, largest
from lucyte.report.findings import chip
from lucyte.report.heat_maps import colour_bar, common_limit, heat_map
from lucyte.report.markup import join
from lucyte.report.method_words import method_does, method_name
from lucyte.report.section import Figures, Section, missing
from lucyte.report.template import fill
from lucyte.report.wording import count, feature_words, named, number
from lucyte.schema.explanation import Explanation
from lucyte.schema.finding import Finding

MOST_CELLS = 16
MOST_CHANNELS = 4
LABEL = "label"
"""What the states of a page were learned from, where that is no condition of a plate."""
SHORTCUTS = r"background\.\w+"
"""Findings that say whether a model need look at cells at all."""


def explanations_section(content: ReportContent, figures: Figures) -> Section:
    """One figure per method."""
    title = "Explanations"
    methods = list(dict.fromkeys(e.method for c in content.explained for e in c.explanations))
    if not methods:
        why = "no cell was explained"
        return Section("explanations", title, absent=missing(content, "explain", why))
    parts = [
        fill(
            "explanations.html",
            model=[chip(each) for each in content.findings if re.fullmatch(SHORTCUTS, each.name)],
        )
    ]
    parts += [_method(content, method, figures) for method in methods]
    return Section("explanations", title, join(parts))


def findings_on(method: str, findings: tuple[Finding, ...]) -> list[Finding]:
    """Findings on explanations that concern a method: by its name, or by no method's name.

    A finding names a method in ``details["method"]`` or as a part of its dotted name.
    """
    own = [each for each in findings if each.group == "explanation"]
    return [
        each for each in own if each.details.get("method", method) == method or _says(each, method)
    ]


def _says(finding: Finding, method: str) -> bool:
    return method in finding.name.split(".")


def _method(content: ReportContent, method: str, figures: Figures) -> Markup:
    pairs = [
        (each, one)
        for each in content.explained
        for one in each.explanations
        if one.method == method
    ]
    shown = pairs[:MOST_CELLS]
    explanations = [one for _, one in pairs]
    limit, reach = common_limit(explanations), largest(explanations)
    maps = any(one.maps for one in explanations)
    targets = list(dict.fromkeys(one.target for one in explanations))
    target = targets[0] if len(targets) == 1 else "the named state"
    body = fill(
        "method.html",
        name=method_name(method),
        does=method_does(method),
        tests=[chip(each) for each in findings_on(method, content.findings)],
        bar=colour_bar(limit, target) if maps else "",
        cards=[_card(cell, one, (limit, reach), content) for cell, one in shown],
    )
    return figures.figure(f"explanation-{method}", body, _caption(method, pairs, maps), wide=True)


def _card(
    each: ExplainedCell, one: Explanation, limits: tuple[float, float], content: ReportContent
) -> dict[str, Any]:
    limit, reach = limits
    cell, shown = each.cell, _apart(one.maps)
    maps = [
        {
            "channel": channel,
            "svg": heat_map(
                shown[channel], limit, cell, f"{feature_words(one.method)}, channel {channel}"
            ),
        }
        for channel in list(shown)[:MOST_CHANNELS]
    ]
    return {
        "id": cell.object_id,
        "where": ", ".join(part for part in (_given(cell.condition, content), cell.well) if part),
        "state": cell.state,
        "p": "" if cell.p is None else f"{cell.p:.2f}",
        "picture": portrait(cell, f"Cell {cell.object_id}, {named(cell.condition)}"),
        "maps": maps,
        "bars": contribution_bars(one, reach, content.kind) if one.contributions else "",
        "target": one.target,
        "score": number(one.score),
        "baseline": number(one.baseline),
    }


def _apart(maps: Mapping[str, npt.NDArray[np.float64]]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Maps by channel; one of all channels where a method cannot tell them apart."""
    planes = list(maps.values())
    if len(planes) > 1 and all(np.array_equal(planes[0], each, True) for each in planes[1:]):
        return {"all channels": planes[0]}
    return maps


def _given(condition: str, content: ReportContent) -> str:
    """What is known of a cell: its condition, or the label that a person or a table gave it."""
    labelled = content.states is not None and content.states.target == LABEL
    word = "labelled" if labelled else "condition"
    return f"{word} {condition}" if condition else ""


def _caption(method: str, pairs: list[tuple[ExplainedCell, Explanation]], maps: bool) -> str:
    words = [f"{method_name(method)} for {count(min(len(pairs), MOST_CELLS), 'cell')}."]
    if maps:
        words.append(
            "All maps share one colour scale, in units of the score; lines enclose what reaches "
            "half of it (dashed: speaks against). The score says by how much the named state leads "
            "the next one (log odds)."
        )
    if any(one.score < 0 and not one.contributions for _, one in pairs):
        words.append(
            "Below 0 the model that is explained would answer otherwise: the state named above a "
            "cell is the answer of one that had not seen it."
        )
    if any(one.contributions for _, one in pairs):
        words.append(
            "Bars and starting value add up to the score, the log odds of the state; all cells "
            "share one scale."
        )
    if len(pairs) > MOST_CELLS:
        words.append(f"{len(pairs) - MOST_CELLS} further cells are in explanations.zarr.")
    return " ".join(words)
