"""Lineages back from files: CTC, GEFF, TrackMate XML, napari tracks, Parquet."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.lineage_tables import lineage_of
from lucyte.io.napari_tracks import read_napari_tracks
from lucyte.io.open import read_labels
from lucyte.io.trackmate import read_trackmate
from lucyte.io.truth import read_ctc_truth
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.schema.errors import InputError
from lucyte.schema.objects import object_id
from lucyte.schema.tracks import Tracks

_PARTS = ("nodes", "edges", "tracks")


def read_lineage(path: str | Path, field_id: str | None = None) -> Tracks:
    """Read the lineage of one movie, whatever its form.

    Parameters
    ----------
    path : str or Path
        ``*.geff``; ``*.xml`` (TrackMate); ``*.csv`` (napari); ``*.nodes.parquet`` with its
        neighbours; a folder in the form of the Cell Tracking Challenge.
    field_id : str, optional
        Which movie of a GEFF that holds several.

    Raises
    ------
    InputError
        None of these, or damaged.
    """
    here = Path(path)
    if here.name.endswith(".geff"):
        return read_geff(here, field_id)
    if here.suffix == ".xml":
        return read_trackmate(here)
    if here.suffix == ".csv":
        return read_napari_tracks(here)
    if here.name.endswith(".parquet"):
        return read_tracks_parquet(here)
    if here.is_dir():
        return read_ctc_tracks(here)
    raise InputError(
        path,
        "is no lineage that can be read.",
        "Give *.geff, *.xml (TrackMate), *.csv (napari), *.nodes.parquet or a CTC folder.",
    )


def read_ctc_tracks(folder: str | Path, field_id: str = "movie", kind: str = "cell") -> Tracks:
    """Read masks and track table of the Cell Tracking Challenge.

    Parameters
    ----------
    folder : str or Path
        With ``man_track.txt`` or ``res_track.txt``. A track whose only child begins later than
        one frame after it goes on in that child: the form's way to write a gap.
    field_id, kind : str
        For the names of objects.
    """
    truth = read_ctc_truth(folder)
    rows = []
    for time, path in sorted(truth.markers.items()):
        labels = read_labels(path)
        values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        places = np.indices(labels.shape)[-2:].reshape(2, -1)
        sums = [np.bincount(inverse.ravel(), weights=axis) / counts for axis in places]
        rows += [
            (object_id(field_id, time, kind, int(v)), time, int(v), float(y), float(x))
            for v, y, x in zip(values, *sums, strict=True)
            if v > 0
        ]
    nodes = pd.DataFrame(rows, columns=["object_id", "time_index", "label", "y_px", "x_px"])
    return lineage_of(folder, nodes, _ctc_edges(folder, nodes, truth.tracks))


def read_geff(path: str | Path, field_id: str | None = None) -> Tracks:
    """Read one movie of a GEFF.

    Parameters
    ----------
    path : str or Path
    field_id : str, optional
        Needed where the file holds several movies.

    Raises
    ------
    InputError
        Not a GEFF; several movies and none named; no time or place of its nodes.
    """
    import geff

    try:
        graph, metadata = geff.read(str(path))
    except Exception as error:  # the package raises what zarr, pydantic and it itself raise
        raise InputError(path, f"is no GEFF that can be read ({str(error)[:200]}).") from None
    data = pd.DataFrame([{"node": node, **held} for node, held in graph.nodes(data=True)])
    axes = {axis.name: axis for axis in (metadata.axes or [])}
    rows = _geff_nodes(path, data, axes, field_id)
    names = rows.set_index("node")["object_id"]
    kept = [(a, b, held) for a, b, held in graph.edges(data=True) if a in names.index]
    edges = pd.DataFrame(
        [(names[a], names[b], float(held.get("cost", np.nan))) for a, b, held in kept],
        columns=["source_id", "target_id", "cost"],
    )
    return lineage_of(path, rows.drop(columns="node"), edges)


def write_tracks_parquet(stem: str | Path, tracks: Tracks) -> None:
    """Write ``STEM.nodes.parquet``, ``STEM.edges.parquet`` and ``STEM.tracks.parquet``."""
    for part in _PARTS:
        write_parquet(getattr(tracks, part), f"{stem}.{part}.parquet")


def read_tracks_parquet(path: str | Path) -> Tracks:
    """Read what ``write_tracks_parquet`` wrote.

    Parameters
    ----------
    path : str or Path
        Any of the three files, or their common stem.
    """
    text = str(path)
    for part in _PARTS:
        text = text.removesuffix(f".{part}.parquet")
    nodes, edges, tracks = (read_parquet(f"{text}.{part}.parquet") for part in _PARTS)
    return Tracks(nodes, edges, tracks)


def _ctc_edges(folder: str | Path, nodes: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    ordered = nodes.sort_values(["label", "time_index"])
    rows: list[tuple[str, str]] = []
    span: dict[int, list[str]] = {}
    for label, own in ordered.groupby("label"):
        names = own["object_id"].tolist()
        span[int(str(label))] = names
        rows += list(pairwise(names))
    for track, _, _, parent in table[list("LBEP")].to_numpy().tolist():
        for each in (track, parent) if parent else (track,):
            if each not in span:
                raise InputError(folder, f"lists track {each}, which no label image shows.")
        if parent:
            rows.append((span[parent][-1], span[track][0]))
    return pd.DataFrame(rows, columns=["source_id", "target_id"])


def _geff_nodes(
    path: str | Path, data: pd.DataFrame, axes: dict[str, Any], field_id: str | None
) -> pd.DataFrame:
    time = next((n for n, axis in axes.items() if axis.type == "time"), "t")
    for name in (time, "y", "x"):
        if len(data) and name not in data:
            raise InputError(path, f"its nodes have no {name!r}; needed are a time, y and x.")
    if not len(data):
        columns = ["node", "object_id", "time_index", "label", "y_px", "x_px"]
        return pd.DataFrame(columns=columns)
    if "field_id" in data:
        movies = list(dict.fromkeys(data["field_id"]))
        if field_id is None and len(movies) > 1:
            raise InputError(
                path, f"holds {len(movies)} movies: {', '.join(movies[:6])}. Name one."
            )
        wanted = movies[0] if field_id is None else field_id
        if wanted not in movies:
            raise InputError(path, f"holds no movie {wanted!r}, only {', '.join(movies[:6])}.")
        data = data[data["field_id"] == wanted]
    fresh = pd.DataFrame(
        {
            "node": data["node"],
            "object_id": data.get("object_id", data["node"].map("ID{}".format)),
            "time_index": data[time].astype("int64"),
            "label": data.get("label", data["node"].astype("int64") + 1),
            "y_px": data["y"].astype(float),
            "x_px": data["x"].astype(float),
        }
    )
    return fresh.assign(track_id=data["track_id"]) if "track_id" in data else fresh
