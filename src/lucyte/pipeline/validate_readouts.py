"""Readouts of a study, from prediction and from truth: which there are, and how each is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.readout import Readout
from lucyte.pipeline.validated import common_names, group_of
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.objects import Labels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReadoutRow:
    """One readout on offer.

    Attributes
    ----------
    name : str
        ``fraction:STATE`` and ``column:NAME`` stand for any state, any column.
    tasks : tuple of str
    noun, unit : str
        In words, and the unit of the number.
    """

    name: str
    tasks: tuple[str, ...]
    noun: str
    unit: str = ""


READOUTS: tuple[ReadoutRow, ...] = (
    ReadoutRow("count", ("instance", "detection"), "objects per image"),
    ReadoutRow("area", ("instance",), "mean areas of objects", "px²"),
    ReadoutRow("area", ("semantic",), "foreground areas", "px²"),
    ReadoutRow("area", ("detection",), "mean areas of boxes", "px²"),
    ReadoutRow("spots", ("instance",), "spots per image"),
    ReadoutRow("spots", ("classification",), "spots per object"),
    ReadoutRow("fraction:STATE", ("classification",), "shares of {0}"),
    ReadoutRow("column:NAME", ("classification",), "means of {0}"),
    ReadoutRow("speed", ("tracking",), "mean speeds", "px per frame"),
)


def readout_row(name: str, task: str) -> ReadoutRow:
    """The row of a readout for a task.

    Raises
    ------
    UsageError
        No readout is called so, or not for this task.
    """
    head = name.partition(":")[0]
    offered = [row for row in READOUTS if task in row.tasks]
    for row in offered:
        stem, colon, _ = row.name.partition(":")
        if stem == head and bool(colon) == (":" in name) and not name.endswith(":"):
            return row
    raise unknown(f"readout of --task {task}", name, [row.name for row in offered])


def of_labels(name: str, task: str, labels: Labels) -> float:
    """A readout of one label image; nan where it has no object to measure."""
    readout_row(name, task)
    if name == "area" and task == "semantic":
        return float(np.count_nonzero(labels))
    count = len(np.setdiff1d(np.unique(labels), [0]))
    if name == "area":
        return float(np.count_nonzero(labels)) / count if count else math.nan
    return float(count)


def of_boxes(name: str, boxes: Floats) -> float:
    """A readout of one image's boxes."""
    readout_row(name, "detection")
    if name == "count":
        return float(len(boxes))
    return float((boxes[:, 2:] - boxes[:, :2]).prod(1).mean()) if len(boxes) else math.nan


def gathered(
    asked: Sequence[str],
    task: str,
    table: pd.DataFrame,
    unit: str,
    values: Mapping[str, Sequence[tuple[float, float]]],
) -> tuple[Readout, ...]:
    """Readouts from (truth, prediction) of each row of ``table``."""
    out = []
    for name in asked:
        row = readout_row(name, task)
        pairs = np.array(values[name], dtype=np.float64).reshape(-1, 2)
        frame = table[list(dict.fromkeys(["image", unit]))].assign(
            truth=pairs[:, 0], prediction=pairs[:, 1]
        )
        out.append(Readout(name, row.noun, row.unit, frame, unit))
    return tuple(out)


def of_states(asked: Sequence[str], both: pd.DataFrame, key: str, unit: str) -> tuple[Readout, ...]:
    """Readouts from two joined tables with ``truth``, ``state``, and ``NAME`` beside ``NAME_true``.

    Raises
    ------
    UsageError
        A state nobody has, a column that is not in both tables, a share without groups.
    """
    out = []
    for name in asked:
        row = readout_row(name, "classification")
        head, _, rest = name.partition(":")
        if head == "fraction":
            frame, noun = _share(both, rest, key, unit), row.noun.format(rest)
        else:
            column = _spot_column(both) if head == "spots" else rest
            frame, noun = _column(both, column), row.noun.format(column)
        held = [each for each in dict.fromkeys([key, unit, "condition"]) if each in both.columns]
        out.append(Readout(name, noun, row.unit, both[held].join(frame), unit))
    return tuple(out)


