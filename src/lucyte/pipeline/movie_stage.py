"""Movie scope: the lineage of one field's frames. Runs in a worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.write_ctc import write_ctc
from lucyte.io.write_geff import write_geff
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.io.write_zarr import read_labels_frame
from lucyte.pipeline.fingerprint import fingerprint
from lucyte.pipeline.folder import RunFolder
from lucyte.schema.objects import BOX, OBJECT_IDENTITY, Labels
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field
from lucyte.schema.tracks import Edit, Tracks
from lucyte.track.lineage import no_tracks
from lucyte.track.overlap import LabelsAt
from lucyte.track.plausibility import plausibility
from lucyte.track.repair import Repaired, Repairs, link_and_repair

PLACE = ("centroid_y_px", "centroid_x_px", "area_px")


@dataclass(frozen=True)
class MovieTask:
    """Everything a worker needs to track one field.

    Attributes
    ----------
    field : Field
    plan : Plan
    root : Path
    kind : str
        The kind of object to follow.
    upstream : str
        Fingerprint of the field stage.
    frames : tuple of int
        Those that could be read.
    edits : tuple of Edit
        A person's corrections of this movie.
    """

    field: Field
    plan: Plan
    root: Path
    kind: str
    upstream: str
    frames: tuple[int, ...]
    edits: tuple[Edit, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes when the objects or the settings of tracking change."""
        said = [(each.action, *map(str, each.places)) for each in self.edits]
        return fingerprint(self.plan.track, self.kind, self.upstream, self.frames, said)


def run_movie(task: MovieTask) -> dict[str, Any]:
    """Track one movie, or return what its marker says if that is done already.

    Returns
    -------
    dict
        ``field_id, tracks, divisions, repaired, plausibility, notes, seconds, resumed``.
    """
    folder = RunFolder(task.root)
    name = task.field.field_id
    done = folder.finished("track", name, task.fingerprint)
    if done is not None:
        return {**done, "resumed": True}
    started = time.perf_counter()
    objects = read_parquet(folder.part("field", name, ".objects.parquet"))
    nodes = objects[objects["kind"] == task.kind] if len(objects) else objects

    def labels(time_index: int) -> Labels:
        return read_labels_frame(task.root / "plate.zarr", task.field, task.kind, time_index)

    done_now = _lineage(task, nodes, labels)
    tracks, repairs = done_now.tracks, done_now.repairs
    for part in ("nodes", "edges", "tracks"):
        write_parquet(getattr(tracks, part), folder.part("track", name, f".{part}.parquet"))
    write_parquet(repaired_objects(done_now), folder.part("track", name, ".repaired.parquet"))
    place = task.root / "tracks" / name
    write_ctc(place, tracks, repairs.apply(labels), task.frames)
    checks = plausibility(tracks, done_now.nodes)
    checks.to_csv(place / "plausibility.csv", index=False)
    if repairs.changes:
        repairs.table().to_csv(place / "repairs.csv", index=False)
    score = float(checks.attrs["score"])
    result = {
        "field_id": name,
        "tracks": len(tracks.tracks),
        "divisions": int(np.sum(tracks.tracks["fate"] == "divides")) if len(tracks.tracks) else 0,
        "repaired": len(repairs.changes),
        "plausibility": round(score, 4) if np.isfinite(score) else None,
        "notes": [*tracks.notes, *repairs.notes],
        "seconds": round(time.perf_counter() - started, 3),
    }
    folder.finish("track", name, task.fingerprint, result)
    return {**result, "resumed": False}


def _lineage(task: MovieTask, nodes: pd.DataFrame, labels: LabelsAt) -> Repaired:
    if not len(nodes):
        return Repaired(no_tracks(), Repairs(), nodes)
    return link_and_repair(
        nodes,
        task.plan.track,
        labels=labels,
        pixel_size_um=task.field.pixel_size_um,
        shape_yx=task.field.shape_yx,
        edits=task.edits,
    )


def repaired_objects(done: Repaired) -> pd.DataFrame:
    """Rows of the objects that repair painted: identity, place and size, and what was done.

    Nothing else of them was measured, so nothing else is said.
    """
    kinds = {(each.time_index, each.new_label): each.kind for each in done.repairs.changes}
    columns = [name for name in (*OBJECT_IDENTITY, *BOX, *PLACE) if name in done.nodes.columns]
    if not kinds:
        return pd.DataFrame(columns=[*columns, "repaired"])
    keys = zip(done.nodes["time_index"], done.nodes["label"], strict=True)
    what = np.array([kinds.get((int(t), int(k)), "") for t, k in keys])
    chosen: pd.DataFrame = done.nodes.loc[what != "", columns]
    return chosen.assign(repaired=what[what != ""])


def write_lineage(folder: RunFolder, fields: Sequence[Field]) -> None:
    """``tracks.geff``: the lineages of all movies in one graph."""
    movies = {here.field_id: read_tracks(folder, here.field_id) for here in fields}
    write_geff(folder / "tracks.geff", movies, {here.field_id: here for here in fields})


def read_tracks(folder: RunFolder, field_id: str) -> Tracks:
    """The lineage that ``run_movie`` kept for one field."""
    parts = ("nodes", "edges", "tracks")
    tables = [read_parquet(folder.part("track", field_id, f".{part}.parquet")) for part in parts]
    nodes, edges, tracks = tables
    return Tracks(nodes, edges, tracks)
