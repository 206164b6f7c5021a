"""From chosen links to tracks with parents and fates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lucyte.schema.tracks import Tracks
from lucyte.track.candidates import Pairs
from lucyte.track.costs import Bools
from lucyte.track.detections import Detections, Floats, Ints
from lucyte.track.divisions import Divisions
from lucyte.track.solve import Solution

NEAR_BORDER = 0.5
"""An object that ends with at least this nearness to the border is taken to leave."""


def no_tracks() -> Tracks:
    """The lineage of a movie in which nothing was found."""
    whole, text, real = pd.Series(dtype=np.int64), pd.Series(dtype=object), pd.Series(dtype=float)
    nodes = dict.fromkeys(("time_index", "label", "track_id", "parent_track_id"), whole)
    ends = dict.fromkeys(("track_id", "start", "end", "parent_track_id"), whole)
    edges = {"source_id": text, "target_id": text, "cost": real, "kind": text, "margin": real}
    edges["edited"] = pd.Series(dtype=bool)
    return Tracks(
        nodes=pd.DataFrame({"object_id": text} | nodes | {"y_px": real, "x_px": real}),
        edges=pd.DataFrame(edges),
        tracks=pd.DataFrame(ends | {"fate": text, "length": whole, "margin": real}),
    )


def build_tracks(
    found: Detections,
    pairs: Pairs,
    gains: Floats,
    divisions: Divisions,
    solution: Solution,
    border: Floats,
    pinned: Bools,
) -> Tracks:
    """Name the tracks, join mothers and daughters, type the ends.

    Parameters
    ----------
    gains : float64 array
        Of the pairs in nats; an edge's cost is its gain with the sign turned.
    border : float64 array
        Nearness of each object to the image's edge, 0 to 1.
    pinned : bool array
        Pairs that a person linked; their margin is infinite.
    """
    count = len(found)
    before = np.full(count, -1, dtype=np.int64)
    mother = np.full(count, -1, dtype=np.int64)
    before[pairs.target[solution.links]] = pairs.source[solution.links]
    for side in (divisions.first, divisions.second):
        each = side[solution.divisions]
        mother[pairs.target[each]] = pairs.source[each]
    track = _number(before)
    parent = np.zeros(int(track.max(initial=0)) + 1, dtype=np.int64)
    daughters = np.flatnonzero(mother >= 0)
    parent[track[daughters]] = track[mother[daughters]]
    nodes = pd.DataFrame(
        {
            "object_id": found.object_id,
            "time_index": found.time,
            "label": found.label,
            "track_id": track,
            "parent_track_id": parent[track],
            "y_px": found.yx[:, 0],
            "x_px": found.yx[:, 1],
        }
    )
    edges = _edge_table(found, pairs, gains, divisions, solution, pinned)
    table = _track_table(found, track, parent, border)
    return Tracks(nodes, edges, table.assign(margin=weakest(nodes, edges, table)))


def weakest(nodes: pd.DataFrame, edges: pd.DataFrame, tracks: pd.DataFrame) -> Floats:
    """Margin of the weakest edge of each track, that from its mother included, in nats.

    Returns
    -------
    float64 array
        One per row of ``tracks``; nan for a track of a single object without a mother.
    """
    track = nodes.set_index("object_id")["track_id"]
    own = track.loc[edges["target_id"]].to_numpy()
    least = edges["margin"].groupby(own).min()
    return least.reindex(tracks["track_id"]).to_numpy(dtype=np.float64)


def _number(before: Ints) -> Ints:
    """Track of each object; objects are in order of time, so a predecessor is known first."""
    track = np.zeros(len(before), dtype=np.int64)
    last = 0
    for index, earlier in enumerate(before.tolist()):
        if earlier < 0:
            last += 1
        track[index] = last if earlier < 0 else track[earlier]
    return track


def _edge_table(
    found: Detections,
    pairs: Pairs,
    gains: Floats,
    divisions: Divisions,
    solution: Solution,
    pinned: Bools,
) -> pd.DataFrame:
    chosen = solution.divisions
    index = np.concatenate([solution.links, divisions.first[chosen], divisions.second[chosen]])
    gain = np.concatenate([gains[solution.links], np.tile(divisions.gain[chosen] / 2, 2)])
    margin = np.concatenate([solution.link_margin, np.tile(solution.division_margin, 2)])
    is_link = np.arange(len(index)) < len(solution.links)
    kind = np.where(is_link, np.where(pairs.elapsed[index] > 1, "gap", "link"), "division")
    source, target = pairs.source[index], pairs.target[index]
    table = pd.DataFrame(
        {
            "source_id": found.object_id[source],
            "target_id": found.object_id[target],
            "cost": -gain,
            "kind": kind.astype(object),
            "margin": np.where(pinned[index], np.inf, margin),
            "edited": pinned[index],
        }
    )
    return table.iloc[np.lexsort((target, source))].reset_index(drop=True)


def _track_table(found: Detections, track: Ints, parent: Ints, border: Floats) -> pd.DataFrame:
    count = len(parent) - 1
    order = np.lexsort((found.frame, track))
    first = order[np.searchsorted(track[order], np.arange(1, count + 1), side="left")]
    last = order[np.searchsorted(track[order], np.arange(1, count + 1), side="right") - 1]
    divides = np.isin(np.arange(1, count + 1), parent[parent > 0])
    final = found.frame[last] == len(found.times) - 1
    # Whether one died is told by how it looked at last; see ``fates``.
    fate = np.where(border[last] >= NEAR_BORDER, "leaves", "ends")
    fate = np.where(divides, "divides", np.where(final, "ends", fate))
    return pd.DataFrame(
        {
            "track_id": np.arange(1, count + 1),
            "start": found.time[first],
            "end": found.time[last],
            "parent_track_id": parent[1:],
            "fate": fate.astype(object),
            "length": np.bincount(track, minlength=count + 1)[1:],
        }
    )
