"""The unit for splits: which annotated images are not independent of one another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.annotated_pairs import Frames
from lucyte.io.layouts import LAYOUTS
from lucyte.io.platemap import read_platemap
from lucyte.schema.errors import InputError, UsageError, unknown

TABLE = "images.csv"
COLUMN = "group"
"""The column that is used without being asked for."""


@dataclass(frozen=True)
class Grouping:
    """How a user says what belongs together.

    Attributes
    ----------
    regex : str
        Searched in the path below the data; its group ``group``, its first group, or all of it.
    column : str
        Of ``images.csv``, which names images in its column ``image``.
    """

    regex: str = ""
    column: str = ""


def groups_of(
    frames: Sequence[Frames], data: Path, layout: str, grouping: Grouping
) -> list[str] | None:
    """The group of every frame, or None where nothing tells.

    A pattern or a column where given; else the column ``group`` of ``images.csv``; else the field
    (well and site, sequence) where the layout of the names knows one.

    Parameters
    ----------
    frames : sequence of Frames
    data : Path
        The folder of the data set.
    layout : str
        That read the names.
    grouping : Grouping

    Raises
    ------
    UsageError
        Both ways at once; a pattern that is none or does not fit an image; an unknown column.
    InputError
        No table; a table without a row, or with an empty cell, for an image.
    """
    if grouping.regex and grouping.column:
        raise UsageError("give either --group-regex or --group-column, not both.")
    if grouping.regex:
        return _by_regex(frames, data, grouping.regex)
    table = _table(frames, data)
    if grouping.column:
        if table is None:
            raise InputError(data, f"has no {TABLE} for --group-column {grouping.column}.")
        return _by_column(frames, table, grouping.column)
    if table is not None and COLUMN in read_platemap(table).columns:
        return _by_column(frames, table, COLUMN)
    if layout not in {row.name for row in LAYOUTS} | {"ome-zarr-plate", "pattern"}:
        return None
    plates = {frame.field.plate for frame in frames}
    return [_field_group(frame, alone=len(plates) == 1) for frame in frames]


def _field_group(frame: Frames, *, alone: bool) -> str:
    """``C03_s1`` where there is one plate, else the plate too."""
    field = frame.field
    if alone and field.well:
        return f"{field.well}_s{field.site}"
    return field.field_id


def _by_regex(frames: Sequence[Frames], data: Path, regex: str) -> list[str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise UsageError(f"--group-regex {regex!r} is not a regular expression: {error}.") from None
    groups, strange = [], []
    for frame in frames:
        path = frame.paths[0]
        below = path.relative_to(data) if path.is_relative_to(data) else Path(path.name)
        match = pattern.search(below.as_posix())
        if match is None:
            strange.append(below.as_posix())
            continue
        found = match.groupdict().get("group") or (match[1] if pattern.groups else match[0])
        groups.append(found or "")
    if strange:
        raise UsageError(
            f"--group-regex {regex!r} does not fit {len(strange)} of {len(frames)} images, for "
            f"instance {strange[0]}."
        )
    if not all(groups):
        raise UsageError(f"--group-regex {regex!r} catches nothing in some images.")
    return groups


def _table(frames: Sequence[Frames], data: Path) -> Path | None:
    folders = dict.fromkeys([data, *(frame.paths[0].parent for frame in frames[:1])])
    places = [place / TABLE for folder in folders for place in (folder, folder.parent)]
    return next((place for place in places if place.is_file()), None)


def _by_column(frames: Sequence[Frames], path: Path, column: str) -> list[str]:
    table = read_platemap(path)
    if column not in table.columns:
        raise unknown("column", column, [str(name) for name in table.columns], f"In {path}.")
    if "image" not in table.columns:
        raise InputError(path, "has no column 'image' to find images by.")
    rows: dict[str, str] = {}
    for image, value in zip(table["image"], table[column], strict=True):
        name = Path(str(image)).name
        text = "" if value is None else str(value)
        if rows.get(name, text) != text or rows.get(Path(name).stem, text) != text:
            raise InputError(path, f"gives {name} two values of {column}.")
        rows[name] = rows[Path(name).stem] = text
    groups = []
    for frame in frames:
        keys = [*(p.name for p in frame.paths), *(key.rsplit("/", 1)[-1] for key in frame.keys)]
        value = next((rows[key] for key in keys if key in rows), None)
        if not value:
            what = "no row" if value is None else f"an empty {column}"
            raise InputError(path, f"has {what} for {frame.label}.", "Fill it in.")
        groups.append(value)
    return groups
