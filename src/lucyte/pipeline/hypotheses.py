"""``lucyte challenge RUN --hypothesis h.toml``: freeze a prediction, then test it on a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.evidence import ledger as findings_ledger
from lucyte.evidence.hypothesis.answer import Judged, finding, judge_family
from lucyte.evidence.hypothesis.ledger import FOLDER, Frozen, Ledger
from lucyte.evidence.hypothesis.record import (
    CORRELATIONS,
    Hypothesis,
    canonical,
    load_record,
)
from lucyte.evidence.hypothesis.seen import already_seen, assumptions
from lucyte.evidence.hypothesis.trial import PAIRED, Rows, design_of, hold_trial, threshold
from lucyte.io.atomic import write_json
from lucyte.pipeline.folder import RunFolder
from lucyte.pipeline.hypothesis_measurements import measurement_of
from lucyte.pipeline.hypothesis_quantities import (
    ANSWERS,
    MAPPED,
    quantity_of,
)
from lucyte.pipeline.hypothesis_view import RUN, RunView
from lucyte.pipeline.progress import step
from lucyte.pipeline.words import counted
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.finding import Finding

EVIDENCE = "evidence.json"


def test_hypothesis(run: Path, record: Path, *, quiet: bool = False) -> tuple[Finding, ...]:
    """Freeze a hypothesis and test it; its family is answered anew.

    Writes ``RUN/hypotheses/ledger.json``, ``NAME.toml`` (the record as frozen), ``NAME.json``
    (test and answer), and the Findings into ``RUN/evidence.json``.

    Parameters
    ----------
    run : Path
        Folder of a finished run.
    record : Path
        TOML; see docs/hypotheses.md.
    quiet : bool
        No progress.

    Returns
    -------
    tuple of Finding
        The one asked first, then the other tested members of its family.

    Raises
    ------
    InputError
        A file that is not there, or a ledger that was edited.
    UsageError
        A record that cannot be read or has changed since it was frozen, a measurement that the
        model sees, or names that the run does not have. Nothing is frozen then.
    """
    asked = load_record(record)
    view = RunView(run, asked, record.absolute().parent)
    with RunFolder(run).lock(), step("Testing the hypothesis", 1, quiet=quiet) as done:
        ledger = Ledger(run / FOLDER)
        ledger.check(asked)
        _refuse_seen(view)
        rows, told = _rows(view)
        # From here on it counts: what follows is kept whatever it says.
        ledger.freeze(asked, record.read_text(encoding="utf-8"))
        trial = hold_trial(asked, rows)
        ledger.add_trial(asked.name, _digest(rows), trial)
        told["asked_before"] = _asked_before(ledger.frozen(), asked)
        assumed = (*assumptions(asked.measurement, view.seen), *_of_model(asked))
        found = _answer(run, ledger.family(asked.family), asked.name, (assumed, told))
        done()
    return found


test_hypothesis.__test__ = False  # type: ignore[attr-defined]


def stored_findings(run: Path) -> tuple[Finding, ...]:
    """The Findings of all hypotheses that were tested on a run; a rerun keeps them."""
    ledger = Ledger(run / FOLDER)
    tested = [each.record.name for each in ledger.frozen() if each.trials]
    kept = [_kept(run, name) for name in tested]
    return tuple(Finding.from_json(each["finding"]) for each in kept if "finding" in each)


def _refuse_seen(view: RunView) -> None:
    record = view.record
    why = already_seen(record.measurement, view.seen)
    if not why or record.interventional:
        return
    raise UsageError(
        f"{record.name}: {why}; agreement would only show the model to itself. Measure something "
        "that it never sees (a channel left out with classify.exclude in the plan, another stain, "
        "a later frame), or set interventional = true for a claim about the model."
    )


def _rows(view: RunView) -> tuple[Rows, dict[str, Any]]:
    """Quantity and measurement of each cell, and what must be said of the join."""
    record, table = view.record, view.table
    if not len(table):
        raise UsageError(f"{record.name}: no cell of the run is left by the filters in sample.")
    measured = measurement_of(view)
    quantity = quantity_of(view)
    names = pd.Index(table["object_id"])
    rows = Rows(
        table["unit"].to_numpy(dtype=str),
        quantity.reindex(names).to_numpy(dtype=np.float64),
        measured.reindex(names).to_numpy(dtype=np.float64),
    )
    if record.test.relation not in CORRELATIONS and design_of(record) != "shift":
        threshold(record)
    _refuse_constant(record, rows.known())
    told: dict[str, Any] = {
        "cells": len(table),
        "cells_with_quantity": int(np.isfinite(rows.quantity).sum()),
        "cells_with_measurement": int(np.isfinite(rows.measurement).sum()),
        "model_sees": list(view.seen.channels),
    }
    if record.quantity.name in MAPPED:
        told["maps"] = f"{len(view.maps.object_ids):,} of {counted(len(table), 'cell')} have a map"
    return rows, told


def _of_model(record: Hypothesis) -> tuple[str, ...]:
    """What is taken for granted of the model and of the unit."""
    own = record.model.use == RUN
    model = () if own else (f"{record.model.use} never learned from the cells of this run",)
    out = [*model]
    if record.test.unit == "field":
        out.append("fields of one well are independent")
    if own and record.test.across == "units" and record.quantity.name in ANSWERS:
        out.append("answers of models of different folds share one scale")
    if record.quantity.name in MAPPED:
        out.append("maps are of the model that was fitted on all cells")
    return tuple(out)


def _refuse_constant(record: Hypothesis, rows: Rows) -> None:
    """A measurement of wells cannot be compared within wells."""
    if design_of(record) not in PAIRED or record.measurement.channel or not len(rows.units):
        return
    kinds = pd.Series(rows.measurement).groupby(rows.units).nunique()
    if (kinds <= 1).all() and len(rows.units) > len(kinds):
        raise UsageError(
            f"{record.name}: {record.measurement.column} is the same for all cells of a "
            f"{record.test.unit}, so cells cannot be compared within it; set test.across = "
            '"units".'
        )


def _answer(
    run: Path,
    family: Sequence[Frozen],
    asked: str,
    mine: tuple[tuple[str, ...], dict[str, Any]],
) -> tuple[Finding, ...]:
    """Answer the whole family, write each answer, and put all into the evidence."""
    out: list[Finding] = []
    for judged in judge_family(family):
        name = judged.member.record.name
        kept = _kept(run, name)
        assumed, told = mine if name == asked else (kept.get("assumed", ()), kept.get("told", {}))
        one = finding(judged, assumed, {**told, "earlier_tests": _earlier(judged)})
        _keep(run, judged, one, assumed, told)
        out.insert(0 if name == asked else len(out), one)
    _into_evidence(run / EVIDENCE, out)
    return tuple(out)


def _earlier(judged: Judged) -> list[float | None]:
    """Effects of tests on earlier states of the data, oldest first."""
    return [trial.to_json()["effect"] for _, trial in judged.member.trials[:-1]]


def _kept(run: Path, name: str) -> dict[str, Any]:
    path = run / FOLDER / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _keep(
    run: Path, judged: Judged, one: Finding, assumed: Sequence[str], told: dict[str, Any]
) -> None:
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
            "finding": one.to_json(),
        },
    )


def _into_evidence(path: Path, found: Sequence[Finding]) -> None:
    """Replace Findings of the same names, keep all others."""
    names = {each.name for each in found}
    known: tuple[Finding, ...] = ()
    if path.is_file():
        try:
            known = findings_ledger.read(json.loads(path.read_text(encoding="utf-8")), str(path))
        except ValueError as error:
            raise InputError(path, f"cannot be read: {error}.", "Run again.") from None
    kept = [each for each in known if each.name not in names]
    write_json(path, findings_ledger.write([*kept, *found]))


def _asked_before(frozen: Sequence[Frozen], asked: Hypothesis) -> list[str]:
    """Hypotheses registered earlier that relate the same two things."""
    out = []
    for each in frozen:
        if each.record.name == asked.name:
            break
        same = each.record.quantity == asked.quantity, each.record.measurement == asked.measurement
        out += [each.record.name] if all(same) else []
    return out


def _digest(rows: Rows) -> str:
    """Hash of what was compared; the same data give the same."""
    mark = hashlib.sha256()
    mark.update("\0".join(rows.units).encode())
    for values in (rows.quantity, rows.measurement):
        mark.update(np.ascontiguousarray(values).tobytes())
    return mark.hexdigest()
