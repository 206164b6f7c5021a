"""Small lineages, each with its label images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lucyte.schema.tracks import Tracks

SHAPE = (24, 24)


def lineage(
    rows: Sequence[tuple[int, int, int]], parents: dict[int, int] | None = None
) -> tuple[Tracks, dict[int, np.ndarray[Any, np.dtype[np.int32]]]]:
    """Tracks and label images from (track, frame, label).

    Each object is a 3 by 3 square whose place tells its track, so that masks can be checked.
    """
    parents = parents or {}
    times = sorted({time for _, time, _ in rows})
    images = {time: np.zeros(SHAPE, np.int32) for time in times}
    nodes, last = [], {}
    edges: list[tuple[str, str, float, str]] = []
    for track, time, label in sorted(rows):
        y, x = 1 + 4 * ((track - 1) % 6), 1 + 4 * ((track - 1) // 6)
        images[time][y : y + 3, x : x + 3] = label
        name = f"f/t{time:03d}/cell/{label}"
        parent = parents.get(track, 0)
        nodes.append((name, time, label, track, parent, y + 1.0, x + 1.0))
        if track in last:
            kind = "link" if last[track][1] == time - 1 else "gap"
            edges.append((last[track][0], name, 0.5, kind))
        elif parent:
            edges.append((last[parent][0], name, 1.5, "division"))
        last[track] = (name, time)
    columns = ["object_id", "time_index", "label", "track_id", "parent_track_id", "y_px", "x_px"]
    spans = pd.DataFrame(rows, columns=["track_id", "time_index", "label"])
    spans = spans.groupby("track_id")["time_index"].agg(["min", "max", "size"]).reset_index()
    spans.columns = ["track_id", "start", "end", "length"]
    spans["parent_track_id"] = [parents.get(int(t), 0) for t in spans["track_id"]]
    spans["fate"] = "ends"
    edge_table = pd.DataFrame(edges, columns=["source_id", "target_id", "cost", "kind"])
    return Tracks(pd.DataFrame(nodes, columns=columns), edge_table, spans), images


def division() -> tuple[Tracks, dict[int, np.ndarray[Any, np.dtype[np.int32]]]]:
    """Track 1 divides after frame 1 into 2 and 3; track 4 stays; labels are shuffled."""
    rows = [
        (1, 0, 7), (1, 1, 3), (2, 2, 9), (3, 2, 1), (2, 3, 2), (3, 3, 5),
        (4, 0, 2), (4, 1, 1), (4, 2, 4), (4, 3, 1),
    ]  # fmt: skip
    return lineage(rows, {2: 1, 3: 1})


def gap() -> tuple[Tracks, dict[int, np.ndarray[Any, np.dtype[np.int32]]]]:
    """Track 1 is not seen in frame 2 and divides after frame 3; track 4 is there throughout."""
    rows = [
        (1, 0, 1), (1, 1, 1), (1, 3, 1), (2, 4, 1), (3, 4, 2),
        *((4, t, 5) for t in range(5)),
    ]  # fmt: skip
    return lineage(rows, {2: 1, 3: 1})
