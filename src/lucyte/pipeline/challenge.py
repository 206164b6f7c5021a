"""``lucyte challenge``: put a model to every test that it can fail, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lucyte.evidence.ledger import ordered
from lucyte.evidence.ledger import write as write_ledger
from lucyte.evidence.model.challenges import Challenged, chosen, run_challenges
from lucyte.evidence.model.sample_crops import subject_from_samples
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.io.atomic import write_json, write_text
from lucyte.pipeline.asked_model import AskedModel, Wanted, ask
from lucyte.pipeline.out_folder import refuse_out, usual_out
from lucyte.pipeline.training_log import TrainingLog
from lucyte.pipeline.words import counted
from lucyte.report.challenge import ChallengeContent, render_challenge, verdict
from lucyte.schema.finding import Finding

USUAL_PX = 80
"""Side of crops of which as many are looked at as the settings say."""
FEWEST = 240
"""Cells that are fitted on at least."""


@dataclass(frozen=True)
class ChallengeRequest:
    """What ``lucyte challenge`` was asked.

    Attributes
    ----------
    wanted : Wanted
    out : Path
    names : tuple of str
        Challenges; empty: all.
    settings : ChallengeSettings
    most_cells : int
        Looked at; 0: by their size, so that large pictures do not take hours.
    command : str
    """

    wanted: Wanted
    out: Path
    names: tuple[str, ...] = ()
    settings: ChallengeSettings = field(default_factory=ChallengeSettings)
    most_cells: int = 0
    command: str = ""


def challenge(request: ChallengeRequest) -> str:
    """Write ``OUT/evidence.json`` and ``OUT/report.html``.

    Raises
    ------
    InputError, UsageError
        No model, no cells, a challenge of no known name; OUT is a run or a model folder.
    """
    chosen(request.names or None)
    wanted = request.wanted
    refuse_out(request.out, usual_out(wanted.first, wanted.data, "challenged"))
    asked = ask(wanted)
    subject = subject_from_samples(
        asked.samples,
        asked.model,
        asked.learner,
        unseen=asked.unseen,
        file_bytes=asked.file_bytes,
    )
    settings = _bounded(request, subject.crops.crop_px)
    log, began = TrainingLog(wanted.quiet), time.perf_counter()

    def told(name: str, number: int, among: int) -> None:
        spent = time.perf_counter() - began
        log.say(f"[{number + 1}/{among}, {spent:.0f} s] {name.replace('_', ' ')}")

    found = run_challenges(subject, settings, request.names or None, told)
    findings = ordered(found.findings)
    request.out.mkdir(parents=True, exist_ok=True)
    write_json(request.out / "evidence.json", write_ledger(findings))
    page = render_challenge(_content(request, asked, found, findings))
    write_text(request.out / "report.html", page)
    lines = [verdict(findings)]
    lines += [f"  Not asked: {name}: {why}." for name, why in found.skipped.items()]
    lines += [f"  {note}" for note in asked.notes]
    lines.append(f"Wrote {request.out}: report.html, evidence.json.")
    return "\n".join(lines)


def _bounded(request: ChallengeRequest, side: int) -> ChallengeSettings:
    """How many cells are looked at: work goes with px, and each unit keeps its share."""
    how = request.settings
    if request.most_cells:
        asked = min(how.most_asked, request.most_cells)
        return replace(how, most_crops=max(8, request.most_cells), most_asked=max(8, asked))
    share = min(1.0, (USUAL_PX / side) ** 2)
    return replace(
        how,
        most_crops=max(FEWEST, round(share * how.most_crops)),
        most_asked=max(FEWEST // 2, round(share * how.most_asked)),
    )


def _content(
    request: ChallengeRequest, asked: AskedModel, found: Challenged, findings: tuple[Finding, ...]
) -> ChallengeContent:
    samples = asked.samples
    seen = "these pictures" if not asked.unseen else asked.card.training_data or "not known"
    return ChallengeContent(
        title=f"{asked.name}, challenged",
        command=request.command,
        findings=findings,
        skipped=found.skipped,
        conditions=_conditions(findings),
        tiles=(
            (len(samples), "cell"),
            (len(samples.classes), "class"),
            (len(set(samples.groups)), samples.unit),
        ),
        facts={
            "model": asked.name,
            "channels": ", ".join(asked.model.channels),
            "input": f"{asked.model.input_px} px",
            "fitted on": seen,
            "cells asked about": counted(len(samples), "cell"),
            "independent units": counted(len(set(samples.groups)), samples.unit),
            "seed": str(request.settings.seed),
        },
        notes=asked.notes,
    )


def _conditions(findings: Iterable[Finding]) -> tuple[dict[str, Any], ...]:
    """Rows of the table of conditions, from the Finding that holds it."""
    return tuple(row for each in findings for row in each.details.get("conditions", ()))
