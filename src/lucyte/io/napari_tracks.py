"""Lineages for napari's tracks layer: a CSV ``track_id,t,y,x`` and a JSON graph beside it.

napari takes ``viewer.add_tracks(array, graph=graph)`` where the array is the first four columns of
the table and the graph says of each track which ones it comes from. The columns after these hold
what napari has no place for, so that the lineage comes back whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.io.atomic import atomic_path, write_json
from lucyte.io.lineage_tables import lineage_of
from lucyte.schema.errors import InputError
from lucyte.schema.tracks import Tracks

_FIRST = ["track_id", "t", "y", "x"]


def write_napari_tracks(path: str | Path, tracks: Tracks) -> None:
    """Write ``NAME.csv`` and ``NAME.graph.json``.

    Parameters
    ----------
    path : str or Path
        Of the CSV; positions in px, times in frames.
    tracks : Tracks
    """
    nodes = tracks.nodes.rename(columns={"time_index": "t", "y_px": "y", "x_px": "x"})
    if not len(nodes):
        nodes = pd.DataFrame(columns=[*_FIRST, "object_id", "label"])
    nodes = nodes.sort_values(["track_id", "t"], kind="stable")
    with atomic_path(path) as temporary:
        nodes[[*_FIRST, "object_id", "label"]].to_csv(temporary, index=False, lineterminator="\n")
    graph: dict[str, list[int]] = {}
    if len(tracks.tracks):
        pairs = tracks.tracks[["track_id", "parent_track_id"]].astype(int).to_numpy().tolist()
        graph = {str(track): [parent] for track, parent in pairs if parent > 0}
    write_json(_graph_path(path), graph)


def read_napari_tracks(path: str | Path) -> Tracks:
    """Read what ``write_napari_tracks``, or napari itself, wrote.

    Parameters
    ----------
    path : str or Path
        CSV with ``track_id`` (or ``ID``), ``t, y, x``, or four columns without names. Without a
        graph beside it no track has a mother.

    Raises
    ------
    InputError
        Missing columns, a graph that speaks of a track that is not there or has several mothers.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(path, "no such file.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no table ({error}).") from None
    if len(table.columns) == 4 and not any(str(c)[:1].isalpha() for c in table.columns):
        table = pd.read_csv(path, header=None, names=_FIRST)
    table = table.rename(
        columns={"ID": "track_id", "axis-0": "t", "axis-1": "y", "axis-2": "x"}
    ).drop(columns="index", errors="ignore")
    missing = [name for name in _FIRST if name not in table.columns]
    if missing:
        raise InputError(path, f"has no column {missing[0]!r}.", "Needed: track_id, t, y, x.")
    if not np.isfinite(table[_FIRST].to_numpy(dtype=np.float64)).all():
        raise InputError(path, "has a row without a number.")
    table = table.rename(columns={"t": "time_index", "y": "y_px", "x": "x_px"})
    table = table.astype({"track_id": "int64", "time_index": "int64"})
    table = table.sort_values(["track_id", "time_index"], kind="stable", ignore_index=True)
    if "label" not in table:
        table["label"] = table["track_id"]
    if "object_id" not in table:
        names = zip(table["track_id"], table["time_index"], strict=True)
        table["object_id"] = [f"{track}@{time}" for track, time in names]
    return lineage_of(path, table, _edges(path, table))


def _edges(path: str | Path, table: pd.DataFrame) -> pd.DataFrame:
    name = table["object_id"].to_numpy(dtype=object)
    track = table["track_id"].to_numpy(dtype=np.int64)
    same = np.flatnonzero(track[1:] == track[:-1])
    rows = list(zip(name[same].tolist(), name[same + 1].tolist(), strict=True))
    first = dict(zip(track[::-1].tolist(), name[::-1].tolist(), strict=True))
    last = dict(zip(track.tolist(), name.tolist(), strict=True))
    for child, parents in _graph(_graph_path(path)).items():
        if len(parents) != 1:
            raise InputError(_graph_path(path), f"track {child} has {len(parents)} mothers, not 1.")
        for each in (child, parents[0]):
            if each not in first:
                raise InputError(_graph_path(path), f"speaks of track {each}, which {path} lacks.")
        rows.append((last[parents[0]], first[child]))
    return pd.DataFrame(rows, columns=["source_id", "target_id"])


def _graph(path: Path) -> dict[int, list[int]]:
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {
            int(child): [int(each) for each in (of if isinstance(of, list) else [of])]
            for child, of in held.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(path, f"is no graph of tracks ({error}).") from None


def _graph_path(path: str | Path) -> Path:
    return Path(path).with_suffix(".graph.json")
