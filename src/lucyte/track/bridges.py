"""Frames in which a cell of a lineage was missed, and the lineage once they are filled."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from lucyte.schema.tracks import Tracks
from lucyte.track.detections import Detections

_NAME = re.compile(r"(.*/)t\d+(/.*/)\d+")


@dataclass(frozen=True)
class Bridge:
    """One cell that is missing in one frame.

    Attributes
    ----------
    edge : tuple of str
        Names of the objects that the edge over the gap joins.
    time_index : int
    before, after : int
        Indices of the objects whose masks tell the missing one; the same twice where only one is
        of the same cell.
    weight : float
        0 at ``before``, 1 at ``after``.
    like : str
        Name of the object that the missing one is named after.
    why : str
    """

    edge: tuple[str, str]
    time_index: int
    before: int
    after: int
    weight: float
    like: str
    why: str


def renamed(name: str, time_index: int, label: int) -> str:
    """The name of another object of the same movie and kind."""
    found = _NAME.fullmatch(name)
    if found:
        return f"{found[1]}t{time_index:03d}{found[2]}{label}"
    return f"{name}~t{time_index:03d}/{label}"


def missing_places(found: Detections, tracks: Tracks) -> list[Bridge]:
    """Every frame with objects over which an edge leaps.

    A cell missed between two of its own frames lies between them. A mother missed before both of
    her daughters are seen stays where she was; a daughter seen later than her sister was where she
    is seen first.
    """
    index = {name: i for i, name in enumerate(found.object_id.tolist())}
    edges = tracks.edges
    first_daughter = {
        mother: min(int(found.time[index[d]]) for d in own["target_id"])
        for mother, own in edges[edges["kind"] == "division"].groupby("source_id")
    }
    bridges = []
    mothers: set[str] = set()
    for row in edges.itertuples():
        source, target = str(row.source_id), str(row.target_id)
        a, b = index[source], index[target]
        start, end = int(found.time[a]), int(found.time[b])
        between = found.times[(found.times > start) & (found.times < end)]
        for time in between.tolist():
            if row.kind != "division":
                why = f"seen in frames {start} and {end} of one track, missed between"
                weight = (time - start) / (end - start)
                bridges.append(Bridge((source, target), time, a, b, weight, source, why))
            elif time < first_daughter[source]:
                if source not in mothers:
                    why = f"seen in frame {start}, divided before frame {first_daughter[source]}"
                    bridges.append(Bridge((source, ""), time, a, a, 0.0, source, why))
            else:
                why = f"her sister is seen from frame {first_daughter[source]}, she from {end}"
                bridges.append(Bridge((source, target), time, b, b, 0.0, target, why))
        if row.kind == "division":
            mothers.add(source)
    return bridges


def bridged_tracks(tracks: Tracks, painted: Sequence[tuple[Bridge, int]]) -> Tracks:
    """The lineage with the objects that were painted.

    Parameters
    ----------
    painted : sequence of (Bridge, int)
        What was painted, and its label in its frame; whole gaps, in order of time.
    """
    if not painted:
        return tracks
    chains: dict[tuple[str, str], list[str]] = defaultdict(list)
    nodes = tracks.nodes.set_index("object_id", drop=False)
    fresh = []
    for bridge, label in painted:
        name = renamed(bridge.like, bridge.time_index, label)
        chains[bridge.edge].append(name)
        row = nodes.loc[bridge.like].to_dict()
        own = nodes.loc[bridge.like, ["y_px", "x_px"]].to_numpy(dtype=np.float64)
        if bridge.weight:
            other = nodes.loc[bridge.edge[1], ["y_px", "x_px"]].to_numpy(dtype=np.float64)
            own = (1 - bridge.weight) * own + bridge.weight * other
        place = {"y_px": float(own[0]), "x_px": float(own[1])}
        fresh.append(
            row | place | {"object_id": name, "time_index": bridge.time_index, "label": label}
        )
    table = pd.concat([tracks.nodes, pd.DataFrame(fresh)], ignore_index=True)
    table = table.sort_values(["time_index", "y_px", "x_px"], kind="stable", ignore_index=True)
    edges = _edges(
        tracks.edges, chains, dict(zip(table["object_id"], table["time_index"], strict=True))
    )
    return replace(tracks, nodes=table, edges=edges, tracks=_spans(tracks.tracks, table))


def _edges(
    edges: pd.DataFrame, chains: dict[tuple[str, str], list[str]], time: dict[str, int]
) -> pd.DataFrame:
    """Edges over gaps become chains; each part has the cost's share and the margin of the whole."""
    rows: list[dict[str, object]] = []
    extended = {edge[0]: chain for edge, chain in chains.items() if not edge[1]}
    for mother, chain in extended.items():
        for a, b in zip([mother, *chain[:-1]], chain, strict=True):
            rows.append({"source_id": a, "target_id": b, "cost": 0.0, "kind": "link"})
    for row in edges.to_dict("records"):
        source, target = str(row["source_id"]), str(row["target_id"])
        chain = chains.get((source, target), [])
        source = extended.get(source, [source])[-1] if row["kind"] == "division" else source
        stops = [source, *chain, target]
        for place, (a, b) in enumerate(pairwise(stops)):
            divides = row["kind"] == "division" and place == 0
            usual = "gap" if time[b] - time[a] > 1 else "link"
            kind = "division" if divides else usual
            cost = float(row["cost"]) / (len(stops) - 1)
            own = {str(name): value for name, value in row.items()}
            rows.append(own | {"source_id": a, "target_id": b, "kind": kind, "cost": cost})
    table = pd.DataFrame(rows, columns=list(edges.columns))
    # What leads to a painted mother is as sure as her division.
    if extended:
        margin = table.groupby("source_id")["margin"].min()
        for chain in extended.values():
            painted = table["target_id"].isin(chain)
            table.loc[painted, "margin"] = margin.get(chain[-1], np.nan)
        table["edited"] = table["edited"].fillna(False).astype(bool)
    order = np.lexsort((table["target_id"], table["source_id"], table["source_id"].map(time)))
    return table.iloc[order].reset_index(drop=True)


def _spans(tracks: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    own = nodes.groupby("track_id")["time_index"].agg(["min", "max", "size"])
    own = own.reindex(tracks["track_id"])
    return tracks.assign(
        start=own["min"].to_numpy(dtype=np.int64),
        end=own["max"].to_numpy(dtype=np.int64),
        length=own["size"].to_numpy(dtype=np.int64),
    )
