"""Lineages as graphs of detections: the nodes and edges that tracking measures compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.schema.tracks import Tracks
from lucyte.stats.tracking_match import FrameMatch, IntArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LineageGraph:
    """One side of a comparison.

    Attributes
    ----------
    tracks : int64 array, n x 4
        ``L B E P`` of the Cell Tracking Challenge: label, first and last frame (inclusive),
        parent or 0. Sorted by label.
    frame, label : int64 array
        Nodes, sorted by frame and label.
    edges : int64 array, m x 2
        Indices of nodes, earlier first.
    is_parent_link : bool array
        True where an edge joins two tracks, False inside a track.
    """

    tracks: IntArray
    frame: IntArray
    label: IntArray
    edges: IntArray
    is_parent_link: BoolArray

    def find(self, frame: IntArray, label: IntArray) -> IntArray:
        """Indices of nodes, -1 for those that are not there."""
        if not len(self.label):
            return np.full(len(label), -1, dtype=np.int64)
        width = int(max(self.label.max(), label.max(initial=0))) + 1
        keys = self.frame * width + self.label
        wanted = np.asarray(frame) * width + label
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, place, -1)


def check_lbep(tracks: npt.ArrayLike, source: str) -> IntArray:
    """Tracks in the form ``L B E P`` as an int64 array sorted by label.

    Raises
    ------
    UsageError
        Wrong number of columns, a label twice, an end before its start, a parent that does not
        exist or does not end before its child begins.
    """
    table = np.asarray(tracks, dtype=np.int64)
    if table.size == 0:
        return np.zeros((0, 4), dtype=np.int64)
    if table.ndim != 2 or table.shape[1] != 4:
        raise UsageError(f"{source}: tracks need four columns L B E P, got shape {table.shape}.")
    table = table[np.argsort(table[:, 0], kind="stable")]
    labels = table[:, 0]
    twice = labels[1:][labels[1:] == labels[:-1]]
    if len(twice):
        raise UsageError(f"{source}: track {twice[0]} is listed twice; every label needs one row.")
    rows = {int(row[0]): row for row in table}
    for label, begin, end, parent in table:
        if end < begin:
            raise UsageError(f"{source}: track {label} ends at {end}, before it begins at {begin}.")
        if parent and int(parent) not in rows:
            raise UsageError(f"{source}: track {label} has parent {parent}, which is not listed.")
        if parent and rows[int(parent)][2] >= begin:
            raise UsageError(
                f"{source}: track {label} begins at {begin} but its parent {parent} ends at "
                f"{rows[int(parent)][2]}; a parent ends before its child begins."
            )
    return table


def lineage_graph(
    tracks: npt.ArrayLike, labels: Sequence[IntArray], source: str = "tracks"
) -> LineageGraph:
    """Nodes and edges of a lineage.

    Parameters
    ----------
    tracks : array_like, n x 4
        ``L B E P``; frames count from 0.
    labels : sequence of int64 array
        Track labels present in frame 0, 1, 2 ...
    source : str
        For messages.

    Raises
    ------
    UsageError
        A table that contradicts itself or the label images.
    """
    table = check_lbep(tracks, source)
    frame = np.repeat(np.arange(len(labels)), [len(each) for each in labels]).astype(np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    label = np.concatenate([nothing, *(np.sort(each) for each in labels)])
    _refuse_strangers(table, frame, label, source)
    order = np.lexsort((frame, label))
    follows = (label[order][1:] == label[order][:-1]) & (np.diff(frame[order]) == 1)
    inside = np.column_stack([order[:-1][follows], order[1:][follows]])
    bare = LineageGraph(table, frame, label, inside, np.zeros(len(inside), bool))
    children = table[table[:, 3] > 0]
    parents = table[np.searchsorted(table[:, 0], children[:, 3])]
    joined = np.column_stack(
        [bare.find(parents[:, 2], parents[:, 0]), bare.find(children[:, 1], children[:, 0])]
    )
    for row in np.flatnonzero((joined < 0).any(axis=1))[:1]:
        raise UsageError(
            f"{source}: no mask where track {parents[row, 0]} ends or its child "
            f"{children[row, 0]} begins."
        )
    edges = np.concatenate([inside, joined]).astype(np.int64)
    semantic = np.arange(len(edges)) >= len(inside)
    by_node = np.lexsort((edges[:, 1], edges[:, 0]))
    return LineageGraph(table, frame, label, edges[by_node], semantic[by_node])


def ctc_lineage(
    tracks: Tracks, times: Sequence[int] | None = None
) -> tuple[IntArray, list[dict[int, int]]]:
    """Tracks in the challenge's form, in which a track has no holes.

    A track that skips frames becomes several, each the parent of the next.

    Parameters
    ----------
    tracks : Tracks
    times : sequence of int, optional
        The movie's time indices, rising; position in it is the challenge's frame. Without it the
        first to the last time index of the nodes, none left out.

    Returns
    -------
    lbep : int64 array, n x 4
    names : list of dict
        Per frame, the mask's own label to its track label.

    Raises
    ------
    UsageError
        A node at a time that ``times`` does not have.
    """
    nodes = tracks.nodes.sort_values(["track_id", "time_index"], kind="stable")
    if times is None:
        present = nodes["time_index"]
        times = range(int(present.min()), int(present.max()) + 1) if len(nodes) else []
    position = {int(time): place for place, time in enumerate(times)}
    strange = sorted(set(nodes["time_index"].astype(int)) - set(position))
    if strange:
        raise UsageError(f"tracks have objects at time {strange[0]}, which the movie does not.")
    frame = nodes["time_index"].astype(int).map(position).to_numpy(dtype=np.int64)
    track = nodes["track_id"].to_numpy(dtype=np.int64)
    starts = np.ones(len(nodes), bool)
    starts[1:] = (track[1:] != track[:-1]) | (np.diff(frame) != 1)
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(nodes)) - 1
    piece = np.cumsum(starts)
    last_piece = dict(zip(track.tolist(), piece.tolist(), strict=True))
    parent = nodes["parent_track_id"].to_numpy(dtype=np.int64)
    lbep = np.zeros((len(first), 4), dtype=np.int64)
    for row, (begin, end) in enumerate(zip(first, last, strict=True)):
        continues = begin > 0 and track[begin] == track[begin - 1]
        mother = row if continues else last_piece.get(int(parent[begin]), 0)
        lbep[row] = (row + 1, frame[begin], frame[end], mother)
    names: list[dict[int, int]] = [{} for _ in times]
    labels = nodes["label"].to_numpy(dtype=np.int64)
    for place, mask, name in zip(frame, labels, piece, strict=True):
        names[place][int(mask)] = int(name)
    return lbep, names


def parents_of(tracks: IntArray) -> Mapping[int, list[IntArray]]:
    """Rows of the children of every label that has any."""
    children: dict[int, list[IntArray]] = {}
    for row in tracks:
        if row[3]:
            children.setdefault(int(row[3]), []).append(row)
    return children


def sides(matches: Sequence[FrameMatch]) -> tuple[list[IntArray], list[IntArray]]:
    """Labels present per frame: reference, computed."""
    return [each.reference for each in matches], [each.computed for each in matches]


def _refuse_strangers(table: IntArray, frame: IntArray, label: IntArray, source: str) -> None:
    known = np.isin(label, table[:, 0])
    if not known.all():
        where = int(np.flatnonzero(~known)[0])
        raise UsageError(
            f"{source}: label {label[where]} in frame {frame[where]} is in no track; "
            "every label needs a row L B E P."
        )
    row = np.searchsorted(table[:, 0], label)
    outside = (frame < table[row, 1]) | (frame > table[row, 2])
    if outside.any():
        where = int(np.flatnonzero(outside)[0])
        raise UsageError(
            f"{source}: label {label[where]} is in frame {frame[where]}, but its track lasts from "
            f"{table[row[where], 1]} to {table[row[where], 2]}."
        )
