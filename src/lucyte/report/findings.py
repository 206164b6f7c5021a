"""The first screen: what may be believed, what may not, what is open."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.details import details
from lucyte.report.markup import NOTHING, drawing, join, tag
from lucyte.report.section import Section, missing
from lucyte.report.template import fill
from lucyte.report.wording import count, interval, number
from lucyte.schema.finding import Finding, Verdict

OPEN_CARDS = 8
"""So many findings of each verdict stand open; the others are one click away."""
FEW_UNITS = 6
GROUPS = {
    "accuracy": "accuracy",
    "model": "the model",
    "explanation": "the explanations",
    "hypothesis": "hypotheses",
    "data": "the data",
}


@dataclass(frozen=True)
class VerdictWords:
    """A verdict as a person reads it: symbol, word, heading; ``name`` is also its CSS class."""

    name: Verdict
    symbol: str
    word: str
    heading: str
    none: str


VERDICTS = (
    VerdictWords("pass", "✓", "passed", "May be believed", "Nothing yet."),
    VerdictWords("fail", "✕", "warning", "May not be believed", "No warnings."),
    VerdictWords("inconclusive", "?", "open", "Open", "Nothing is open."),
)
BY_NAME = {each.name: each for each in VERDICTS}


def findings_section(content: ReportContent, listed: bool = True) -> Section:
    """Findings by verdict, each with its number, its interval and what it rests on.

    Parameters
    ----------
    content : ReportContent
    listed : bool
        False: the questions alone; `tests_section` then lists them further down the page.
    """
    title = "What may be believed, and what not"
    if not content.findings:
        absent = missing(content, "evidence", "nothing was put to the test in this run")
        words = absent + " Nothing below has been tested."
        return Section("findings", title, absent=words, link="Findings")
    groups = _groups(content)
    body = fill("verdicts.html", groups=groups)
    return Section("findings", title, join([body, _list(content, groups)] if listed else [body]),
                   link="Findings")  # fmt: skip


def tests_section(content: ReportContent) -> Section:
    """Every finding in full, for a page that shows pictures first."""
    title = "Every test, one by one"
    if not content.findings:
        return Section("tests", title, absent="Nothing was put to the test.")
    return Section("tests", title, _list(content, _groups(content)), link="Every test")


def _groups(content: ReportContent) -> list[dict[str, Any]]:
    groups = []
    for verdict in VERDICTS:
        own = sorted(
            (each for each in content.findings if each.verdict == verdict.name),
            key=lambda each: list(GROUPS).index(each.group) if each.group in GROUPS else 9,
        )
        cards = [_card(each, content) for each in own]
        groups.append({"words": verdict, "cards": cards})
    return groups


def _list(content: ReportContent, groups: list[dict[str, Any]]) -> Markup:
    return fill(
        "findings.html",
        groups=groups,
        open_cards=OPEN_CARDS,
        level=round(100 * (1 - content.plan.evidence.alpha), 6),
        any_interval=any(each.low is not None for each in content.findings),
    )


def chip(finding: Finding) -> Markup:
    """A finding as a small link: symbol, word and question."""
    words = BY_NAME[finding.verdict]
    return tag(
        "a",
        tag("span", f"{words.symbol} {words.word}", class_="badge"),
        " ",
        finding.question,
        href=f"#{address(finding.name)}",
        class_=f"chip {finding.verdict}",
    )


def address(name: str) -> str:
    """The address of a finding on the page."""
    return "finding-" + re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")


def _card(finding: Finding, content: ReportContent) -> dict[str, Any]:
    level = f"{100 * (1 - content.plan.evidence.alpha):g} %"
    return {
        "id": address(finding.name),
        "name": finding.name,
        "group": GROUPS.get(finding.group, finding.group),
        "question": finding.question,
        "why": finding.why,
        "assumed": finding.assumed,
        "statistic_name": finding.statistic_name or "value",
        "statistic": number(finding.statistic),
        "undefined": math.isnan(finding.statistic),
        "interval": interval(finding.low, finding.high),
        "n": count(finding.n, finding.unit),
        "no_interval": _no_interval(finding),
        "level": level,
        "gauge": _gauge(finding),
        "details": details(finding.details, finding.statistic_name),
    }


def _no_interval(finding: Finding) -> str:
    if finding.low is not None or not math.isfinite(finding.statistic):
        return ""
    return "too few for an interval" if finding.n < FEW_UNITS else "no interval"


def _gauge(finding: Finding) -> Markup:
    """The statistic on a line from 0 to 1, with interval, units and chance level."""
    ends = [x for x in (finding.statistic, finding.low, finding.high) if x is not None]
    if any(not 0 <= x <= 1 for x in ends):
        return NOTHING
    width, y, left = 220.0, 13.0, 6.0

    def at(x: float) -> float:
        return left + x * (width - 2 * left)

    parts = [tag("line", x1=at(0), x2=at(1), y1=y, y2=y, class_="axis")]
    parts += [tag("line", x1=at(x), x2=at(x), y1=y - 3, y2=y + 3, class_="axis") for x in (0, 1)]
    labels = [(0.0, "0", "start"), (1.0, "1", "end")]
    if "auroc" in finding.statistic_name.lower():
        parts.append(tag("line", x1=at(0.5), x2=at(0.5), y1=3, y2=y + 8, class_="chance"))
        labels.append((0.5, "chance", "middle"))
    for value in _unit_values(finding.details):
        parts.append(tag("circle", cx=at(value), cy=y, r=3, class_="unit"))
    if finding.low is not None and finding.high is not None:
        low, high = at(finding.low), at(finding.high)
        parts.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_="interval"))
    x = at(finding.statistic)
    parts.append(tag("path", d=f"M{x:.1f} {y - 6}l5 6l-5 6l-5 -6z", class_="estimate"))
    for value, text, anchor in labels:
        parts.append(tag("text", text, x=at(value), y=30, text_anchor=anchor))
    alt = f"{finding.statistic_name or 'value'} {number(finding.statistic)} on a line from 0 to 1"
    return drawing(width, 32, *parts, alt=alt, class_="gauge")


def _unit_values(found: Mapping[str, Any]) -> Sequence[float]:
    """Values per unit, where the finding gives them and they fit the line."""
    units = found.get("units", found.get("per_unit"))
    if not isinstance(units, Mapping):
        return ()
    values = [x for x in units.values() if isinstance(x, int | float) and 0 <= x <= 1]
    return values if len(values) == len(units) else ()


def tally(findings: Sequence[Finding]) -> list[tuple[VerdictWords, int]]:
    """How many findings of each verdict, in the order of the page."""
    found = Counter(each.verdict for each in findings)
    return [(words, found[words.name]) for words in VERDICTS]
