"""What a hypothesis measures in the sample: a column, a later frame, or a table made elsewhere."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.pipeline.hypothesis_quantities import looked_at
from lucyte.pipeline.hypothesis_view import RunView
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.objects import OBJECT_IDENTITY

KEYS = ("object_id", "field_id", "plate", "day", "batch", "well", "site", "time_index")
"""Columns by which a foreign table is joined; all of them that it has."""


def measurement_of(view: RunView) -> pd.Series:
    """The measurement that the record names, by object_id.

    Parameters
    ----------
    view : RunView

    Raises
    ------
    InputError
        A foreign table that is not there, or not readable.
    UsageError
        No such column, one that holds no numbers, or a table that meets no cell.
    """
    asked = view.record.measurement
    if asked.channel:
        return looked_at(view)
    if asked.table:
        return _foreign(view, view.base / asked.table, asked.column)
    if asked.column in (*OBJECT_IDENTITY, "track_id", "parent_track_id"):
        raise UsageError(
            f"measurement.column is {asked.column!r}, which names an object and measures nothing; "
            "name a feature column of objects.parquet, or a table."
        )
    values = _numbers(view.objects, asked.column, f"{view.run / 'objects.parquet'}")
    values.index = pd.Index(view.objects["object_id"])
    return _later(view, values, asked.later_frames) if asked.later_frames else values


def _numbers(table: pd.DataFrame, column: str, where: str) -> pd.Series:
    if column not in table:
        names = [str(name) for name in table.columns]
        near = difflib.get_close_matches(column, names, 8, 0.4)
        raise unknown("column", column, near or names[:16], f"In {where}.")
    try:
        return pd.to_numeric(table[column]).astype(float).reset_index(drop=True)
    except (ValueError, TypeError):
        raise UsageError(
            f"{where}: column {column!r} holds no numbers, so nothing can be compared with it."
        ) from None


def _later(view: RunView, values: pd.Series, frames: int) -> pd.Series:
    """Each cell's value so many frames later in its track; nan where its track ends before."""
    table = view.objects
    if "track_id" not in table:
        raise UsageError(f"{view.run}: has no tracks, so later_frames has nothing to follow.")
    order = {time: k for k, time in enumerate(sorted(table["time_index"].unique()))}
    place = table["time_index"].map(order)
    key = table["field_id"].astype(str) + "|" + table["track_id"].astype(str)
    followed = table["track_id"].notna()
    at = pd.MultiIndex.from_arrays([key, place])[followed]
    known = pd.Series(values.to_numpy()[followed], index=at)
    known = known[~known.index.duplicated()]
    wanted = pd.MultiIndex.from_arrays([key, place + frames])
    out = known.reindex(wanted).to_numpy()
    return pd.Series(np.where(followed, out, np.nan), index=values.index)


def _foreign(view: RunView, path: Path, column: str) -> pd.Series:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(path, "no such table.", "Named in measurement.table.") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as CSV: {error}.") from None
    keys = [name for name in KEYS if name in table and name in view.table]
    if not set(keys) & {"object_id", "field_id", "well"}:
        raise UsageError(
            f"{path}: has the columns {', '.join(map(str, table.columns))}; to be joined it needs "
            "object_id, field_id or well."
        )
    values = _numbers(table, column, str(path))
    mine = pd.MultiIndex.from_arrays([_text(table[name]) for name in keys])
    doubled = mine[mine.duplicated()]
    if len(doubled):
        raise UsageError(
            f"{path}: {', '.join(map(str, doubled[0]))} stands twice; give one row per "
            f"{' and '.join(keys)}."
        )
    wanted = pd.MultiIndex.from_arrays([_text(view.table[name]) for name in keys])
    out = pd.Series(values.to_numpy(), index=mine).reindex(wanted).to_numpy()
    if not np.isfinite(out).any():
        example = ", ".join(str(each) for each in wanted[0]) if len(wanted) else "none"
        raise UsageError(
            f"{path}: no row with a number meets a cell of the run by {', '.join(keys)} "
            f"(the run has, for example, {example})."
        )
    return pd.Series(out, index=pd.Index(view.table["object_id"]))


def _text(column: pd.Series) -> pd.Series:
    """As text, whole numbers without a point, so that 1, 1.0 and "1" meet."""
    if pd.api.types.is_float_dtype(column):
        column = column.astype("Int64") if (column.dropna() % 1 == 0).all() else column
    return column.astype(str).str.strip()
