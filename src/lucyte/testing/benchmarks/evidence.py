"""The challenges of a model on worlds whose shortcut is known: what is caught, what is alarmed for.

Every record is a line of a log, so that a run stopped in the middle goes on where it was. A world
is named by what is planted, how strongly, and its seed; the challenge that must catch it is named
beforehand, in `lucyte.testing.benchmarks.evidence_worlds.NAMED`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lucyte.evidence.model.challenges import CHALLENGES, run_challenges
from lucyte.evidence.model.exchange import answers, tells
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.schema.errors import InputError
from lucyte.testing.benchmarks.evidence_worlds import NAMED, World, subject_of
from lucyte.testing.outcome import Outcome, markdown_table

STRENGTHS = (0.25, 0.5, 1.0)
CAUGHT, ALARMED, REPORTED = 0.95, 0.05, 0.10
"""The goals: share caught at full strength, of false alarms, of honest reports with any alarm."""
OF_THE_MODEL = ("robustness", "seeds")
"""Say how firm a model is; no alarm of a shortcut."""
TRUE_OF_SHAMS: Mapping[str, tuple[str, ...]] = {
    "plate": ("batch.readout.plate", "batch.leave_out.plate")
}
"""What rightly fails where plates differ, though their classes do not."""
QUICK = (
    "background.model_relies",
    "background.model_relies.erased",
    "background.model_relies.silhouettes",
    "statistics.model_relies",
    "position.model_relies",
    "batch",
)
"""Asked of every sham; the others, which fit many models, of the first of each round."""
SHAMS = 10
"""Of each round."""
ALL_AT = 25
"""One round of so many puts every challenge to the planted worlds too."""
BLIND = 0.6
"""AUROC below which a model has nothing to rely on."""


@dataclass(frozen=True)
class Job:
    """A world and the challenges put to it; all of them where none are named."""

    world: World
    asked: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What a log knows it by."""
        return json.dumps([*asdict(self.world).values(), *self.asked])


