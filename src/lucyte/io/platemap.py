"""Plate maps: a table that says what was done to each well, or to each image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from lucyte.io.layouts import normal_well
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plate import IDENTITY, Field, Problem

NAMES = ("platemap.csv", "plate_map.csv", "platemap.tsv", "images.csv")
SYNONYMS = {"file": "image", "filename": "image", "file_name": "image", "time_point": "timepoint"}
PER_IMAGE = ("timepoint", "time_index", "time", "frame", "channel", "z")
RESERVED = ("object_id", "field_id", "kind", "label", "parent_id", "track_id", "state")


def find_platemap(path: str | Path) -> Path | None:
    """A plate map in a folder or beside it, or None.

    Looks for ``platemap.csv``, ``plate_map.csv``, ``platemap.tsv`` and ``images.csv`` with the
    columns of a plate map.
    """
    folder = Path(path)
    folder = folder if folder.is_dir() else folder.parent
    for place in (folder, folder.parent):
        for name in NAMES:
            if (place / name).is_file() and _has_treatment(place / name):
                return place / name
    return None


NOT_KNOWN = ("", "NA", "N/A", "n/a", "na", "nan", "NaN", "#N/A")
"""What stands for nothing; ``None`` and ``null`` may be the names of a treatment or a genotype."""


def read_platemap(path: str | Path) -> pd.DataFrame:
    """Read a plate map from CSV, or TSV.

    Column names are trimmed and written in lower case with ``_`` for spaces; ``Metadata_`` in
    front is dropped. One column must be ``well`` or ``image`` (``file``). Wells become ``A01``.
    Numbers (dose, concentration) stay numbers; what is empty is None.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataFrame
        Identity columns as text, other columns as they are.

    Raises
    ------
    InputError
        No such file, no table, no rows.
    UsageError
        Neither ``well`` nor ``image``; a name that Lucyte needs itself; a row without a well.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        # Everything is text at first: well "1E2" is no number.
        table = pd.read_csv(
            StringIO(text), sep=separator, header=None, dtype=str, skipinitialspace=True,
            keep_default_na=False, na_values=list(NOT_KNOWN),
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError(path, "no such plate map.") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "Save it as CSV (UTF-8) with one row per well."
        raise InputError(path, f"is not a table ({reason[:120]}).", advice) from None
    names = [_column(str(name)) if isinstance(name, str) else "" for name in table.iloc[0]]
    _check_columns(path, names)
    if len(table) < 2:
        raise InputError(path, "has no rows.")
    columns = {}
    for position, name in enumerate(names):
        values = [_cell(value) for value in table.iloc[1:, position]]
        known = name in IDENTITY or name == "image"
        columns[name] = values if known else _numbers_where_possible(values)
    if "well" in columns:
        columns["well"] = [normal_well(well) if well else None for well in columns["well"]]
    table = pd.DataFrame(columns, dtype=object)
    key = "image" if "image" in table.columns else "well"
    for row, value in enumerate(table[key], start=2):
        if value is None:
            raise UsageError(f"{path}: line {row} has no {key}; fill it in or delete the line.")
    return table


def join_platemap(
    fields: Sequence[Field], table: pd.DataFrame, where: str
) -> tuple[tuple[Field, ...], list[Problem]]:
    """Put what a plate map says into the fields.

    Joined by ``image`` where the table has that column, else by ``well`` and, where the table has
    them, ``plate`` and ``site``. Identity columns fill what the file names leave open; the rest
    goes to ``Field.meta``.

    Parameters
    ----------
    fields : sequence of Field
    table : DataFrame
        From ``read_platemap``.
    where : str
        The plate map's name, for messages.

    Returns
    -------
    fields, problems
        Rows without images are ``missing_well``, fields without a row ``unmatched``.

    Raises
    ------
    UsageError
        Two rows for one well that disagree; one field with two conditions; a plate map that
        speaks of other plates, or contradicts the names of the files.
    """
    by_image = "image" in table.columns
    rows = _rows_by_image(fields, table) if by_image else _rows_by_well(fields, table, where)
    problems = [] if by_image else _wells_without_images(fields, table, where)
    if by_image:
        problems += _images_not_there(fields, table, where)
    joined = []
    for each in fields:
        mine = rows[each.field_id]
        if not mine:
            text = f"field {each.field_id} has no row in {where}; its condition stays unknown."
            problems.append(Problem(each.field_id, "unmatched", text))
            joined.append(each)
            continue
        joined.append(_filled(each, _agreed(each, mine, where, by_image), where))
    return tuple(joined), problems


def _has_treatment(path: Path) -> bool:
    try:
        columns = set(read_platemap(path).columns)
    except (InputError, UsageError):
        return False
    return "well" in columns or "condition" in columns


def _column(name: str) -> str:
    plain = re.sub(r"[^0-9A-Za-z]+", "_", name.strip().lstrip("\ufeff")).strip("_").lower()
    plain = plain.removeprefix("metadata_")
    return SYNONYMS.get(plain, plain)


def _check_columns(path: str | Path, names: list[str]) -> None:
    if "well" not in names and "image" not in names:
        shown = ", ".join(names[:12])
        raise UsageError(
            f"{path}: a plate map needs a column 'well' (or 'image'), got: {shown}. "
            "Name the column that holds A01, A02 ... 'well'."
        )
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: column {name!r} stands twice; keep one.")
        if name in RESERVED:
            raise UsageError(f"{path}: Lucyte uses the name {name!r} itself; rename that column.")
        if not name or re.fullmatch(r"unnamed_\d+", name):
            raise UsageError(f"{path}: a column has no name; name it or delete it.")


def _cell(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _numbers_where_possible(values: Sequence[str | None]) -> list[Any]:
    """The column as numbers if every filled cell is one: whole ones as int."""
    for kind in (int, float):
        try:
            return [None if value is None else kind(value) for value in values]
        except ValueError:
            continue
    return list(values)


def _rows_by_image(
    fields: Sequence[Field], table: pd.DataFrame
) -> dict[str, list[Mapping[str, Any]]]:
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in _records(table):
        by_name.setdefault(_file_key(row["image"]), []).append(row)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in fields:
        names = dict.fromkeys(_file_key(path) for path in each.source.paths)
        stems = dict.fromkeys(Path(name).stem for name in names)
        keys = [key for key in (*names, *stems) if key in by_name]
        found[each.field_id] = [row for key in keys for row in by_name[key]]
    return found


def _rows_by_well(
    fields: Sequence[Field], table: pd.DataFrame, where: str
) -> dict[str, list[Mapping[str, Any]]]:
    keys = [key for key in ("plate", "well", "site") if key in table.columns]
    if "plate" in keys:
        _check_plates(fields, table, where)
    seen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in _records(table):
        key = tuple(row[name] for name in keys)
        if key in seen and dict(seen[key]) != dict(row):
            differs = next(name for name in row if row[name] != seen[key][name])
            raise UsageError(
                f"{where}: well {row['well']} stands twice with different {differs} "
                f"({seen[key][differs]} and {row[differs]}); keep one row."
            )
        seen[key] = row
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in fields:
        mine = {**each.identity, "well": normal_well(each.well)}
        hits = [
            row
            for row in seen.values()
            if row["well"] == mine["well"]
            and all(row[k] in (None, mine[k]) for k in keys if k != "well")
        ]
        # A row that names plate and site beats one that leaves them open.
        hits.sort(key=lambda row: sum(row[k] is None for k in keys))
        found[each.field_id] = hits[:1]
    return found


def _check_plates(fields: Sequence[Field], table: pd.DataFrame, where: str) -> None:
    theirs = sorted({value for value in table["plate"] if value is not None})
    ours = sorted({each.plate for each in fields})
    if theirs and not set(theirs) & set(ours):
        raise UsageError(
            f"{where}: speaks of plate {', '.join(theirs[:5])}, the images are of plate "
            f"{', '.join(name or '(no name)' for name in ours[:5])}; make the names agree or "
            "delete the column plate."
        )


def _wells_without_images(
    fields: Sequence[Field], table: pd.DataFrame, where: str
) -> list[Problem]:
    have = {normal_well(each.well) for each in fields}
    missing = list(dict.fromkeys(well for well in table["well"] if well not in have))
    return [
        Problem(well, "missing_well", f"well {well} is in {where} but has no images.")
        for well in missing
    ]


def _images_not_there(fields: Sequence[Field], table: pd.DataFrame, where: str) -> list[Problem]:
    have = {_file_key(path) for each in fields for path in each.source.paths}
    have |= {Path(name).stem for name in have}
    missing = [name for name in table["image"] if _file_key(name) not in have]
    if not missing:
        return []
    shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
    text = f"{len(missing)} of {len(table)} images in {where} are not there: {shown}"
    return [Problem(where, "unmatched", text)]


def _agreed(
    each: Field, rows: Sequence[Mapping[str, Any]], where: str, by_image: bool
) -> dict[str, Any]:
    """What all rows of one field say alike; a treatment that changes within it is refused."""
    agreed: dict[str, Any] = {}
    for name in rows[0]:
        if name == "image" or (by_image and name in PER_IMAGE):
            continue
        values = list(dict.fromkeys(row[name] for row in rows))
        if len(values) == 1:
            agreed[name] = values[0]
        elif name in IDENTITY:
            shown = " and ".join(str(value) for value in values[:3])
            raise UsageError(
                f"{where}: the images of field {each.field_id} have different {name} ({shown}); "
                "one field has one. Correct the table or tell the fields apart with a pattern."
            )
    return agreed


def _filled(each: Field, row: Mapping[str, Any], where: str) -> Field:
    identity: dict[str, str] = {}
    for name in IDENTITY:
        value = row.get(name)
        if value is None:
            continue
        text = str(value)
        before = str(getattr(each, name))
        same = before.lstrip("0") == text.lstrip("0") if name == "site" else before == text
        if name == "well":
            same = normal_well(before) == normal_well(text)
        if name == "site" and before and not before.isdigit():
            continue  # the site stands for a file's name, which a table does not overrule
        if before and not same:
            raise UsageError(
                f"{where}: says {name} {text} where the file's name says {before} "
                f"({Path(each.source.paths[0]).name}); correct one of them."
            )
        if not before:
            identity[name] = text
    meta = {**each.meta, **{k: v for k, v in row.items() if k not in IDENTITY}}
    changes: dict[str, Any] = {**identity, "meta": meta}
    return replace(each, **changes)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, values, strict=True)) for values in table.itertuples(index=False)]


def _file_key(path: str) -> str:
    return str(path).replace("\\", "/").rsplit("/", 1)[-1]
