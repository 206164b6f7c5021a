"""What a run kept of its hypotheses, held against the ledger.

The chain of hashes in the ledger cannot show that its end was cut off, that the file is gone, or
that all of it was written anew. ``NAME.json``, ``NAME.toml`` and the Findings in ``evidence.json``
can: each tells of one registered hypothesis, with its hash, its place and its tests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucyte.evidence.hypothesis.ledger import FILE, Frozen, Ledger
from lucyte.evidence.hypothesis.record import canonical, changes, parse_record
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.finding import Finding

PREFIX = "hypothesis."
"""Of the names of Findings on hypotheses."""
ADVICE = (
    "Restore ledger.json from a copy of the run. To start afresh, run the plan into another folder "
    "(lucyte run plan.toml -o OTHER) and ask there; what was answered here stays."
)
DRAFT = " A record that was never frozen is moved out of hypotheses/, and asked from there."


@dataclass(frozen=True)
class Trace:
    """One thing that tells of a hypothesis.

    Attributes
    ----------
    name : str
    where : str
        File that tells of it.
    finding : Finding or None
        Its answer, where there is one.
    """

    name: str
    where: str
    finding: Finding | None = None


def refuse_lost(ledger: Ledger, findings: Sequence[Finding], where: str = "evidence.json") -> None:
    """Refuse a ledger that lacks what the run tells of.

    Parameters
    ----------
    ledger : Ledger
    findings : sequence of Finding
        Of the run; those that are on no hypothesis do not matter.
    where : str
        The file that they are from.

    Raises
    ------
    InputError
        A hypothesis or a test of it is in no entry, stands at another place, or is another than
        what was kept.
    """
    known = {each.record.name: each for each in ledger.frozen()}
    traces = [*_in_folder(ledger.path.parent), *_in_evidence(findings, where)]
    lost = [each for each in traces if each.name not in known]
    if lost:
        raise InputError(ledger.path, _no_entry(lost, ledger), _advice(lost))
    for each in traces:
        if each.finding is not None and (why := _other(known[each.name], each.finding)):
            raise InputError(ledger.path, f"{why}, as {each.where} tells.", ADVICE)
    for name, frozen in known.items():
        _refuse_other_text(ledger.path.with_name(f"{name}.toml"), frozen)


def kept_answer(folder: Path, name: str) -> dict[str, Any]:
    """What ``NAME.json`` holds; empty where it is gone, damaged or without an answer."""
    try:
        found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        Finding.from_json(found["finding"])
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return {}
    return found


def _in_folder(folder: Path) -> Iterable[Trace]:
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.toml")]):
        # What a killed command was writing begins with a dot.
        if path.name == FILE or path.name.startswith("."):
            continue
        kept = kept_answer(folder, path.stem) if path.suffix == ".json" else {}
        told = Finding.from_json(kept["finding"]) if kept else None
        yield Trace(path.stem, path.name, told)


def _in_evidence(findings: Sequence[Finding], where: str) -> Iterable[Trace]:
    for each in findings:
        if each.name.startswith(PREFIX):
            yield Trace(each.name.removeprefix(PREFIX), where, each)


def _no_entry(lost: Sequence[Trace], ledger: Ledger) -> str:
    places: dict[str, list[str]] = {}
    for each in lost:
        places.setdefault(each.name, []).append(each.where)
    told = "; ".join(f"{name!r}, kept in {', '.join(where)}" for name, where in places.items())
    state = "holds no entry of" if ledger.path.exists() else "is gone, and with it the entries of"
    return f"{state} {told}."


def _advice(lost: Sequence[Trace]) -> str:
    answered = {each.name for each in lost if not each.where.endswith(".toml")}
    return ADVICE if answered >= {each.name for each in lost} else ADVICE + DRAFT


def _other(frozen: Frozen, finding: Finding) -> str:
    """How a kept answer is of another entry, or of a test that the ledger lacks."""
    told: Mapping[str, Any] = finding.details
    name = repr(frozen.record.name)
    if told.get("sha256") != frozen.sha256:
        return f"registers {name} as another record than it was"
    if (told.get("order"), told.get("frozen")) != (frozen.order, frozen.time):
        return (
            f"has {name} as entry {frozen.order} of {frozen.time}, which was entry "
            f"{told.get('order')} of {told.get('frozen')}"
        )
    tests = int(told.get("tests") or 0)
    if tests > len(frozen.trials):
        return f"holds {len(frozen.trials)} of {tests} tests of {name}"
    trial = frozen.trials[max(tests, 1) - 1][1] if frozen.trials else None
    if trial is None or dict(trial.per_unit) != told.get("per_unit"):
        return f"holds another test of {name}"
    both_nan = math.isnan(trial.effect) and math.isnan(finding.statistic)
    same = both_nan or trial.effect == finding.statistic
    return "" if same else f"holds another effect of {name}"


def _refuse_other_text(path: Path, frozen: Frozen) -> None:
    """``NAME.toml`` must say what was frozen, in whatever words its comments are."""
    if not path.exists():
        return
    advice = "Undo the change; a record that was kept is never edited."
    try:
        record = parse_record(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, UsageError) as error:
        raise InputError(path, f"cannot be read: {error}", advice) from None
    told = "; ".join(changes(canonical(frozen.record), canonical(record)))
    if told:
        raise InputError(path, f"is not the record that was frozen ({told}).", advice)
