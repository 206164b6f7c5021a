"""The page of an explained model: what may be believed, pictures beside their exams, the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from markupsafe import Markup

from lucyte.report.content import Embedding, ExplainedCell, ReportContent, StatesInfo
from lucyte.report.counterfactual import Plane, Strip, counterfactual_section
from lucyte.report.document import content_of, document, head, how_section
from lucyte.report.embedding import embedding_section
from lucyte.report.explanations import LABEL, explanations_section
from lucyte.report.findings import findings_section, tests_section
from lucyte.report.method_words import WORDS, method_name
from lucyte.report.readable import Curve, Formula, curves_section, formulas_section
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count, listed
from lucyte.schema.finding import Finding

UNNAMED, GREY = "C0", "grey"
"""A channel without a name, and what a person calls it where there is no other."""


@dataclass(frozen=True)
class ChannelShare:
    """What of the positive relevance lies in each channel, by one method.

    Attributes
    ----------
    method : str
    shares : mapping of channel to float
        Mean over cells; empty where channels cannot be told apart.
    why_not : str
    """

    method: str
    shares: Mapping[str, float]
    why_not: str = ""


@dataclass(frozen=True)
class ExplainedContent:
    """Everything on the page of an explained model.

    Attributes
    ----------
    title, command : str
    findings : tuple of Finding
        Exams.
    cells : tuple of ExplainedCell
    shares : tuple of ChannelShare
    strips : tuple of Strip
        Counterfactuals.
    plane : Plane or None
    formulas : tuple of Formula
    curves : tuple of Curve
    embedding : Embedding or None
    unit : str
        What independent units are called.
    absent : mapping of str to str
        What could not be shown, and why.
    facts : mapping of str to str
    notes : tuple of str
    inverse : str
        Commands that would make film strips, where there are none.
    accuracy : str
        How often the model is right, a sentence or two; empty where unknown.
    """

    title: str
    command: str
    findings: tuple[Finding, ...]
    cells: tuple[ExplainedCell, ...]
    shares: tuple[ChannelShare, ...] = ()
    strips: tuple[Strip, ...] = ()
    plane: Plane | None = None
    formulas: tuple[Formula, ...] = ()
    curves: tuple[Curve, ...] = ()
    embedding: Embedding | None = None
    unit: str = "well"
    absent: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inverse: str = ""
    accuracy: str = ""


def render_explained(content: ExplainedContent) -> str:
    """Make the page: one HTML file that opens offline, the same text for the same content."""
    content = in_grey(content)
    figures = Figures()
    states = tuple(sorted({each.cell.state for each in content.cells}))
    units = len({each.cell.well for each in content.cells})
    report = replace(
        content_of(content.title, content.command, content.findings),
        explained=content.cells,
        embedding=content.embedding,
        unit=content.unit,
        states=StatesInfo(states, LABEL, content.unit, units),
    )
    sections = [
        findings_section(report, listed=False),
        explanations_section(report, figures),
        _shares(content),
        counterfactual_section(
            content.strips, content.plane, content.findings, figures, content.inverse
        ),
        curves_section(content.curves, figures),
        formulas_section(content.formulas, content.findings),
        embedding_section(report, figures),
        tests_section(report),
        _absent(content),
        how_section(content.command, content.notes, dict(content.facts)),
    ]
    return document(content.title, _opening(content, report), sections, content.findings)


def _opening(content: ExplainedContent, report: ReportContent) -> Markup:
    methods = list(dict.fromkeys(e.method for c in content.cells for e in c.explanations))
    numbers = [(len(content.cells), "cell"), (len(methods), "method")]
    tiles = [tuple(count(n, noun).split(" ", 1)) for n, noun in numbers]
    words = [
        "Each map says what the model's answer rested on; the exams say whether the map may be "
        "believed."
    ]
    for method in methods:
        own = [each for each in content.findings if each.name.split(".")[0] == method]
        failed = [each for each in own if each.verdict == "fail"]
        passed = sum(each.verdict == "pass" for each in own)
        name = method_name(method)
        told = f"{name}: {passed} of {len(own)} exams passed" if own else f"{name}: not examined"
        words.append(f"{told}{f', {len(failed)} failed' if failed else ''}.")
    if content.accuracy:
        words.insert(0, content.accuracy)
    return head(content.title, [(n, noun) for n, noun in tiles], " ".join(words), report.findings)


def _shares(content: ExplainedContent) -> Section:
    title = "Which channel the answer rests on"
    rows = [
        {"method": method_name(each.method), **dict(each.shares)}
        for each in content.shares
        if each.shares and all(np.isfinite(list(each.shares.values())))
    ]
    reasons = {each.why_not for each in content.shares if each.why_not}
    if not rows:
        single = "There is one channel, so nothing to share out."
        why = " ".join(sorted(reasons)) or (single if content.shares else "No map was made.")
        return Section("channels", title, absent=why)
    caption = "Share of what speaks for the answer, by channel; mean over the examined cells"
    return Section("channels", title, table(rows, caption, False), link="Channels")


def _what(name: str) -> str:
    """What is absent: a method by its name, or the exams of one."""
    head, of, method = name.rpartition("exams of ")
    known = method in WORDS
    return f"{head}{of}{method_name(method)}" if known else name.replace("_", " ")


def _absent(content: ExplainedContent) -> Section:
    title = "Not shown, and why"
    if not content.absent:
        names = sorted({method_name(e.method) for c in content.cells for e in c.explanations})
        return Section("absent", title, absent=f"Everything asked for is here: {listed(names)}.")
    rows = [{"what": _what(name), "why not": why}
            for name, why in content.absent.items()]  # fmt: skip
    return Section("absent", title, table(rows, "Not shown"), link="Not shown")


def in_grey(content: ExplainedContent) -> ExplainedContent:
    """The same content, where the only channel is one without a name, with a word for its light."""
    channels = {name for c in content.cells for e in c.explanations for name in e.maps}
    channels |= {name for strip in content.strips for name in strip.channels}
    if channels != {UNNAMED}:
        return content

    def said(text: str) -> str:
        return re.sub(rf"\b{UNNAMED}\b", GREY, text)

    cells = []
    for each in content.cells:
        own = [replace(e, maps={said(k): v for k, v in e.maps.items()}) for e in each.explanations]
        cells.append(replace(each, explanations=tuple(own)))
    return replace(
        content,
        cells=tuple(cells),
        strips=tuple(replace(e, channels=(GREY,), changed=said(e.changed)) for e in content.strips),
        formulas=tuple(
            replace(e, words=said(e.words), features=said(e.features)) for e in content.formulas
        ),
        curves=tuple(replace(each, words=said(each.words)) for each in content.curves),
        facts={name: said(value) for name, value in content.facts.items()},
    )
