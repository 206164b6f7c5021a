"""The answers to all hypotheses of a run, always drawn from its ledger, and where they are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lucyte.evidence import ledger as findings_ledger
from lucyte.evidence.hypothesis.answer import Judged, finding, judge_family
from lucyte.evidence.hypothesis.kept import PREFIX, kept_answer
from lucyte.evidence.hypothesis.ledger import FOLDER, Ledger
from lucyte.evidence.hypothesis.question import before_of
from lucyte.evidence.hypothesis.record import Hypothesis, canonical
from lucyte.io.atomic import write_json
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.finding import Finding

EVIDENCE = "evidence.json"
LOST = "kept_answer"
GONE = "what was joined and assumed was not kept"
Beside = tuple[Sequence[str], dict[str, Any]]
"""What is assumed, and what is told of the join."""


@dataclass(frozen=True)
class Answered:
    """One answer with what is kept beside it.

    Attributes
    ----------
    judged : Judged
    finding : Finding
    beside : tuple
    gone : bool
        Its kept answer was missing or damaged, and this one comes from the ledger alone.
    """

    judged: Judged
    finding: Finding
    beside: Beside
    gone: bool


def answer_all(run: Path, ledger: Ledger, asked: Hypothesis, mine: Beside) -> tuple[Finding, ...]:
    """Answer what was asked and its family, write each answer, and put all into the evidence.

    Returns
    -------
    tuple of Finding
        The one asked first, its family, then those whose kept answer was gone.
    """
    found = draw_answers(run, ledger, asked.name, mine)
    family = [each for each in found if each.judged.member.record.family == asked.family]
    rest = [each for each in found if each not in family]
    told = [*family, *(each for each in rest if each.gone)]
    for each in (*family, *rest):
        _keep(run, each)
    _into_evidence(run / EVIDENCE, [each.finding for each in found])
    told.sort(key=lambda each: each.judged.member.record.name != asked.name)
    return tuple(each.finding for each in told)


def known_findings(path: Path) -> tuple[Finding, ...]:
    """The Findings in ``evidence.json``; none where there is no such file.

    Raises
    ------
    InputError
        It is damaged.
    """
    if not path.is_file():
        return ()
    try:
        return findings_ledger.read(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (ValueError, UsageError) as error:
        raise InputError(path, f"cannot be read: {error}.", "Run again.") from None


def draw_answers(
    run: Path, ledger: Ledger, asked: str = "", mine: Beside = ((), {})
) -> tuple[Answered, ...]:
    """The answer to every tested hypothesis, in the order in which they were registered.

    Parameters
    ----------
    run : Path
    ledger : Ledger
    asked : str
        Name of the one that was tested just now; the others keep what was told of them then.
    mine : tuple
        What is assumed and told of it.
    """
    frozen = ledger.frozen()
    judged: dict[str, Judged] = {}
    for family in dict.fromkeys(each.record.family for each in frozen):
        for one in judge_family([each for each in frozen if each.record.family == family]):
            judged[one.member.record.name] = one
    said = {name: one.answer for name, one in judged.items()}
    records = [each.record for each in frozen]
    out = []
    for record in records:
        if record.name not in judged:
            continue
        one, kept = judged[record.name], kept_answer(run / FOLDER, record.name)
        gone = not kept and record.name != asked
        beside = mine if record.name == asked else _beside(kept)
        before = {name: str(said.get(name, "")) for name in before_of(records, record)}
        details = {**beside[1], "earlier_tests": _earlier(one)}
        told = finding(one, beside[0], details, before)
        if LOST in beside[1]:
            told = replace(told, why=f"{told.why} Its kept answer {beside[1][LOST]}.")
        out.append(Answered(one, told, beside, gone))
    return tuple(out)


def _beside(kept: dict[str, Any]) -> Beside:
    """What ``NAME.json`` tells beside the answer; where it is gone, that it is."""
    if kept:
        return tuple(kept.get("assumed", ())), dict(kept.get("told", {}))
    return (GONE,), {LOST: "was gone; the ledger gave this one again"}


def _earlier(judged: Judged) -> list[float | None]:
    """Effects of tests on earlier states of the data, oldest first."""
    return [trial.to_json()["effect"] for _, trial in judged.member.trials[:-1]]


def _keep(run: Path, answered: Answered) -> None:
    judged, (assumed, told) = answered.judged, answered.beside
    member = judged.member
    write_json(
        run / FOLDER / f"{member.record.name}.json",
        {
            "record": canonical(member.record),
            "sha256": member.sha256,
            "order": member.order,
            "frozen": member.time,
            "assumed": list(assumed),
            "told": told,
            "trial": judged.trial.to_json(),
            "finding": answered.finding.to_json(),
        },
    )


def _into_evidence(path: Path, found: Sequence[Finding]) -> None:
    """All answers in place of those there were; every other Finding stays."""
    kept = [each for each in known_findings(path) if not each.name.startswith(PREFIX)]
    write_json(path, findings_ledger.write([*kept, *found]))
