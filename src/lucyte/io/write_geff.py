"""Lineages as GEFF, the graph exchange format of tracking tools.

Nodes are objects, edges point from a frame to a later one. ``track_id`` and ``parent_track_id``
are node properties, so that a reader needs no graph search to colour a tree.

References
----------
.. [1] https://liveimagetrackingtools.org/geff/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.atomic import atomic_path
from lucyte.schema.errors import UsageError
from lucyte.schema.plate import Field
from lucyte.schema.tracks import Tracks


def write_geff(
    path: str | Path, tracks: Tracks | Mapping[str, Tracks], fields: Mapping[str, Field]
) -> None:
    """Write the lineages of one or several movies as one GEFF.

    Parameters
    ----------
    path : str or Path
        Usually ``tracks.geff``; replaced as a whole.
    tracks : Tracks, or mapping of field_id to Tracks
        Several movies share one graph; ``field_id`` tells their nodes apart.
    fields : mapping of field_id to Field
        Pixel size and interval. Positions are in px and frames; the axes carry the scale to um
        and s where all movies share one.

    Raises
    ------
    UsageError
        A movie without its field; an edge to an object that is not there.
    """
    from geff import GeffMetadata

    write_arrays: Any = import_module("geff.core_io").write_arrays

    movies = {next(iter(fields)): tracks} if isinstance(tracks, Tracks) else dict(tracks)
    missing = [name for name in movies if name not in fields]
    if missing:
        raise UsageError(f"no field for the tracks of {missing[0]}.")
    tables = [each.nodes.assign(field_id=name) for name, each in movies.items() if len(each.nodes)]
    nodes = pd.concat(tables, ignore_index=True) if tables else _no_nodes()
    ids = pd.Series(np.arange(1, len(nodes) + 1), index=nodes["object_id"], dtype="int64")
    edges = _edges([each.edges for each in movies.values()], ids)
    nodes["tracklet"] = nodes.groupby(["field_id", "track_id"], sort=False).ngroup() + 1
    metadata = GeffMetadata(
        directed=True,
        axes=_axes([fields[name] for name in movies]),
        track_node_props={"tracklet": "tracklet"} if _paths_are_whole(nodes) else None,
        node_props_metadata={},
        edge_props_metadata={},
        extra={"lucyte": {"fields": list(movies), "positions": "centroids"}},
    )
    with atomic_path(path) as temporary:
        write_arrays(
            str(temporary),
            ids.to_numpy(dtype=np.uint64),
            _node_properties(nodes),
            edges[["source", "target"]].to_numpy(dtype=np.uint64).reshape(-1, 2),
            {
                "cost": _whole(edges["cost"].to_numpy(dtype=np.float64)),
                "kind": _whole(edges["kind"].to_numpy(dtype=np.str_)),
            },
            metadata,
        )


def _node_properties(nodes: pd.DataFrame) -> dict[str, Any]:
    numbers = ("label", "track_id", "parent_track_id", "tracklet")
    found = {name: _whole(nodes[name].to_numpy(dtype=np.int64)) for name in numbers}
    found |= {n: _whole(nodes[n].to_numpy(dtype=np.str_)) for n in ("object_id", "field_id")}
    found["t"] = _whole(nodes["time_index"].to_numpy(dtype=np.int64))
    return found | {a: _whole(nodes[f"{a}_px"].to_numpy(dtype=np.float64)) for a in ("y", "x")}


def _whole(values: npt.NDArray[Any]) -> dict[str, Any]:
    """A property that no node lacks."""
    return {"values": values, "missing": None}


def _axes(fields: Sequence[Field]) -> list[Any]:
    """Axes in frames and pixels, with the scale to s and um where all movies share one."""
    axes: list[Any] = []
    for name, kind, unit, scaled, known in (
        ("t", "time", "frame", "second", {each.interval_s for each in fields}),
        ("y", "space", "pixel", "micrometer", {each.pixel_size_um for each in fields}),
        ("x", "space", "pixel", "micrometer", {each.pixel_size_um for each in fields}),
    ):
        scale = next(iter(known)) if len(known) == 1 else None
        axis = {"name": name, "type": kind, "unit": unit}
        axes.append(axis | ({"scale": scale, "scaled_unit": scaled} if scale else {}))
    return axes


def _paths_are_whole(nodes: pd.DataFrame) -> bool:
    """Whether tracks are tracklets in GEFF's sense: no mother with a single daughter."""
    born = nodes[nodes["parent_track_id"] > 0]
    daughters = born.groupby(["field_id", "parent_track_id"])["track_id"].nunique()
    return bool((daughters > 1).all())


def _no_nodes() -> pd.DataFrame:
    text = {name: pd.Series(dtype=object) for name in ("object_id", "field_id")}
    numbers = ("time_index", "label", "track_id", "parent_track_id")
    number = {n: pd.Series(dtype="int64") for n in numbers}
    return pd.DataFrame({**text, **number, "y_px": [], "x_px": []})


def _edges(tables: list[pd.DataFrame], ids: pd.Series[int]) -> pd.DataFrame:
    full = [table for table in tables if len(table)]
    if not full:
        return pd.DataFrame({"source": [], "target": [], "cost": [], "kind": []}, dtype=object)
    edges = pd.concat(full, ignore_index=True)
    for column in ("source_id", "target_id"):
        unknown = edges.loc[~edges[column].isin(ids.index), column]
        if len(unknown):
            raise UsageError(f"an edge leads to {unknown.iloc[0]}, which is no node.")
    return pd.DataFrame(
        {
            "source": ids.loc[edges["source_id"]].to_numpy(),
            "target": ids.loc[edges["target_id"]].to_numpy(),
            "cost": edges["cost"].to_numpy(),
            "kind": edges["kind"].to_numpy(),
        }
    )
