"""From nodes and edges that some program wrote to tracks: cut at divisions, numbered by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.schema.errors import InputError
from lucyte.schema.tracks import Tracks


def lineage_of(
    path: str | Path,
    nodes: pd.DataFrame,
    edges: pd.DataFrame,
    fates: pd.DataFrame | None = None,
) -> Tracks:
    """Make tracks of a graph.

    A node with one follower goes on in the same track, unless ``nodes`` has ``track_id`` and says
    otherwise; one with two or more divides.

    Parameters
    ----------
    path : str or Path
        For messages.
    nodes : DataFrame
        ``object_id, time_index, label, y_px, x_px`` and optionally ``track_id``.
    edges : DataFrame
        ``source_id, target_id`` and optionally ``cost, margin, edited``.
    fates : DataFrame, optional
        ``track_id, fate`` where the file tells them.

    Raises
    ------
    InputError
        A node twice, an edge to none or not forward in time, two mothers of one object.
    """
    if nodes["object_id"].duplicated().any():
        name = nodes.loc[nodes["object_id"].duplicated(), "object_id"].iloc[0]
        raise InputError(path, f"holds object {name} twice.")
    nodes = nodes.sort_values(["time_index", "y_px", "x_px"], kind="stable", ignore_index=True)
    index = pd.Series(nodes.index, index=nodes["object_id"])
    for column in ("source_id", "target_id"):
        lost = edges.loc[~edges[column].isin(index.index), column]
        if len(lost):
            raise InputError(path, f"has an edge to {lost.iloc[0]}, which is not there.")
    source = index.loc[edges["source_id"]].to_numpy(dtype=np.int64)
    target = index.loc[edges["target_id"]].to_numpy(dtype=np.int64)
    time = nodes["time_index"].to_numpy(dtype=np.int64)
    name = nodes["object_id"].to_numpy(dtype=object)
    _refuse(path, name, time, source, target)
    followers = np.bincount(source, minlength=len(nodes))
    goes_on = followers[source] == 1
    if "track_id" in nodes:
        said = nodes["track_id"].to_numpy(dtype=np.int64)
        goes_on = said[source] == said[target]
        track = said
    else:
        track = _number(len(nodes), source[goes_on], target[goes_on])
    parent = np.zeros(int(track.max(initial=0)) + 1, dtype=np.int64)
    parent[track[target[~goes_on]]] = track[source[~goes_on]]
    elapsed = time[target] - time[source]
    kind = np.where(goes_on, np.where(elapsed > 1, "gap", "link"), "division").astype(object)
    table = pd.DataFrame({"source_id": name[source], "target_id": name[target]})
    for column, missing in (("cost", np.nan), ("margin", np.nan), ("edited", False)):
        value = edges[column].to_numpy() if column in edges else missing
        table[column] = value
    table.insert(3, "kind", kind)
    nodes = nodes.assign(track_id=track, parent_track_id=parent[track])
    columns = ["object_id", "time_index", "label", "track_id", "parent_track_id", "y_px", "x_px"]
    ordered = table.iloc[np.lexsort((target, source))].reset_index(drop=True)
    return Tracks(nodes[columns], ordered, _tracks(nodes, ordered, fates))


def _refuse(
    path: str | Path,
    name: np.typing.NDArray[np.object_],
    time: np.typing.NDArray[np.int64],
    source: np.typing.NDArray[np.int64],
    target: np.typing.NDArray[np.int64],
) -> None:
    wrong = np.flatnonzero(time[target] <= time[source])
    if len(wrong):
        a, b = name[source[wrong[0]]], name[target[wrong[0]]]
        raise InputError(path, f"links {a} to {b}, which is not later.")
    twice = np.flatnonzero(np.bincount(target, minlength=len(name)) > 1)
    if len(twice):
        raise InputError(
            path,
            f"lets two objects become one, {name[twice[0]]} in frame {time[twice[0]]}.",
            "A lineage has one mother for each cell; take away one of the links.",
        )


def _number(
    count: int, source: np.typing.NDArray[np.int64], target: np.typing.NDArray[np.int64]
) -> np.typing.NDArray[np.int64]:
    before = np.full(count, -1, dtype=np.int64)
    before[target] = source
    track = np.zeros(count, dtype=np.int64)
    last = 0
    for each, earlier in enumerate(before.tolist()):
        last += earlier < 0
        track[each] = last if earlier < 0 else track[earlier]
    return track


def _tracks(nodes: pd.DataFrame, edges: pd.DataFrame, fates: pd.DataFrame | None) -> pd.DataFrame:
    groups = nodes.groupby("track_id", sort=True)
    table = groups["time_index"].agg(["min", "max", "size"]).reset_index()
    table.columns = pd.Index(["track_id", "start", "end", "length"])
    parent = groups["parent_track_id"].first().to_numpy(dtype=np.int64)
    table.insert(3, "parent_track_id", parent)
    divides = table["track_id"].isin(parent[parent > 0])
    fate = np.where(divides, "divides", "ends").astype(object)
    if fates is not None and len(fates):
        known = fates.drop_duplicates("track_id").set_index("track_id")["fate"]
        said = known.reindex(table["track_id"]).to_numpy(dtype=object)
        fate = np.where(pd.isna(said), fate, said)
    table.insert(4, "fate", fate)
    own = nodes.set_index("object_id")["track_id"].reindex(edges["target_id"]).to_numpy()
    least = edges["margin"].astype(float).groupby(own).min()
    return table.assign(margin=least.reindex(table["track_id"]).to_numpy(dtype=np.float64))
