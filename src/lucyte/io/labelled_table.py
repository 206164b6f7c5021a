"""Tables of labelled pictures: which column says what, and rows that do not hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from lucyte.schema.errors import InputError, unknown

IMAGE = ("image", "file", "filename", "file_name", "path")
LABEL = ("state", "label", "class")
GROUP = ("group",)
MASK = ("mask",)
LEVELS = (
    "plate",
    "batch",
    "day",
    "date",
    "experiment",
    "well",
    "row",
    "column",
    "site",
    "field",
    "position",
    "slide",
    "donor",
    "patient",
    "animal",
    "replicate",
    "operator",
    "microscope",
    "scanner",
)
"""Columns that say how a picture was taken. What was done to the cells is not among them."""
MISSING = {"", "nan", "na", "n/a", "none", "null"}


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes
    ----------
    path : Path
    rows : DataFrame of str
        What is missing is an empty string. Its first row is line 2 of the file.
    """

    path: Path
    rows: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, names: Sequence[str]) -> str:
        """The first column of these names, whatever their case; empty where there is none."""
        own = {str(name).strip().lower(): str(name) for name in self.rows.columns}
        return next((own[name] for name in names if name in own), "")

    def asked(self, name: str, option: str) -> str:
        """A column that was asked for by name.

        Raises
        ------
        UsageError
            There is none.
        """
        columns = [str(each) for each in self.rows.columns]
        if name in columns:
            return name
        found = self.find([name.lower()])
        if not found:
            raise unknown("column", name, columns, f"In {self.path} ({option}).")
        return found

    def values(self, column: str) -> list[str]:
        """A column's text."""
        return [str(each) for each in self.rows[column]]


def read_table(path: Path) -> Table:
    """Read a CSV, TSV or semicolon table; all is text.

    Raises
    ------
    InputError
        No file, no table, no rows, a column name twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        rows = pd.read_csv(
            StringIO(text),
            sep=separator,
            header=None,  # pandas would rename a column that comes twice
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
        )
    except FileNotFoundError:
        raise InputError(path, "no such table.") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            path, f"is not a table ({reason[:120]}).", "Save it as CSV (UTF-8), one row per image."
        ) from None
    names = [str(each).strip() for each in rows.iloc[0]] if len(rows) else []
    rows = rows.iloc[1:].reset_index(drop=True)
    rows.columns = pd.Index(names)
    twice = rows.columns[rows.columns.duplicated()]
    if len(twice):
        raise InputError(path, f"has column {twice[0]!r} twice.", "Rename one.")
    if not len(rows):
        raise InputError(path, "has no rows.")
    for name in rows.columns:
        column = rows[name].astype(str).str.strip()
        rows[name] = column.where(~column.str.lower().isin(MISSING), "")
    return Table(path, rows)


def labels_of(table: Table, asked: str, required: bool) -> tuple[list[str], list[str]]:
    """The class of each row, and notes.

    Raises
    ------
    UsageError
        No such column.
    InputError
        Labels are required, and a row has none.
    """
    column = table.asked(asked, "--label-column") if asked else table.find(LABEL)
    if not column:
        if not required:
            return [""] * len(table), []
        columns = ", ".join(str(each) for each in table.rows.columns)
        raise InputError(
            table.path, "has no column 'state'.", f"Choose one with --label-column: {columns}."
        )
    labels = table.values(column)
    empty = [line for line, label in enumerate(labels, start=2) if not label]
    if empty and required:
        raise InputError(
            table.path,
            f"has no {column} in line {empty[0]}"
            + (f" and {len(empty) - 1} other lines." if len(empty) > 1 else "."),
            "Fill it in, or delete the line.",
        )
    notes = [] if asked or column == "state" else [f"Classes are from column {column!r}."]
    return labels, notes


def groups_of_table(
    table: Table, asked: str, required: bool
) -> tuple[list[str] | None, str, list[str]]:
    """The group of each row, what it counts, and notes; None where nothing tells.

    Raises
    ------
    UsageError
        No such column.
    InputError
        A row without a value in it.
    """
    column = table.asked(asked, "--group-column") if asked else table.find(GROUP)
    plate, well = table.find(("plate",)), table.find(("well",))
    notes = []
    if column:
        parts, unit = [column], column
    elif well:
        parts, unit = [each for each in (plate, well) if each], "well"
    elif plate:
        parts, unit = [plate], "plate"
    else:
        return None, "image", []
    rows = list(zip(*(table.values(each) for each in parts), strict=True))
    for line, row in enumerate(rows, start=2):
        for name, value in zip(parts, row, strict=True):
            if not value and not (name == plate and len(parts) > 1):
                if not column and not required:
                    return None, "image", []
                raise InputError(
                    table.path,
                    f"has no {name} in line {line}, so its group is unknown.",
                    "Fill it in, or choose another column with --group-column.",
                )
    if not column:
        notes.append(
            f"No group was given: {unit}s are kept together ({' and '.join(parts)} of the table)."
        )
    return ["/".join(value for value in row if value) for row in rows], unit, notes


def levels_of_table(table: Table, more: Sequence[str]) -> dict[str, list[str]]:
    """Columns that say how pictures were taken, by their names in lower case."""
    named = {name: table.find((name,)) for name in LEVELS}
    named |= {name: table.asked(name, "levels") for name in more}
    return {name: table.values(column) for name, column in named.items() if column}
