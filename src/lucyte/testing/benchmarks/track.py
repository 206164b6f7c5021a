"""Linking beside laptrack, and how its time grows.

The truth is known. laptrack is tuned on another movie of the same world over a small grid, Lucyte
runs as it comes. Both get the same table of positions, sizes and boxes in the same process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pandas as pd

from lucyte.schema.plan import TrackSettings
from lucyte.testing.outcome import Outcome, skipped
from lucyte.testing.stopwatch import clocked
from lucyte.testing.wandering_cells import Edges, Movie, grade, wandering_cells
from lucyte.track.link import link

GOAL = 10.0
CUTOFF_PX = (15.0, 25.0, 40.0, 60.0)
SPLIT_PX = (20.0, 30.0, 40.0, 60.0)


def measure(cells: int = 300, frames: int = 100, seed: int = 0) -> Outcome:
    """Time, edge F1 and division F1 of both on one movie, then Lucyte on a larger one."""
    movie = wandering_cells(cells, frames, seed)
    small = wandering_cells(cells, min(20, frames), seed + 1)
    run_lucyte(small.table())  # compile
    ours = timed("lucyte", run_lucyte, movie)
    rows = [ours]
    why = skipped("laptrack")
    goal = f"at least {GOAL:.0f} times faster at equal or better edge F1"
    figure, met = f"{ours['seconds']:.2f} s", None
    notes = [f"{len(movie.rows):,} objects, {len(movie.divisions)} divisions that can be seen."]
    if why:
        rows.append({"": f"laptrack: {why}"})
    else:
        cutoff, split = tune(small)
        theirs = timed("laptrack", lambda table: run_laptrack(table, cutoff, split), movie)
        rows.append(theirs)
        times = float(theirs["seconds"]) / float(ours["seconds"])
        better = float(ours["edge F1"]) >= float(theirs["edge F1"])
        figure = f"{times:.0f} times faster, edge F1 {ours['edge F1']} against {theirs['edge F1']}"
        met = times >= GOAL and better
        notes.append(
            "laptrack was tuned on another movie of this world (cutoff "
            f"{cutoff:g} px, splitting cutoff {split:g} px); Lucyte runs with its defaults."
        )
    larger = wandering_cells(2 * cells, 2 * frames, seed + 2)
    rows.append(timed(f"lucyte, {2 * frames} frames x {2 * cells}", run_lucyte, larger))
    return Outcome(figure, goal, met, tuple(rows), tuple(notes))


def timed(name: str, run: Callable[[pd.DataFrame], Edges], movie: Movie) -> dict[str, Any]:
    """A row: times, microseconds per object and both F1 of one linker on one movie."""
    table = movie.table()
    times, edges = clocked(lambda: run(table))
    edge, division = grade(movie, edges)
    return {
        "": name,
        **times.row(),
        "us per object": 1e6 * times.seconds / len(table),
        "edge F1": f"{edge:.4f}",
        "division F1": f"{division:.4f}",
    }


def run_lucyte(table: pd.DataFrame) -> Edges:
    """As it comes."""
    edges = link(table, TrackSettings()).edges
    return set(zip(edges["source_id"], edges["target_id"], strict=True))


def tune(movie: Movie) -> tuple[float, float]:
    """The pair of lengths with which laptrack does best on a movie."""
    table = movie.table()
    grid = itertools.product(CUTOFF_PX, SPLIT_PX)
    return max(grid, key=lambda each: sum(grade(movie, run_laptrack(table, *each))))


def run_laptrack(table: pd.DataFrame, cutoff_px: float, split_px: float) -> Edges:
    """With gaps of one frame, divisions, and two lengths to tune."""
    from laptrack import LapTrack

    tracker = LapTrack(
        cutoff=cutoff_px**2,
        splitting_cutoff=split_px**2,
        gap_closing_cutoff=cutoff_px**2,
        gap_closing_max_frame_count=1,
    )
    places = ["centroid_y_px", "centroid_x_px"]
    nodes, splits, _ = tracker.predict_dataframe(
        table, places, frame_col="time_index", only_coordinate_cols=False
    )
    frame = nodes.sort_values(["track_id", "time_index"])
    same = frame["track_id"].to_numpy()[1:] == frame["track_id"].to_numpy()[:-1]
    names = frame["object_id"].to_numpy()
    edges = set(zip(names[:-1][same], names[1:][same], strict=True))
    ends = frame.groupby("track_id")["object_id"].agg(["first", "last"])
    first, last = ends["first"].to_dict(), ends["last"].to_dict()
    if len(splits):
        pairs = zip(splits["parent_track_id"], splits["child_track_id"], strict=True)
        edges |= {(last[parent], first[child]) for parent, child in pairs}
    return edges
