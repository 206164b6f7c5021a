"""Windows agree with the whole movie, and at their seams."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.plan import TrackSettings
from lucyte.testing.wandering_cells import wandering_cells
from lucyte.track.candidates import Pairs
from lucyte.track.detections import read_detections
from lucyte.track.divisions import Divisions
from lucyte.track.link import link
from lucyte.track.solve import solve
from lucyte.track.windows import solve_in_windows, window_frames
from worlds.lineages import SHAPE, WORLDS, crowd


@pytest.mark.parametrize("window", [3, 12, 25])
def test_windows_give_the_lineage_of_the_whole(window: int) -> None:
    table = wandering_cells(30, 40, 5).table()
    whole = link(table, TrackSettings(window=1000)).edges
    parts = link(table, TrackSettings(window=window)).edges
    assert "division" in set(whole["kind"]), "premise: something divides"
    columns = ["source_id", "target_id", "kind"]
    one = set(whole[columns].itertuples(index=False, name=None))
    two = set(parts[columns].itertuples(index=False, name=None))
    assert one == two


@pytest.mark.parametrize("name", ["division", "division_late_daughter", "gap", "crossover"])
def test_small_worlds_in_windows_of_one_frame(name: str) -> None:
    world = WORLDS[name]()
    table = world.table()
    parts = link(table, TrackSettings(window=1), shape_yx=SHAPE).edges
    made = set(parts[["source_id", "target_id"]].itertuples(index=False, name=None))
    assert made == {(f"{a}@{s}", f"{b}@{t}") for (a, s), (b, t) in world.edges()}


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_chosen_twice_at_a_seam(seed: int) -> None:
    """Random gains over 40 frames of 4: places are taken once, and little is lost."""
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(40), 4)
    source, target = (
        np.array(each)
        for each in zip(
            *((i, j) for i in range(156) for j in range(160) if 0 < frame[j] - frame[i] <= 2),
            strict=True,
        )
    )
    pairs = Pairs(
        source,
        target,
        np.zeros((len(source), 2)),
        frame[target] - frame[source] - 1,
        (frame[target] - frame[source]).astype(float),
    )
    gains = rng.normal(0, 3, len(source)) - 2.0 * pairs.skipped
    first, second = np.triu_indices(len(source), 1)
    likely = (source[first] == source[second]) & (rng.random(len(first)) < 0.05)
    first, second = first[likely], second[likely]
    divisions = Divisions(first, second, rng.uniform(1, 9, len(first)))
    whole = solve(160, pairs, gains, divisions)
    parts = solve_in_windows(frame, pairs, gains, divisions, 7)
    one, two = divisions.first[parts.divisions], divisions.second[parts.divisions]
    exits = np.concatenate([source[parts.links], source[one]])
    entrances = np.concatenate([target[parts.links], target[one], target[two]])
    assert len(set(exits)) == len(exits)
    assert len(set(entrances)) == len(entrances)
    born = set(target[np.concatenate([one, two])].tolist())
    assert not born & set(source[one].tolist()), "nobody is born and divides at once"
    assert parts.gain <= whole.gain + 1e-6
    assert parts.gain >= 0.98 * whole.gain


def test_how_many_frames_a_window_has() -> None:
    found = read_detections(crowd().table(), SHAPE)
    assert window_frames(found, "auto") == 12, "a small movie is solved as a whole"
    assert window_frames(found, 5) == 5
