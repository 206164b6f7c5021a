"""Merged pairs are cut, missed cells bridged, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.plan import TrackSettings
from lucyte.track.between import depth_between, shape_of, window_between
from lucyte.track.repair import Repaired, link_and_repair
from reference.label_tables import disc_movie, measure

Movie = dict[int, np.ndarray]


def run(movie: Movie, mode: str = "all") -> Repaired:
    table = pd.DataFrame([row for t, image in movie.items() for row in measure(t, image)])
    shape = next(iter(movie.values())).shape
    settings = TrackSettings(repair=mode)
    return link_and_repair(table, settings, labels=movie.__getitem__, shape_yx=shape)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_missed_cell_gets_a_mask_between_both() -> None:
    movie, true = disc_movie(frames=10)
    gone = movie[4] == true["crowd5", 4]
    movie[4] = np.where(gone, 0, movie[4])
    done = run(movie, "bridge")
    (change,) = done.repairs.changes
    assert (change.time_index, change.kind) == (4, "bridge")
    painted = done.repairs.apply(movie.__getitem__)(4)
    assert overlap(painted == change.new_label, gone) > 0.8
    assert (painted[movie[4] > 0] == movie[4][movie[4] > 0]).all(), "no other mask is touched"
    assert "gap" not in set(done.tracks.edges["kind"])
    names = set(done.nodes["object_id"])
    assert set(done.tracks.nodes["object_id"]) == names == set(done.nodes["object_id"])
    assert set(done.tracks.edges["target_id"]) <= names
    assert done.repairs.table()["why"][0] == "seen in frames 3 and 5 of one track, missed between"


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_merged_pair_is_cut(frames: int) -> None:
    movie, true = disc_movie(frames=10, pair=True)
    for time in range(4, 4 + frames):
        movie[time] = np.where(movie[time] == true["b", time], true["a", time], movie[time])
    assert len(run(movie, "off").tracks.tracks) > 14, "premise: tracks break"
    done = run(movie)
    assert [each.kind for each in done.repairs.changes] == ["split"] * frames
    assert set(done.tracks.edges["kind"]) == {"link"}
    assert len(done.tracks.tracks) == 14
    fixed = done.repairs.apply(movie.__getitem__)
    clean, _ = disc_movie(frames=10, pair=True)
    for change in done.repairs.changes:
        image, truth = fixed(change.time_index), clean[change.time_index]
        for name in ("a", "b"):
            own = truth == true[name, change.time_index]
            label = np.bincount(image[own]).argmax()
            assert overlap(image == label, own) > 0.8


def test_off_changes_nothing_and_bridge_cuts_nothing() -> None:
    movie, true = disc_movie(frames=10, pair=True)
    movie[4] = np.where(movie[4] == true["b", 4], true["a", 4], movie[4])
    assert run(movie, "off").repairs.changes == ()
    assert "split" not in {each.kind for each in run(movie, "bridge").repairs.changes}


def test_a_clean_movie_stays_as_it_is() -> None:
    movie, _ = disc_movie(frames=10, pair=True)
    done = run(movie)
    assert done.repairs.changes == ()
    assert len(done.repairs.table()) == 0


def test_tables_agree_with_repaired_images() -> None:
    movie, true = disc_movie(frames=10, pair=True)
    movie[4] = np.where(movie[4] == true["b", 4], true["a", 4], movie[4])
    movie[7] = np.where(movie[7] == true["crowd3", 7], 0, movie[7])
    done = run(movie)
    fixed = done.repairs.apply(movie.__getitem__)
    fresh = pd.DataFrame([row for t in movie for row in measure(t, fixed(t))])
    both = done.nodes.merge(fresh, on=["time_index", "label"], suffixes=("", "_new"))
    assert len(both) == len(fresh) == len(done.nodes) == len(done.tracks.nodes)
    for column in ("area_px", "centroid_y_px", "centroid_x_px"):
        assert np.allclose(both[column], both[f"{column}_new"])


def test_a_division_is_no_merged_pair() -> None:
    movie, _ = disc_movie(frames=10, divides=True)
    done = run(movie)
    assert done.repairs.changes == ()
    assert (done.tracks.edges["kind"] == "division").sum() == 2


def test_the_shape_between_a_small_and_a_large_disc() -> None:
    grid = np.mgrid[:80, :80]
    a = ((grid[0] - 30) ** 2 + (grid[1] - 20) ** 2 < 8**2).astype(np.int32)
    b = ((grid[0] - 30) ** 2 + (grid[1] - 60) ** 2 < 12**2).astype(np.int32)
    rows = [measure(0, image)[0] for image in (a, b)]
    boxes = [np.array([r["x0_px"], r["y0_px"], r["x1_px"], r["y1_px"]]) for r in rows]
    one, two = shape_of(a, 1, boxes[0]), shape_of(b, 1, boxes[1])
    (y, x), size = window_between(one, two, (80, 80))
    inside = depth_between(one, two, 0.5, (y, x), size) < 0
    rows_, columns = np.nonzero(inside)
    assert (rows_.mean() + y, columns.mean() + x) == pytest.approx((30, 40), abs=0.6)
    between = (grid[0] - 30) ** 2 + (grid[1] - 40) ** 2 < 10**2  # drawn as the two are
    assert inside.sum() == pytest.approx(between.sum(), rel=0.06)
