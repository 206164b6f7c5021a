"""The frame of every page: one HTML file that opens offline and prints."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.findings import tally
from lucyte.report.markup import join, tag
from lucyte.report.section import Section
from lucyte.report.template import asset, fill
from lucyte.schema.finding import Finding
from lucyte.schema.plan import EvidenceSettings, InputSettings, Plan


def document(
    title: str,
    opening: Markup,
    sections: Sequence[Section],
    findings: Sequence[Finding],
    styles: Sequence[str] = (),
) -> str:
    """Put a page together.

    The same content gives the same text. Nothing is loaded from anywhere: style, script and
    pictures are inside, and the page forbids itself everything else. All text is escaped.

    Parameters
    ----------
    title : str
    opening : Markup
        What stands above the sections.
    sections : sequence of Section
    findings : sequence of Finding
        Counted in the table of contents.
    styles : sequence of str
        Further style sheets of this package.

    Returns
    -------
    str
        HTML to be written as UTF-8.
    """
    script = asset("page.js")
    page = fill(
        "page.html",
        title=title,
        style=Markup("".join(asset(name) for name in ("page.css", *styles))),
        script=Markup(script),
        script_hash=_hash(script),
        opening=opening,
        sections=sections,
        tally=tally(findings),
    )
    return str(page) + "\n"


def head(
    title: str, tiles: Sequence[tuple[str, str]], asked: str, findings: Sequence[Finding]
) -> Markup:
    """The opening: title, counts, one paragraph."""
    return fill(
        "asked.html",
        title=title,
        tiles=list(tiles),
        asked=asked,
        tally=tally(findings),
        written="",
    )


def content_of(
    title: str, command: str, findings: Sequence[Finding], *, alpha: float = 0.05
) -> ReportContent:
    """What sections of a run's report need, where there is no run."""
    plan = Plan(input=InputSettings(path="."), evidence=EvidenceSettings(alpha=round(alpha, 9)))
    return ReportContent(
        title=title, command=command, plan=plan, fields=pd.DataFrame(), findings=tuple(findings)
    )


def how_section(command: str, notes: Sequence[str], facts: dict[str, str]) -> Section:
    """The last section: what was asked, of what, and what was said on the way."""
    rows = join(tag("dt", name) + tag("dd", value) for name, value in facts.items() if value)
    parts = [tag("dl", rows, class_="facts")] if rows else []
    parts += [tag("p", note, class_="note") for note in notes]
    parts.append(tag("pre", tag("code", command)))
    return Section("how", "How this was made", join(parts))


def _hash(script: str) -> str:
    """The one script that the page lets run."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