def jobs(rounds: int, first: int = 0, planted: bool = True) -> Iterator[Job]:
    """Rounds of worlds, so that a run stopped anywhere holds about as many of every kind.

    A round holds each shortcut at full strength, ten shams and an honest world, which is put to
    every challenge as the first sham is. One round in six holds a lower strength, by turns; one in
    `ALL_AT` puts every challenge to the planted worlds too.

    Parameters
    ----------
    rounds : int
    first : int
        Seed of the first round; worlds of other seeds share nothing but the pool of cells.
    planted : bool
        False: shams and honest worlds alone, with two shams of each round put to every challenge.
    """
    kinds = tuple(NAMED)
    for turn in range(rounds):
        seed = first + turn
        for kind, named in NAMED.items() if planted else ():
            asked = () if seed % ALL_AT == 1 else rows_of(named)
            yield Job(World(kind, 1.0, False, False, seed), asked)
        for number in range(SHAMS):
            kind = kinds[(SHAMS * turn + number) % len(kinds)]
            world = World(kind, 1.0, True, (turn + number) % 2 == 0, SHAMS * seed + number)
            yield Job(world, QUICK if number >= (1 if planted else 2) else ())
        yield Job(World("none", 0.0, False, True, seed))
        for kind, named in NAMED.items() if planted and turn % 6 == 0 else ():
            yield Job(World(kind, STRENGTHS[turn // 6 % 2], False, False, seed), rows_of(named))


def rows_of(findings: Sequence[str]) -> tuple[str, ...]:
    """The rows of `CHALLENGES` that give these Findings."""
    names = [row.name for row in CHALLENGES]
    return tuple(
        dict.fromkeys(
            max((name for name in names if f"{each}.".startswith(f"{name}.")), key=len)
            for each in findings
        )
    )


def ask(job: Job) -> dict[str, Any]:
    """Make a world, put the challenges to it, and write down what came back."""
    begun = process_time()
    subject = subject_of(job.world)
    assert subject.predictor is not None
    cells, classes = subject.crops, list(subject.predictor.classes)
    told = tells(answers(subject.predictor, cells, cells.crops), classes, cells)
    settings = ChallengeSettings(seed=job.world.seed)
    found = run_challenges(subject, settings, job.asked or None)
    return {
        "key": job.key,
        "world": asdict(job.world),
        "every": not job.asked,
        "wells": len(set(cells.groups)),
        "cells": len(cells),
        "model_auroc": told,
        "findings": {
            each.name: [
                each.verdict,
                round(each.statistic, 4) if np.isfinite(each.statistic) else None,
                str(each.details.get("worst", "")),
            ]
            for each in found.findings
        },
        "skipped": found.skipped,
        "seconds": round(process_time() - begun, 2),
    }


def run(
    wanted: Sequence[Job],
    log: Path,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Ask what the log does not hold yet, add it there line by line, and return all that is wanted.

    Raises
    ------
    InputError
        A line of the log that cannot be read, other than a last one that was cut off.
    """
    held = {record["key"]: record for record in read_log(log)}
    missing = [job for job in wanted if job.key not in held]
    with log.open("a", encoding="utf-8") as out:
        for number, record in enumerate(_asked(missing, processes)):
            out.write(json.dumps(record) + "\n")
            out.flush()
            held[record["key"]] = record
            if progress is not None:
                progress(number + 1, len(missing))
    return [held[job.key] for job in wanted]


def read_log(log: Path) -> list[dict[str, Any]]:
    """The records of a log; none where there is no file. A last line that was cut off is removed.

    Raises
    ------
    InputError
        Any other line that cannot be read.
    """
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines = lines[:-1]
        log.write_text("".join(lines), encoding="utf-8")
    out = []
    for number, line in enumerate(lines, 1):
        try:
            out.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(
                log, f"line {number} is no record ({error})", "remove that line; it is run again"
            ) from error
    return out


def measure(rounds: int = 1) -> Outcome:
    """One round in a log of its own: minutes. More by ``benchmarks/evidence.py``."""
    with tempfile.TemporaryDirectory() as folder:
        return outcome(run(list(jobs(rounds)), Path(folder) / "log.jsonl"))


def outcome(records: Sequence[Mapping[str, Any]]) -> Outcome:
    """The figure beside its goals."""
    caught = detection(records)
    full = [row for row in caught if row["blind"] == "" or row["of"][-1]]
    least = min((row["shares"][-1] for row in full if row["of"][-1]), default=float("nan"))
    alarms = false_alarms(records)
    most = max((row["share"] for row in alarms), default=float("nan"))
    any_alarm, reports = honest_reports(records)
    share = any_alarm / reports if reports else float("nan")
    return Outcome(
        f"worst challenge catches {least:.0%} of its shortcut at full strength, raises at most "
        f"{most:.0%} false alarms; {any_alarm} of {reports} honest reports hold an alarm",
        f"at least {CAUGHT:.0%}, at most {ALARMED:.0%}, at most {REPORTED:.0%}",
        least >= CAUGHT and most <= ALARMED and share <= REPORTED,
        (*detection_table(caught), *alarm_table(alarms)),
        notes(records),
    )


def detection(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often each named challenge fails, by strength.

    A challenge of the model counts where the model tells the classes at all; otherwise there is
    nothing that it relies on, and the world is counted as blind.
    """
    planted = [r for r in records if not r["world"]["sham"] and r["world"]["kind"] in NAMED]
    out = []
    for kind, named in NAMED.items():
        for name in named:
            own = [r for r in planted if r["world"]["kind"] == kind and name in r["findings"]]
            hits, of, blind = [], [], 0
            for strength in STRENGTHS:
                at = [r for r in own if r["world"]["strength"] == strength]
                if "model_relies" in name:
                    blind += sum(not r["model_auroc"] >= BLIND for r in at)
                    at = [r for r in at if r["model_auroc"] >= BLIND]
                hits.append(sum(r["findings"][name][0] == "fail" for r in at))
                of.append(len(at))
            shares = [h / n if n else float("nan") for h, n in zip(hits, of, strict=True)]
            out.append(
                {"kind": kind, "name": name, "hits": hits, "of": of, "shares": shares}
                | {"blind": blind or ""}
            )
    return out


def false_alarms(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often each Finding fails where nothing tells but the cells: shams, honest worlds."""
    counts: dict[str, list[bool]] = {}
    for record in records:
        if is_honest(record):
            for name, (verdict, *_) in _counted(record):
                counts.setdefault(name, []).append(verdict == "fail")
    order = sorted(counts, key=lambda name: (-len(counts[name]), name))
    return [
        {
            "name": name,
            "alarms": sum(counts[name]),
            "of": len(counts[name]),
            "share": float(np.mean(counts[name])),
        }
        for name in order
    ]


def honest_reports(records: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Full reports of honest worlds and shams that hold any alarm, and how many there are."""
    full = [r for r in records if is_honest(r) and r["every"]]
    return sum(any(v == "fail" for _, (v, *_) in _counted(r)) for r in full), len(full)


def is_honest(record: Mapping[str, Any]) -> bool:
    """Whether nothing but the cells hangs on the class."""
    return bool(record["world"]["sham"]) or record["world"]["kind"] == "none"


def _counted(record: Mapping[str, Any]) -> list[tuple[str, Sequence[Any]]]:
    true = TRUE_OF_SHAMS.get(record["world"]["kind"], ())
    return [
        (name, told)
        for name, told in record["findings"].items()
        if name.split(".")[0] not in OF_THE_MODEL and name not in true
    ]


def detection_table(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """`detection` to be read: share, counts and Clopper-Pearson interval."""
    return tuple(
        {
            "planted": row["kind"],
            "named beforehand": f"`{row['name']}`",
            **{
                f"strength {s:g}": of_how_many(h, n)
                for s, h, n in zip(STRENGTHS, row["hits"], row["of"], strict=True)
            },
            "blind models": str(row["blind"]),
        }
        for row in rows
    )


def alarm_table(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """`false_alarms` to be read."""
    return tuple(
        {"finding": f"`{row['name']}`", "false alarms": of_how_many(row["alarms"], row["of"])}
        for row in rows
    )


def matrix(records: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Shortcut at full strength by Finding: in how many full reports it fails."""
    full = [r for r in records if r["every"] and (r["world"]["strength"] in (0.0, 1.0))]
    names = sorted({n for r in full for n in r["findings"]})
    out = []
    for name in names:
        row: dict[str, Any] = {"finding": f"`{name}`"}
        for kind in (*NAMED, "sham or honest"):
            own = [
                r
                for r in full
                if (is_honest(r) and kind == "sham or honest")
                or (not is_honest(r) and r["world"]["kind"] == kind)
            ]
            asked = [r["findings"][name][0] for r in own if name in r["findings"]]
            row[kind] = f"{asked.count('fail')}/{len(asked)}" if asked else "-"
        out.append(row)
    return tuple(out)


def of_how_many(hits: int, n: int) -> str:
    """``12/12 (74 to 100 %)``: counts and the exact 95 % interval.

    References
    ----------
    Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.
    """
    if not n:
        return "-"
    told = binomtest(hits, n).proportion_ci(method="exact")
    return f"{hits}/{n} ({100 * told.low:.0f} to {100 * told.high:.0f} %)"


def notes(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What must be known to read the tables."""
    any_alarm, reports = honest_reports(records)
    broken = sorted({why for r in records for why in r["skipped"].values() if "broke" in why})
    return (
        f"{len(records)} worlds, {sum(r['seconds'] for r in records) / 60:.0f} minutes of one "
        "core; 12 to 24 wells with 96 cells of 32 px in each world, models of crop statistics and "
        "places made from as many other wells.",
        f"Honest reports (all challenges, nothing but the cells hangs on the class) with any "
        f"alarm: {of_how_many(any_alarm, reports)}.",
        "A challenge of the model counts where the model tells the classes at all (AUROC 0.6 on "
        "wells that it never saw); the others are counted as blind.",
        *broken,
    )


def report(records: Sequence[Mapping[str, Any]]) -> str:
    """All tables in Markdown, for the page."""
    every = any(record["every"] and not is_honest(record) for record in records)
    parts = (
        markdown_table(detection_table(detection(records))),
        markdown_table(alarm_table(false_alarms(records))),
        *([markdown_table(matrix(records))] if every else []),
        "\n".join(f"- {note}" for note in notes(records)),
    )
    return "\n\n".join(parts)


def _asked(missing: Sequence[Job], processes: int) -> Iterator[dict[str, Any]]:
    if processes < 2 or len(missing) < 2:
        yield from map(ask, missing)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        yield from workers.map(ask, missing)
