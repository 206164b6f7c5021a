"""World ``lineage`` at growing steps: edge and division F1 of Lucyte and laptrack.

The stage stands still, no frame is left out, and both linkers get places and sizes of every cell
in view; Lucyte uses the sizes. The x axis is the mean step of a cell, in mean distances to its
nearest neighbour; laptrack's two lengths are tuned at each step on a film of another seed.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from linking_peers import LAPTRACK_GRID, Lengths, laptrack
from scipy.spatial import cKDTree

from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Tracks
from lucyte.simulate.lineage import LineageField, simulate_lineage
from lucyte.simulate.lineage_settings import LineageSettings
from lucyte.testing.wandering_cells import Edges, Movie, grade
from lucyte.track.link import link

RATIOS = (0.1, 0.25, 0.4, 0.6, 0.8)
SIDE_PX, CELLS, FRAMES = 256, 20, 30
COLOURS = {"lucyte": "#0072b2", "laptrack": "#d55e00"}


def film(step_px: float, seed: int) -> LineageField:
    """One film of world ``lineage`` whose stage stands still."""
    settings = LineageSettings(
        wells_per_condition=1,
        frames=FRAMES,
        gaps=(),
        size_px=SIDE_PX,
        cells=CELLS,
        step_px=step_px,
        drift_px=(0.0, 0.0),
        jump_rate=0.0,
    )
    return simulate_lineage(settings, seed).fields[0]


def movie_of(field: LineageField) -> Movie:
    """Its cells as detections, its lineage as edges."""
    states = field.truth().states.sort_values(["track_id", "time_index"])
    names = [f"{t}/{k}" for t, k in zip(states["time_index"], states["track_id"], strict=True)]
    states = states.assign(object_id=names)
    radius = np.sqrt(states["area_px"] / np.pi)
    movie = Movie()
    table = states.assign(
        label=states["track_id"],
        centroid_y_px=states["y_px"],
        centroid_x_px=states["x_px"],
        x0_px=(states["x_px"] - radius).clip(0, SIDE_PX),
        y0_px=(states["y_px"] - radius).clip(0, SIDE_PX),
        x1_px=(states["x_px"] + radius).clip(0, SIDE_PX),
        y1_px=(states["y_px"] + radius).clip(0, SIDE_PX),
    )
    kept = ["object_id", "time_index", "label", "centroid_y_px", "centroid_x_px", "area_px"]
    kept += ["x0_px", "y0_px", "x1_px", "y1_px"]
    movie.rows = table[kept].to_dict("records")
    tracks = states.groupby("track_id")
    first, last = tracks["object_id"].first(), tracks["object_id"].last()
    for _, rows in tracks:
        own = rows["object_id"].tolist()
        movie.edges |= set(pairwise(own))
    daughters: dict[int, list[int]] = {}
    mothers = tracks["parent_track_id"].first()
    for track, mother in mothers[mothers > 0].items():
        daughters.setdefault(int(mother), []).append(int(track))
        movie.edges.add((last[mother], first[track]))
    for mother, pair in daughters.items():
        if len(pair) == 2:
            movie.divisions[last[mother]] = frozenset(first[each] for each in pair)
    return movie


def ratio(movie: Movie) -> float:
    """Mean step over mean distance to the nearest neighbour."""
    table = movie.table().set_index("object_id")
    places = table[["centroid_y_px", "centroid_x_px"]]
    inner = [e for e in movie.edges if e[0] not in movie.divisions]
    ends = [places.loc[list(each)].to_numpy() for each in zip(*inner, strict=True)]
    step = np.hypot(*(ends[1] - ends[0]).T).mean()
    near = [
        cKDTree(own).query(own, 2)[0][:, 1]
        for _, own in places.groupby(table["time_index"])
        if len(own) > 1
    ]
    return float(step / np.concatenate(near).mean())


def step_for(wanted: float) -> float:
    """The step setting at which a film has about the ratio that is wanted."""
    step = 25.0 * wanted
    for _ in range(3):
        step *= wanted / ratio(movie_of(film(step, 900)))
    return step


def curves(seeds: int) -> pd.DataFrame:
    """Means over films: ratio, and edge and division F1 of both."""
    rows = []
    for wanted in RATIOS:
        step = step_for(wanted)
        lengths = _tuned(movie_of(film(step, 900)))
        found: dict[str, list[float]] = {}
        for seed in range(1, seeds + 1):
            movie = movie_of(film(step, seed))
            table = movie.table()
            shape = (SIDE_PX, SIDE_PX)
            both = {
                "lucyte": edges_of(link(table, TrackSettings(), shape_yx=shape)),
                "laptrack": edges_of_nodes(laptrack(table, lengths)),
            }
            found.setdefault("step / neighbour", []).append(ratio(movie))
            found.setdefault("divisions", []).append(len(movie.divisions))
            for name, edges in both.items():
                edge, division = grade(movie, edges)
                found.setdefault(f"{name} edge F1", []).append(edge)
                found.setdefault(f"{name} division F1", []).append(division)
        rows.append({name: round(float(np.mean(each)), 3) for name, each in found.items()})
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def _tuned(movie: Movie) -> Lengths:
    table = movie.table()
    diameter = float(2 * np.sqrt(table["area_px"].median() / np.pi))
    grid = [(a * diameter, b * diameter) for a, b in LAPTRACK_GRID]
    return max(grid, key=lambda each: sum(grade(movie, edges_of_nodes(laptrack(table, each)))))


def edges_of(tracks: Tracks) -> Edges:
    """Pairs of object names."""
    return set(zip(tracks.edges["source_id"], tracks.edges["target_id"], strict=True))


def edges_of_nodes(tracks: Tracks) -> Edges:
    """Links within tracks and from mothers to daughters, where a peer gives tracks alone."""
    nodes = tracks.nodes.sort_values(["track_id", "time_index"])
    names, track = nodes["object_id"].to_numpy(), nodes["track_id"].to_numpy()
    same = track[1:] == track[:-1]
    edges = set(zip(names[:-1][same], names[1:][same], strict=True))
    ends = nodes.groupby("track_id").agg(
        first=("object_id", "first"),
        last=("object_id", "last"),
        mother=("parent_track_id", "first"),
    )
    born = ends[ends["mother"] > 0]
    return edges | {
        (ends["last"][m], f) for f, m in zip(born["first"], born["mother"], strict=True)
    }


def draw_curves(table: pd.DataFrame, path: Path) -> None:
    """Two panels: edges and divisions."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "lucyte"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7.2, 2.9), sharey=True, layout="constrained")
    for axis, what in zip(axes, ("edge", "division"), strict=True):
        for name, colour in COLOURS.items():
            marker: dict[str, Any] = {"marker": "o" if name == "lucyte" else "s", "ms": 4}
            values = table[f"{name} {what} F1"]
            axis.plot(table["step / neighbour"], values, color=colour, label=name, **marker)
        axis.set_xlabel("mean step / distance to nearest neighbour")
        axis.set_title(f"{what}s", loc="left")
        axis.set_ylim(0, 1.02)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel("F1")
    axes[0].legend(frameon=False, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
    pyplot.close(figure)
