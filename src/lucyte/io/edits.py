"""A person's corrections of lineages: ``edits.csv``.

One correction a line: ``action``, ``field_id`` (the movie), and for each object that it speaks of,
a, b and c, ``time_index_a, y_a_px, x_a_px`` (anywhere on it) or ``object_id_a``. Places survive
another segmentation; numbers do not, and are used only where no place is given.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lucyte.io.atomic import write_text
from lucyte.schema.errors import InputError, unknown
from lucyte.schema.tracks import ACTIONS, Edit, Place

_PARTS = ("time_index_{}", "y_{}_px", "x_{}_px", "object_id_{}")
COLUMNS = ("action", "field_id", *(part.format(each) for each in "abc" for part in _PARTS))


def read_edits(path: str | Path) -> tuple[Edit, ...]:
    """Read corrections; empty lines and lines that begin with # are passed over.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        No such file; a line without a time, a place or a known action, with its number.
    UsageError
        A column that is not known.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(path, "no such file of corrections.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not a text file ({error}).") from None
    rows = [
        (number, row)
        for number, row in enumerate(csv.reader(text.splitlines()), start=1)
        if any(cell.strip() for cell in row) and not row[0].startswith("#")
    ]
    if not rows:
        return ()
    names = [cell.strip() for cell in rows[0][1]]
    for name in names:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS, f"In {path}.")
    if "action" not in names:
        raise InputError(path, "has no column 'action'.", f"Allowed columns: {', '.join(COLUMNS)}.")
    return tuple(_edit(path, number, row, names) for number, row in rows[1:])


def write_edits(path: str | Path, edits: Sequence[Edit]) -> None:
    """Write corrections so that ``read_edits`` gives them back."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for edit in edits:
        row: list[str] = [edit.action, edit.field_id]
        for place in (*edit.places, *[Place()] * (3 - len(edit.places))):
            values = (place.time_index, place.y_px, place.x_px, place.object_id)
            row += ["" if each is None else str(each) for each in values]
        writer.writerow(row)
    write_text(path, out.getvalue())


def with_places(edits: Sequence[Edit], nodes: pd.DataFrame, field_id: str = "") -> tuple[Edit, ...]:
    """The same corrections, with the places of objects that only their number told.

    Written back, they survive another segmentation.

    Parameters
    ----------
    nodes : DataFrame
        ``object_id, time_index, y_px, x_px`` of the objects that the numbers speak of.
    field_id : str
        Corrections of another movie are left as they are; one of none gets this.
    """
    columns = (nodes[name].tolist() for name in ("object_id", "time_index", "y_px", "x_px"))
    known = {name: (int(t), float(y), float(x)) for name, t, y, x in zip(*columns, strict=True)}

    def placed(place: Place) -> Place:
        if place.y_px is not None or place.object_id not in known:
            return place
        time, y, x = known[place.object_id]
        return replace(place, time_index=time, y_px=round(y, 2), x_px=round(x, 2))

    return tuple(
        replace(
            edit,
            places=tuple(placed(each) for each in edit.places),
            field_id=edit.field_id or field_id,
        )
        if edit.field_id in ("", field_id)
        else edit
        for edit in edits
    )


def _edit(path: str | Path, number: int, row: list[str], names: list[str]) -> Edit:
    if len(row) > len(names):
        raise InputError(path, f"line {number} has {len(row)} cells, its head {len(names)}.")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    action = cells.get("action", "")
    if action not in ACTIONS:
        raise InputError(path, f"line {number}: {unknown('action', action, ACTIONS)}")
    places = tuple(_place(path, number, cells, each) for each in "abc"[: ACTIONS[action]])
    for each in "abc"[ACTIONS[action] :]:
        if any(cells.get(part.format(each)) for part in _PARTS):
            raise InputError(
                path,
                f"line {number}: {action!r} speaks of {ACTIONS[action]} object(s), "
                f"and an object {each} is given.",
            )
    return Edit(number, action, places, cells.get("field_id", ""))


def _place(path: str | Path, number: int, cells: dict[str, str], each: str) -> Place:
    time, y, x, name = (cells.get(part.format(each), "") for part in _PARTS)
    if not ((time and y and x) or name):
        raise InputError(
            path,
            f"line {number}: object {each} has no place.",
            f"Give time_index_{each}, y_{each}_px and x_{each}_px, or object_id_{each}.",
        )
    try:
        numbers = [float(value) if value else None for value in (time, y, x)]
    except ValueError:
        numbers = [math.nan]
    finite = all(value is None or math.isfinite(value) for value in numbers)
    if not finite or (numbers[0] is not None and numbers[0] != int(numbers[0])):
        raise InputError(
            path,
            f"line {number}: the place of object {each} is no frame and two numbers, "
            f"got {time!r}, {y!r}, {x!r}.",
        )
    frame = None if numbers[0] is None else int(numbers[0])
    if numbers[1] is None or numbers[2] is None:
        return Place(frame, None, None, name or None)
    return Place(frame, numbers[1], numbers[2], name or None)
