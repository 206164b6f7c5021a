"""``lucyte challenge RUN --hypothesis h.toml``: freeze a prediction, then test it on a run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.evidence.hypothesis.kept import refuse_lost
from lucyte.evidence.hypothesis.ledger import FOLDER, Ledger
from lucyte.evidence.hypothesis.record import CORRELATIONS, Hypothesis, load_record
from lucyte.evidence.hypothesis.seen import already_seen, assumptions
from lucyte.evidence.hypothesis.trial import PAIRED, Rows, design_of, hold_trial, threshold
from lucyte.pipeline.folder import RunFolder
from lucyte.pipeline.hypothesis_answers import EVIDENCE, answer_all, draw_answers, known_findings
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
        The one asked first, then the other tested members of its family, then those whose kept
        answer was gone and was drawn from the ledger again.

    Raises
    ------
    InputError
        A file that is not there, or a ledger that was edited or lacks what the run tells of.
    UsageError
        A record that cannot be read or has changed since it was frozen, a measurement that the
        model sees, or names that the run does not have. Nothing is frozen then.
    """
    asked = load_record(record)
    view = RunView(run, asked, record.absolute().parent)
    with RunFolder(run).lock(), step("Testing the hypothesis", 1, quiet=quiet) as done:
        ledger = Ledger(run / FOLDER)
        refuse_lost(ledger, known_findings(run / EVIDENCE))
        ledger.check(asked)
        _refuse_seen(view)
        rows, told = _rows(view)
        data = _digest(rows)
        ledger.check(asked, data)
        # From here on it counts: what follows is kept whatever it says.
        ledger.freeze(asked, record.read_text(encoding="utf-8"))
        trial = hold_trial(asked, rows)
        ledger.add_trial(asked.name, data, trial)
        assumed = (*assumptions(asked.measurement, view.seen), *_of_model(asked))
        found = answer_all(run, ledger, asked, (assumed, told))
        done()
    return found


test_hypothesis.__test__ = False  # type: ignore[attr-defined]


def stored_findings(run: Path) -> tuple[Finding, ...]:
    """The Findings of all hypotheses that were tested on a run; a rerun keeps them.

    Raises
    ------
    InputError
        The ledger was edited, or lacks a hypothesis that the run tells of.
    """
    ledger = Ledger(run / FOLDER)
    try:
        known = known_findings(run / EVIDENCE)
    except InputError:
        known = ()  # It is about to be written anew; the files in hypotheses/ speak for it.
    refuse_lost(ledger, known)
    return tuple(each.finding for each in draw_answers(run, ledger))


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


def _digest(rows: Rows) -> str:
    """Hash of what was compared; the same data give the same."""
    mark = hashlib.sha256()
    mark.update("\0".join(rows.units).encode())
    for values in (rows.quantity, rows.measurement):
        mark.update(np.ascontiguousarray(values).tobytes())
    return mark.hexdigest()
