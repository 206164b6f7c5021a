"""States held against a truth: two tables, joined by image or object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.evidence.accuracy.measured import Measured
from lucyte.evidence.accuracy.objects import called_accuracy, classification_accuracy
from lucyte.evidence.accuracy.state_scores import Answers, state_scores
from lucyte.io.words import read_csv_words
from lucyte.io.write_table import read_parquet
from lucyte.pipeline.validate_readouts import of_states
from lucyte.pipeline.validated import Asked, Comparison, group_of, left_out
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.finding import Finding

KEYS = ("object_id", "image")
UNITS = ("group", "well", "plate")
"""Columns that tell what is independent, the first one that is there."""
ADVICE = "Give tables (CSV or Parquet) with image or object_id, and state."


def compare_states(prediction: Path, reference: Path, asked: Asked) -> Comparison:
    """Score states; with ``p_<class>`` for every class, probabilities too."""
    mine, truth = _table(prediction), _table(reference)
    key = next((k for k in KEYS if k in mine and k in truth), None)
    if key is None:
        raise UsageError(
            f"{prediction} and {reference} share neither column object_id nor image. {ADVICE}"
        )
    for path, table in ((prediction, mine), (reference, truth)):
        table[key] = table[key].astype(str)
        twice = table[key][table[key].duplicated()]
        if len(twice):
            raise InputError(path, f"names {key} {twice.iloc[0]!r} twice.", "Keep one row each.")
    both = _joined(mine, truth, key)
    if not len(both):
        raise UsageError(
            f"{prediction} and {reference} have no {key} in common: {mine[key].iloc[0]!r} and "
            f"{truth[key].iloc[0]!r}."
        )
    unknown_truth = both["truth"] == ""
    notes = left_out(f"rows of the reference without a prediction ({key})",
                     sorted(set(truth[key]) - set(mine[key])))  # fmt: skip
    notes += left_out("predictions without a reference", sorted(set(mine[key]) - set(truth[key])))
    notes += left_out("rows without a true state", both.loc[unknown_truth, key].tolist())
    both = both[~unknown_truth].reset_index(drop=True)
    if not len(both):
        raise InputError(reference, "gives no row a state.", ADVICE)
    more = _refuse_other_names(both, prediction, reference)
    unit, alone = _unit(both, key, asked.group_regex)
    more += alone
    return _judged(both, key, unit, asked, notes + more)


def _judged(
    both: pd.DataFrame, key: str, unit: str, asked: Asked, notes: tuple[str, ...]
) -> Comparison:
    chances = [str(name)[2:] for name in both.columns if str(name).startswith("p_")]
    seen = sorted({*both["truth"], *both["state"]})
    sure = bool(chances) and set(seen) <= set(chances)
    classes = chances if sure else seen
    lone = len(classes) < 2
    findings: tuple[Finding, ...]
    if sure and not lone:
        findings = classification_accuracy(both, classes, unit, asked.requirement)
    else:
        findings = (called_accuracy(both, classes, unit, asked.requirement),)
        if not lone:
            notes += ("No probabilities of all classes (p_<class>), so states alone are judged.",)
    p = both[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64) if sure else None
    codes = [
        pd.Index(classes).get_indexer(pd.Index(both[c])).astype(np.int64)
        for c in ("truth", "state")
    ]
    answers = Answers(tuple(classes), codes[0], codes[1], p)
    told = state_scores(answers)
    columns = list(
        dict.fromkeys([key, unit, "truth", "state", *(f"p_{c}" for c in classes if sure)])
    )
    table = both[columns].assign(accuracy=(both["truth"] == both["state"]).astype(float))
    counts = both["truth"].value_counts()
    return Comparison(
        table,
        tuple(findings),
        {name: score.value for name, score in told.items()},
        notes,
        unit,
        "objects" if key == "object_id" else "images",
        measured=Measured(
            images=len(both),
            units=int(both[unit].nunique()),
            unit=unit.removesuffix("_id"),
            grouped=unit != key,
            classes={name: int(counts.get(name, 0)) for name in classes},
            scored=sure,
        ),
        readouts=of_states(asked.readouts, both, key, unit),
        answers=answers,
        undefined={name: score.undefined for name, score in told.items() if score.undefined},
    )


def _refuse_other_names(both: pd.DataFrame, prediction: Path, reference: Path) -> tuple[str, ...]:
    """Notes on states that are never true; refuses states that are other words altogether."""
    true, said = sorted(set(both["truth"])), sorted(set(both["state"]))
    folded = {name.casefold(): name for name in true}
    strange = [name for name in said if name not in true]
    twins = [name for name in strange if name.casefold() in folded]
    if twins or len(strange) == len(said):
        what = (
            f"{twins[0]!r} and {folded[twins[0].casefold()]!r} differ in case only"
            if twins
            else f"the states have no name in common: {', '.join(said[:6])} in {prediction}, "
            f"{', '.join(true[:6])} in {reference}"
        )
        raise UsageError(f"{what}. Give the classes the same names in both tables.")
    if not strange:
        return ()
    count = int(both["state"].isin(strange).sum())
    return (f"{count} answers name a state that is never true: {', '.join(strange[:6])}.",)


def _joined(mine: pd.DataFrame, truth: pd.DataFrame, key: str) -> pd.DataFrame:
    kept = [name for name in UNITS if name in truth.columns]
    extra = [name for name in UNITS if name in mine.columns and name not in kept]
    chances = [name for name in mine.columns if str(name).startswith("p_")]
    more = ["fold"] if "fold" in mine.columns else []
    taken = {key, "state", "fold", *UNITS, *map(str, chances)}
    numbers = [name for name in _numeric(mine) if name in _numeric(truth) and name not in taken]
    told = ["condition"] if "condition" in truth.columns else []
    left = truth[[key, "state", *kept, *told, *numbers]].rename(
        columns={"state": "truth"} | {name: f"{name}_true" for name in numbers}
    )
    both = left.merge(mine[[key, "state", *chances, *extra, *more, *numbers]], on=key, how="inner")
    for name in ("truth", "state"):
        both[name] = both[name].fillna("").astype(str)
    return both


def _numeric(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.select_dtypes("number").columns]


def _unit(both: pd.DataFrame, key: str, regex: str) -> tuple[str, tuple[str, ...]]:
    if regex:
        both["group"] = [group_of(name, regex) for name in both[key]]
        return "group", ()
    found = next((name for name in UNITS if name in both.columns), None)
    if found is None:
        return key, ("Groups are not known, so each row counts as independent.",)
    both[found] = both[found].fillna("unknown").astype(str)
    return found, ()


def _table(path: Path) -> pd.DataFrame:
    if path.is_dir() and (path / "states.parquet").is_file():
        path = path / "states.parquet"
    if path.suffix.lower() == ".parquet":
        table = read_parquet(path)
    elif path.suffix.lower() == ".csv":
        try:
            table = read_csv_words(path, ("state", "image", "object_id", "condition", *UNITS))
        except (ValueError, UnicodeDecodeError) as error:
            raise InputError(path, f"is not a table ({error}).", ADVICE) from None
    else:
        raise InputError(path, "is no table.", ADVICE)
    if "state" not in table.columns:
        has = ", ".join(str(name) for name in table.columns)
        raise InputError(path, f"has no column 'state'; it has {has}.", ADVICE)
    if not len(table):
        raise InputError(path, "has no rows.", ADVICE)
    return table