def _share(both: pd.DataFrame, state: str, key: str, unit: str) -> pd.DataFrame:
    states = sorted({*both["truth"], *both["state"]})
    if state not in states:
        raise unknown("state", state, states)
    if both[unit].nunique() == len(both):
        raise UsageError(
            f"--readout fraction:{state} needs several {key}s in a unit, and each {key} is its "
            "own. Give --group-regex, or a column group, well or plate."
        )
    return pd.DataFrame(
        {"truth": both["truth"] == state, "prediction": both["state"] == state}, index=both.index
    ).astype(float)


def shared_columns(both: pd.DataFrame) -> list[str]:
    """Columns that prediction and reference both have numbers in."""
    return [str(name) for name in both.columns if f"{name}_true" in both.columns]


def _column(both: pd.DataFrame, column: str) -> pd.DataFrame:
    if f"{column}_true" not in both.columns:
        raise unknown("column of numbers in both tables", column, shared_columns(both))
    return pd.DataFrame({"truth": both[f"{column}_true"], "prediction": both[column]})


def _spot_column(both: pd.DataFrame) -> str:
    found = [name for name in shared_columns(both) if name.startswith("spots")]
    counts = [name for name in found if name.startswith("spots_count")] or found
    if len(counts) != 1:
        raise UsageError(
            f"--readout spots needs one column of spots in both tables, found "
            f"{', '.join(counts) or 'none'}. Name it: --readout column:NAME."
        )
    return counts[0]


def speeds(centres: Mapping[int, Mapping[int, Floats]]) -> float:
    """Mean step of followed cells from frame to frame, px per frame; nan without a step.

    Parameters
    ----------
    centres : mapping of frame to mapping of label to (y, x)
    """
    steps = []
    for t, own in centres.items():
        later = centres.get(t + 1, {})
        steps += [float(np.linalg.norm(later[k] - own[k])) for k in own.keys() & later.keys()]
    return math.fsum(steps) / len(steps) if steps else math.nan


def with_conditions(
    readouts: Sequence[Readout], regex: str, path: Path | None
) -> tuple[tuple[Readout, ...], bool]:
    """Add the column ``condition`` from names or a table; whether there is one at all.

    Raises
    ------
    InputError, UsageError
        A table without ``image`` and ``condition``, images that are not in it, a pattern that
        does not fit.
    """
    if path is not None:
        known = _conditions(path)
        return tuple(replace(r, table=_joined(r.table, known, path)) for r in readouts), True
    if regex:
        caught = "--condition-regex"
        return tuple(
            replace(
                r,
                table=r.table.assign(
                    condition=[group_of(str(n), regex, caught) for n in r.table.iloc[:, 0]]
                ),
            )
            for r in readouts
        ), True
    return tuple(readouts), all("condition" in r.table.columns for r in readouts)


def _conditions(path: Path) -> dict[str, str]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as CSV ({str(error).splitlines()[0]}).") from None
    for column in ("image", "condition"):
        if column not in table.columns:
            has = ", ".join(str(name) for name in table.columns)
            raise InputError(
                path, f"has no column {column!r}; it has {has}.", "Give image and condition."
            )
    return dict(zip(table["image"].astype(str), table["condition"], strict=True))


def _joined(table: pd.DataFrame, known: Mapping[str, str], path: Path) -> pd.DataFrame:
    names = table.iloc[:, 0].astype(str).tolist()
    pairs, _, lone = common_names(list(known), names)
    if lone:
        raise InputError(
            path, f"says nothing of {len(lone)} images ({lone[0]} first).", "Add a row for each."
        )
    of: dict[str, Any] = {theirs: known[mine] for mine, theirs in pairs}
    out = table.assign(condition=[of[name] for name in names])
    return out[out["condition"] != ""]
