"""The page of a challenged model: what may be believed, what not, and within which conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from lucyte.report.document import content_of, document, head, how_section
from lucyte.report.findings import findings_section
from lucyte.report.section import Section
from lucyte.report.table import table
from lucyte.report.wording import count
from lucyte.schema.finding import Finding


@dataclass(frozen=True)
class ChallengeContent:
    """Everything on the page of a challenged model.

    Attributes
    ----------
    title, command : str
    findings : tuple of Finding
    skipped : mapping of challenge to str
        Why it was not possible.
    conditions : sequence of mapping
        Rows of the table of disturbances: what, from, to, unit, why.
    tiles : sequence of (number, noun)
    facts : mapping of str to str
    notes : tuple of str
    """

    title: str
    command: str
    findings: tuple[Finding, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    conditions: Sequence[Mapping[str, Any]] = ()
    tiles: Sequence[tuple[int, str]] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def render_challenge(content: ChallengeContent) -> str:
    """Make the page: one HTML file that opens offline, the same text for the same content."""
    report = content_of(content.title, content.command, content.findings)
    sections = [
        findings_section(report),
        _conditions(content),
        _skipped(content),
        how_section(content.command, content.notes, dict(content.facts)),
    ]
    return document(content.title, _opening(content), sections, content.findings)


def _opening(content: ChallengeContent) -> Markup:
    tiles = [tuple(count(n, noun).split(" ", 1)) for n, noun in content.tiles]
    return head(
        content.title, [(n, noun) for n, noun in tiles], verdict(content.findings), content.findings
    )


def verdict(findings: Sequence[Finding]) -> str:
    """What the tests come to, in a few sentences."""
    failed = [each for each in findings if each.verdict == "fail"]
    passed = sum(each.verdict == "pass" for each in findings)
    opened = len(findings) - len(failed) - passed
    if not findings:
        return "Nothing could be put to the test; see below why."
    words = [f"{count(len(findings), 'test')}: {passed} passed, {len(failed)} warn, {opened} open."]
    if failed:
        firsts = [each.why.split(". ")[0].rstrip(".") + "." for each in failed]
        words.append("Before you trust it: " + " ".join(firsts[:3]))
        if len(failed) > 3:
            words.append(f"And {len(failed) - 3} more below.")
    elif opened:
        words.append("Nothing warns, but what is open has not been ruled out.")
    return " ".join(words)


def _conditions(content: ChallengeContent) -> Section:
    title = "Conditions within which it holds"
    rows = list(content.conditions)
    if not rows:
        why = "no disturbance was tried, so nothing is known of other conditions"
        return Section("conditions", title, absent=f"Not here: {why}.")
    shown = [{key.replace("_", " "): _cell(value) for key, value in row.items()} for row in rows]
    caption = "The model keeps its accuracy between these levels of each disturbance"
    return Section("conditions", title, table(shown, caption, False), link="Conditions")


def _skipped(content: ChallengeContent) -> Section:
    title = "Not asked, and why"
    if not content.skipped:
        return Section("skipped", title, absent="Every challenge could be put.")
    rows = [{"challenge": name.replace("_", " "), "why not": why}
            for name, why in content.skipped.items()]  # fmt: skip
    return Section("skipped", title, table(rows, "Challenges not put"), link="Not asked")


def _cell(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    return value
