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
from lucyte.schema.objects import Labels
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field
from lucyte.schema.tracks import Tracks
from lucyte.track.link import link


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
    """

    field: Field
    plan: Plan
    root: Path
    kind: str
    upstream: str
    frames: tuple[int, ...]

    @property
    def fingerprint(self) -> str:
        """Changes when the objects or the settings of tracking change."""
        return fingerprint(self.plan.track, self.kind, self.upstream, self.frames)


def run_movie(task: MovieTask) -> dict[str, Any]:
    """Track one movie, or return what its marker says if that is done already.

    Returns
    -------
    dict
        ``field_id, tracks, divisions, seconds, resumed``.
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

    if len(nodes):
        tracks = link(
            nodes,
            task.plan.track,
            labels=labels,
            pixel_size_um=task.field.pixel_size_um,
            shape_yx=task.field.shape_yx,
        )
    else:
        tracks = empty_tracks()
    for part in ("nodes", "edges", "tracks"):
        write_parquet(getattr(tracks, part), folder.part("track", name, f".{part}.parquet"))
    write_ctc(task.root / "tracks" / name, tracks, labels, task.frames)
    result = {
        "field_id": name,
        "tracks": len(tracks.tracks),
        "divisions": int(np.sum(tracks.tracks["fate"] == "divides")) if len(tracks.tracks) else 0,
        "seconds": round(time.perf_counter() - started, 3),
    }
    folder.finish("track", name, task.fingerprint, result)
    return {**result, "resumed": False}


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


def empty_tracks() -> Tracks:
    """A lineage without objects."""
    return Tracks(
        pd.DataFrame(columns=["object_id", "time_index", "label", "track_id", "parent_track_id"]),
        pd.DataFrame(columns=["source_id", "target_id", "cost", "kind"]),
        pd.DataFrame(columns=["track_id", "start", "end", "parent_track_id", "fate", "length"]),
    )
