"""The run's tables, put together from the fields' parts without holding all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lucyte.correct.cell_flags import cell_flags
from lucyte.correct.quality import plate_outliers
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.pipeline.folder import RunFolder
from lucyte.schema.objects import OBJECT_IDENTITY, empty_objects
from lucyte.schema.plate import Field, Problem

if TYPE_CHECKING:
    from lucyte.pipeline.context import Context


def field_objects(folder: RunFolder, here: Field) -> pd.DataFrame:
    """The objects of one field; without rows where nothing was found."""
    table = read_parquet(folder.part("field", here.field_id, ".objects.parquet"))
    return table if len(table) else empty_objects()


def kind_table(folder: RunFolder, fields: Sequence[Field], kind: str) -> pd.DataFrame:
    """All objects of one kind; columns in which that kind has no value at all are left out."""
    parts = []
    for here in fields:
        table = field_objects(folder, here)
        parts.append(table[table["kind"] == kind].dropna(axis=1, how="all"))
    filled = [part for part in parts if len(part)]
    if not filled:
        return empty_objects()
    return pd.concat(filled, ignore_index=True)


def kinds_found(folder: RunFolder, fields: Sequence[Field]) -> dict[str, int]:
    """Number of objects of every kind, over all frames."""
    counts: dict[str, int] = {}
    for here in fields:
        for kind, count in field_objects(folder, here)["kind"].value_counts().items():
            counts[str(kind)] = counts.get(str(kind), 0) + int(count)
    return dict(sorted(counts.items()))


def write_objects(
    folder: RunFolder, fields: Sequence[Field], states: pd.DataFrame | None, tracked: bool
) -> None:
    """``objects.parquet``: identity, boxes, features, then state, track and quality flags."""
    parts = []
    for here in fields:
        table = field_objects(folder, here)
        if not len(table):
            continue
        if states is not None:
            table = table.merge(states, on="object_id", how="left", validate="one_to_one")
        if tracked:
            nodes = folder.part("track", here.field_id, ".nodes.parquet")
            if nodes.is_file():
                known = read_parquet(nodes)[["object_id", "track_id", "parent_track_id"]]
                fresh = folder.part("track", here.field_id, ".repaired.parquet")
                if fresh.is_file() and len(painted := read_parquet(fresh)):
                    table = pd.concat([table, painted], ignore_index=True)
                    table["repaired"] = table["repaired"].fillna("")
                table = table.merge(known, on="object_id", how="left", validate="one_to_one")
        parts.append(table)
    whole = pd.concat(parts, ignore_index=True) if parts else empty_objects()
    if len(whole):
        whole = pd.concat([whole, cell_flags(whole)], axis=1)
    first = [name for name in OBJECT_IDENTITY if name in whole.columns]
    rest = [name for name in whole.columns if name not in first]
    write_parquet(whole[[*first, *rest]], folder / "objects.parquet")


def all_flags(context: Context) -> pd.DataFrame:
    """One row per field and frame, those that are damaged or missing included."""
    folder, fields = context.folder, context.plate.fields
    parts = [read_parquet(folder.part("field", f.field_id, ".flags.parquet")) for f in fields]
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame()
    seen = plate_outliers(pd.concat(filled, ignore_index=True))
    absent = _missing_frames(fields, context.plate.problems)
    whole = pd.concat([seen, absent], ignore_index=True) if len(absent) else seen
    names = [name for name in whole.columns if name.startswith("flag_")]
    return whole.assign(**{name: whole[name].eq(True) for name in names})


def _missing_frames(fields: Sequence[Field], problems: Sequence[Problem]) -> pd.DataFrame:
    """Rows for frames that a field should have had, like most fields of its plate."""
    named = {each.where for each in problems if each.kind == "missing_frame"}
    frames: dict[str, list[int]] = {}
    for here in fields:
        frames.setdefault(here.plate, []).extend(here.time_indices)
    rows = []
    for here in fields:
        label = "_".join(part for part in (here.plate, here.well, f"s{here.site}") if part)
        fellows = sum(each.plate == here.plate for each in fields)
        tally = Counter(frames[here.plate]) if label in named else Counter[int]()
        due = {time for time, count in tally.items() if 2 * count >= fellows}
        for time_index in sorted(due - set(here.time_indices)):
            mine = {"field_id": here.field_id, **here.identity, "time_index": time_index}
            rows.append({**mine, "flag_missing": True})
    return pd.DataFrame(rows)


def write_flags(context: Context) -> None:
    """``flags.parquet``: quality of every field and frame."""
    write_parquet(all_flags(context), context.folder / "flags.parquet")


def raised_flags(flags: pd.DataFrame) -> pd.DataFrame:
    """``field_id, time_index, flag, value``: one row per flag that was raised."""
    rows = []
    names = [name for name in flags.columns if name.startswith("flag_")]
    for name in names:
        up = flags[flags[name].fillna(False).astype(bool)]
        for field_id, time_index in zip(
            up.get("field_id", []), up.get("time_index", []), strict=True
        ):
            rows.append((field_id, int(time_index), name.removeprefix("flag_"), 1.0))
    table = pd.DataFrame(rows, columns=["field_id", "time_index", "flag", "value"])
    return table.sort_values(["field_id", "time_index", "flag"], ignore_index=True)


def track_tables(folder: RunFolder, fields: Sequence[Field]) -> Iterator[tuple[Field, Path]]:
    """Fields that were tracked, with their table of tracks."""
    for here in fields:
        path = folder.part("track", here.field_id, ".tracks.parquet")
        if path.is_file():
            yield here, path
