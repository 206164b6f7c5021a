"""laptrack and btrack on a table of objects, for ``linking.py``; both get places alone.

btrack runs in an environment of its own (0.6.5 wants pydantic 1). Its configuration is the one for
cells of its user guide, since the package fetches its files from the network; what is tuned is the
search radius and the longest link. laptrack: the longest link and the longest way to a daughter.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.schema.tracks import Tracks
from lucyte.track.lineage import no_tracks

Lengths = tuple[float, float]
LAPTRACK_GRID: tuple[Lengths, ...] = tuple(itertools.product((0.5, 1.0, 1.7), (0.5, 0.75, 1.0)))
"""Longest link and longest way to a daughter, in median diameters of an object."""
BTRACK_GRID: tuple[Lengths, ...] = tuple(itertools.product((0.7, 1.3, 2.5), (0.5, 0.8, 1.5)))
"""Search radius and longest link of the optimiser, in median diameters of an object."""
PLACES = ["centroid_y_px", "centroid_x_px"]

BTRACK = """
import json, sys, time
import numpy as np
import btrack
from btrack import btypes, config
job = json.load(open(sys.argv[1]))
rows = job["rows"]
eye = np.eye(6)
cells = {
    "name": "cell", "verbose": False,
    "motion_model": {
        "name": "cell_motion", "dt": 1.0, "measurements": 3, "states": 6, "accuracy": 7.5,
        "prob_not_assign": 0.001, "max_lost": 5,
        "A": (eye + np.eye(6, k=3)), "H": np.eye(3, 6),
        "P": 150.0 * np.diag([0.1, 0.1, 0.1, 1, 1, 1]),
        "G": 15.0 * np.array([[0.5, 0.5, 0.5, 1, 1, 1]]), "R": 5.0 * np.eye(3),
    },
    "hypothesis_model": {
        "name": "cell_hypothesis",
        "hypotheses": ["P_FP", "P_init", "P_term", "P_link", "P_branch", "P_dead"],
        "lambda_time": 5.0, "lambda_dist": 3.0, "lambda_link": 10.0, "lambda_branch": 50.0,
        "eta": 1e-10, "theta_dist": 20.0, "theta_time": 5.0, "dist_thresh": 40, "time_thresh": 2,
        "apop_thresh": 5, "segmentation_miss_rate": 0.1, "apoptosis_rate": 0.001, "relax": True,
    },
}
answers, seconds = [], []
for radius, longest in job["grid"]:
    cells["hypothesis_model"]["dist_thresh"] = longest
    objects = []
    for number, (t, y, x) in enumerate(rows):
        each = btypes.PyTrackObject()
        each.ID, each.t, each.x, each.y, each.z = number, int(t), x, y, 0.0
        objects.append(each)
    start = time.process_time()
    with btrack.BayesianTracker(verbose=False) as tracker:
        tracker.configure(config.TrackerConfig(**cells))
        tracker.max_search_radius = radius
        tracker.append(objects)
        tracker.volume = ((0, job["shape"][1]), (0, job["shape"][0]), (-1e5, 1e5))
        tracker.track(step_size=100)
        tracker.optimize(options={"tm_lim": 60_000})
        found = []
        for each in tracker.tracks:
            refs = [int(r) for r in each.refs if r >= 0]
            parent = 0 if each.parent is None or each.parent == each.ID else int(each.parent)
            found.append([int(each.ID), parent, refs])
    seconds.append(time.process_time() - start)
    answers.append(found)
print(json.dumps({"answers": answers, "seconds": seconds}))
"""


def laptrack(table: pd.DataFrame, lengths_px: Lengths) -> Tracks:
    """Gaps of one frame, divisions."""
    from laptrack import LapTrack

    cutoff, split = (each**2 for each in lengths_px)
    tracker = LapTrack(
        cutoff=cutoff,
        splitting_cutoff=split,
        gap_closing_cutoff=cutoff,
        gap_closing_max_frame_count=1,
    )
    nodes, splits, _ = tracker.predict_dataframe(
        table, PLACES, frame_col="time_index", only_coordinate_cols=False
    )
    parents = {}
    if len(splits):
        parents = dict(
            zip(splits["child_track_id"] + 1, splits["parent_track_id"] + 1, strict=True)
        )
    return _tracks(table.set_index("object_id"), nodes["object_id"], nodes["track_id"] + 1, parents)


def btrack(
    python: str, table: pd.DataFrame, shape: tuple[int, int], grid_px: list[Lengths]
) -> tuple[list[Tracks], list[float]]:
    """One lineage, and the seconds it took, per setting."""
    rows = table[["time_index", *PLACES]].to_numpy(dtype=float).tolist()
    job = {"rows": rows, "shape": shape, "grid": grid_px}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            [python, "-c", BTRACK, str(path)], capture_output=True, text=True, timeout=1800
        )
    if done.returncode:
        raise SystemExit("btrack: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return [_of_btrack(table, each) for each in answer["answers"]], answer["seconds"]


def _of_btrack(table: pd.DataFrame, found: list[tuple[int, int, list[int]]]) -> Tracks:
    """Dummies are left out: they are no objects."""
    names = table["object_id"].to_numpy()
    kept = [(track, parent, refs) for track, parent, refs in found if refs]
    known = {track for track, _, _ in kept}
    parents = {track: parent for track, parent, _ in kept if parent in known}
    ids = np.concatenate([names[refs] for _, _, refs in kept])
    tracks = np.concatenate([np.full(len(refs), track) for track, _, refs in kept])
    lost = sorted(set(names) - set(ids))
    alone = np.arange(len(lost)) + max(known) + 1
    every = pd.Series(np.concatenate([ids, np.array(lost, dtype=object)]))
    return _tracks(
        table.set_index("object_id"), every, pd.Series(np.concatenate([tracks, alone])), parents
    )


def _tracks(
    known: pd.DataFrame, names: pd.Series, tracks: pd.Series, parents: dict[int, int]
) -> Tracks:
    """Objects and their tracks, as far as a score needs them."""
    numbers = tracks.to_numpy(dtype=np.int64)
    rows = known.loc[names.to_numpy(), ["time_index", "label"]].reset_index()
    mothers = [int(parents.get(each, 0)) for each in numbers.tolist()]
    nodes = rows.assign(track_id=numbers, parent_track_id=mothers)
    empty = no_tracks()
    return Tracks(nodes, empty.edges, empty.tracks)
