"""Linking beside laptrack and btrack, on real movies and on worlds, and how its time grows.

    python benchmarks/linking.py growth [--large]
    python benchmarks/linking.py given DATA/ctc [--btrack PYTHON]
    python benchmarks/linking.py damaged DATA/ctc [--btrack PYTHON] [--seeds 3]
    python benchmarks/linking.py worlds [--figure docs/images/linking.svg]

``given``: the challenge's masks under names drawn anew. ``damaged``: 5 % of the objects gone, 2 %
of the touching pairs merged; means over seeds. The peers' two lengths, in object diameters, are the
best of nine on two films of world ``lineage``, of short and of long steps (``worlds``: on another
film of the same step); Lucyte runs with its defaults.
Nothing here is asserted; the tables are read.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from linking_movies import SHOWN, Movie, damaged, read_movie
from linking_peers import BTRACK_GRID, LAPTRACK_GRID, Lengths, btrack, laptrack
from linking_worlds import SIDE_PX, curves, draw_curves, edges_of_nodes, film, movie_of

from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Tracks
from lucyte.testing.benchmarks.track import run_lucyte, timed
from lucyte.testing.outcome import markdown_table
from lucyte.testing.wandering_cells import grade, wandering_cells
from lucyte.track.link import link
from lucyte.track.repair import link_and_repair

SIZES = ((300, 33), (1000, 100))
LARGE = (1000, 1000)
SEQUENCES = ("Fluo-N2DH-GOWT1", "Fluo-N2DH-SIM+", "Fluo-C2DL-MSC")
DIVIDING = SEQUENCES[:2]
TUNING_STEPS_PX = (2.0, 10.0)

Scores = dict[str, float]
Shape = tuple[int, int]
Timed = tuple[Tracks, float]
Run = Callable[[pd.DataFrame, Shape, list[Lengths]], list[Timed]]


def growth(cells: int, frames: int) -> None:
    """Time per object and peak memory of one movie; run in a process of its own."""
    run_lucyte(wandering_cells(300, 5, 2).table())
    movie = wandering_cells(cells, frames, 2)
    before = _peak_mb()
    row = timed(f"{frames} frames x {cells}", run_lucyte, movie)
    print(markdown_table(({**row, "MB before": before, "peak MB": _peak_mb()},)))


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def ours(movie: Movie) -> tuple[Tracks, float]:
    """As it comes, and the seconds."""
    start = time.process_time()
    labels = movie.seen.__getitem__
    tracks = link(movie.table, TrackSettings(), labels=labels, shape_yx=movie.shape)
    return tracks, time.process_time() - start


def ours_repaired(movie: Movie) -> Scores:
    """With ``repair = "all"``, scored on the repaired masks."""
    settings = TrackSettings(repair="all")
    labels = movie.seen.__getitem__
    start = time.process_time()
    done = link_and_repair(movie.table, settings, labels=labels, shape_yx=movie.shape)
    spent = time.process_time() - start
    seen = done.repairs.apply(labels)
    images = {each: seen(each) for each in movie.seen}
    return movie.score(done.tracks, images) | {"seconds": spent}


def peers(python: str | None) -> dict[str, tuple[tuple[Lengths, ...], Run]]:
    """Grid, and how to run a peer on a table with lengths in px, by name."""

    def run_laptrack(table: pd.DataFrame, shape: Shape, grid: list[Lengths]) -> list[Timed]:
        found = []
        for lengths in grid:
            start = time.process_time()
            tracks = laptrack(table, lengths)
            found.append((tracks, time.process_time() - start))
        return found

    def run_btrack(table: pd.DataFrame, shape: Shape, grid: list[Lengths]) -> list[Timed]:
        return list(zip(*btrack(str(python), table, shape, grid), strict=True))

    offered: dict[str, tuple[tuple[Lengths, ...], Run]] = {
        "laptrack": (LAPTRACK_GRID, run_laptrack)
    }
    return offered | ({"btrack": (BTRACK_GRID, run_btrack)} if python else {})


def tune(grid: tuple[Lengths, ...], run: Run) -> Lengths:
    """The setting, in diameters, that does best on two films of world ``lineage``."""
    totals = np.zeros(len(grid))
    for step_px in TUNING_STEPS_PX:
        film_ = movie_of(film(step_px, seed=900))
        table = film_.table()
        diameter = float(2 * np.sqrt(table["area_px"].median() / np.pi))
        lengths = [(a * diameter, b * diameter) for a, b in grid]
        for place, (tracks, _) in enumerate(run(table, (SIDE_PX, SIDE_PX), lengths)):
            totals[place] += sum(grade(film_, edges_of_nodes(tracks)))
    return grid[int(np.argmax(totals))]


def compare(data: Path, python: str | None, names: Sequence[str], seeds: int) -> None:
    """Every linker on every sequence; 0 seeds: on the masks as given, else on damaged ones."""
    offered = peers(python)
    chosen = {name: tune(*each) for name, each in offered.items()}
    print("Tuned on world lineage, in diameters:", chosen, flush=True)
    for name in names:
        whole = read_movie(data / name)
        found: dict[str, list[Scores]] = {}
        for seed in range(1, seeds + 1) if seeds else (0,):
            movie = damaged(whole, seed) if seed else whole
            tracks, seconds = ours(movie)
            scored = movie.score(tracks) | {"seconds": seconds}
            found.setdefault("lucyte", []).append(scored)
            if seed:
                found.setdefault("lucyte, repair all", []).append(ours_repaired(movie))
            for peer, (_, run) in offered.items():
                lengths = [_px(movie, chosen[peer])]
                ((tracks, seconds),) = run(movie.table, movie.shape, lengths)
                scored = movie.score(tracks) | {"seconds": seconds}
                found.setdefault(peer, []).append(scored)
            print(name, seed, {who: each[-1] for who, each in found.items()}, file=sys.stderr)
        print(markdown_table(tuple(_rows(name, found))), "\n", flush=True)


def _px(movie: Movie, lengths: Lengths) -> Lengths:
    return lengths[0] * movie.diameter_px, lengths[1] * movie.diameter_px


def _rows(name: str, found: Mapping[str, list[Scores]]) -> Iterator[dict[str, Any]]:
    """Means over seeds, and the least of them where there are several."""
    for who, each in found.items():
        kinds = {"": np.mean, ", worst": np.min} if len(each) > 1 else {"": np.mean}
        for kind, over in kinds.items():
            scores = {key: float(over([row[key] for row in each])) for key in each[0]}
            yield _row(name, who + kind, scores, scores["seconds"])


def _row(name: str, who: str, scores: Scores, seconds: float) -> dict[str, Any]:
    shown = {key: f"{scores[key]:.4f}" for key in SHOWN}
    return {"sequence": name, "linker": who, **shown, "processor s": f"{seconds:.1f}"}


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=("growth", "given", "damaged", "worlds"))
    parser.add_argument("data", type=Path, nargs="?", help="the folder of the sequences")
    parser.add_argument("--btrack", help="python of an environment with btrack 0.6.5")
    parser.add_argument("--sequence", action="append", choices=SEQUENCES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="growth: up to a million objects")
    parser.add_argument("--figure", type=Path, help="worlds: where to draw the curves")
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        growth(*options.one)
    elif options.what == "growth":
        for cells, frames in (*SIZES, LARGE) if options.large else SIZES:
            own = [sys.executable, __file__, "growth", "--one", str(cells), str(frames)]
            subprocess.run(own, check=True)
    elif options.what == "worlds":
        table = curves(options.seeds)
        print(markdown_table(tuple(table.to_dict("records"))))
        if options.figure:
            draw_curves(table, options.figure)
    elif options.data is None:
        parser.error("name the folder of the sequences")
    elif options.what == "given":
        compare(options.data, options.btrack, options.sequence or SEQUENCES, 0)
    else:
        compare(options.data, options.btrack, options.sequence or DIVIDING, options.seeds)


if __name__ == "__main__":
    main()
