"""Labels, boxes, tracks, divisions and spots tell one story."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lucyte.simulate.settings import WorldSettings, tiny_settings
from lucyte.simulate.truth import FieldTruth
from lucyte.simulate.worlds import simulate
from reference.cell_outline import owner


def _busy(frames: int = 5) -> WorldSettings:
    """Many cells that divide, die and run."""
    tiny = tiny_settings(1, frames)
    layout = tiny.layout.model_copy(update={"cells": 14, "size_px": 200})
    cell = tiny.cell.model_copy(
        update={"division_rate": 0.2, "death_rate": 0.08, "step": 0.35, "cell_px": 40.0}
    )
    return tiny.model_copy(update={"layout": layout, "cell": cell})


def _truth(seed: int) -> FieldTruth:
    here = simulate("autophagy", _busy(), seed)
    return here.truth(here.plate.fields[-1].field_id)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_labels_tracks_and_boxes_agree(seed: int) -> None:
    truth = _truth(seed)
    tracks = truth.tracks.set_index("L")
    for frame, labels in enumerate(truth.labels):
        present = set(np.unique(labels)) - {0}
        alive = set(tracks.index[(tracks["B"] <= frame) & (tracks["E"] >= frame)])
        assert present == alive
        rows = truth.states[truth.states["time_index"] == frame]
        assert set(rows["track_id"]) == alive
        for row in rows.itertuples():
            inside = np.argwhere(labels == row.track_id)
            low, high = inside.min(0), inside.max(0) + 1
            assert (row.y0_px, row.x0_px, row.y1_px, row.x1_px) == (*low, *high)
            assert ndimage.label(labels == row.track_id)[1] == 1


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_every_division_has_two_children_and_an_ending_mother(seed: int) -> None:
    truth = _truth(seed)
    tracks = truth.tracks.set_index("L")
    children = tracks[tracks["P"] > 0]
    assert set(children["P"]) == set(truth.divisions["parent_id"])
    for row in truth.divisions.itertuples():
        assert set(children.index[children["P"] == row.parent_id]) == {row.child_1, row.child_2}
        assert tracks.loc[row.parent_id, "E"] == row.time_index - 1
        assert tracks.loc[row.parent_id, "fate"] == "divides"
        assert (tracks.loc[[row.child_1, row.child_2], "B"] == row.time_index).all()
        mother = truth.states[
            (truth.states["track_id"] == row.parent_id)
            & (truth.states["time_index"] == row.time_index - 1)
        ]
        assert list(mother["phase"]) == ["rounding"]
    assert (tracks["fate"] == "divides").sum() == len(truth.divisions)


def test_the_busy_world_is_busy() -> None:
    fates = pd.concat([_truth(seed).tracks["fate"] for seed in range(6)])
    assert set(fates) == {"divides", "dies", "leaves", "ends"}


def test_labels_are_those_of_the_slow_definition() -> None:
    site = simulate("autophagy", tiny_settings(1, 1), 8).sites[0]
    labels, poses = site.labels(0), site.poses(0)
    rng = np.random.default_rng(0)
    clear, right = 0, 0
    for y, x in rng.integers(0, 160, (1500, 2)):
        track, margin = owner(poses, int(y), int(x))
        if margin > 0.03:
            clear += 1
            right += int(labels[y, x] == track)
    assert clear > 1000, "premise: most pixels are not at an edge"
    assert right / clear > 0.995  # pieces cut off from their cell are background


def test_spots_lie_in_their_cells_and_are_where_the_light_is() -> None:
    quiet = tiny_settings(3, 4)
    quiet = quiet.model_copy(update={"optics": quiet.optics.model_copy(update={"noise": False})})
    here = simulate("autophagy", quiet, 1)
    kinds: set[str] = set()
    lit = []
    for field in here.plate.fields[3:]:
        truth = here.truth(field.field_id)
        kinds |= set(truth.spots["kind"])
        cells = truth.states.set_index(["time_index", "track_id"])
        image = field.source.open().values
        for row in truth.spots.itertuples():
            cell = cells.loc[(row.time_index, row.track_id)]
            assert np.hypot(row.y_px - cell.y_px, row.x_px - cell.x_px) < 2.1 * 48
            y, x = min(159, round(row.y_px)), min(159, round(row.x_px))
            near = image[row.time_index, 1, max(0, y - 8) : y + 9, max(0, x - 8) : x + 9]
            sharp = cell.defocus_px < 1 and row.radius_px > 1.2 and cell.phase == "alive"
            if row.kind == "autolysosome" and sharp and near.max() < 4095:
                lit.append(image[row.time_index, 1, y, x] > np.median(near))
    assert kinds == {"autophagosome", "autolysosome", "decoy"}
    assert len(lit) > 10, "premise: there are sharp autolysosomes"
    assert np.mean(lit) > 0.9


def test_counts_of_spots_in_states_are_those_of_the_table() -> None:
    truth = _truth(3)
    states = truth.states
    inner = states[(states[["x0_px", "y0_px"]].min(axis=1) > 0)]
    inner = inner[(inner[["x1_px", "y1_px"]].max(axis=1) < 200)]
    counted = truth.spots.groupby(["time_index", "track_id", "kind"]).size()
    for row in inner.itertuples():
        for kind in ("autophagosome", "autolysosome", "decoy"):
            number = int(counted.get((row.time_index, row.track_id, kind), 0))
            assert number == getattr(row, f"{kind}s")


def test_starvation_raises_the_level_over_time_and_conditions_overlap() -> None:
    tiny = tiny_settings(4, 5)
    layout = tiny.layout.model_copy(update={"cells": 60, "size_px": 512})
    here = simulate("autophagy", tiny.model_copy(update={"layout": layout}), 2)
    levels = pd.concat(
        [here.truth(f.field_id).states.assign(well=f.well) for f in here.plate.fields]
    )
    middle = levels.groupby(["state", "time_index"])["level"].median().unstack()
    assert (middle.loc["starved"].diff().dropna() > 0).all()
    assert middle.loc["fed"].max() - middle.loc["fed"].min() < 0.02
    first = levels[levels["time_index"] == 0]
    fed = first.loc[first["state"] == "fed", "level"]
    starved = first.loc[first["state"] == "starved", "level"]
    assert 0.1 < np.mean(fed.to_numpy()[:, None] > starved.to_numpy()[None, :]) < 0.4


def test_cells_that_nobody_could_name_are_unidentified() -> None:
    truth = _truth(5)
    dying = truth.states[truth.states["phase"] == "dying"]
    assert len(dying), "premise: a cell dies"
    assert set(dying["annotation"]) == {"unidentified"}
    sharp = truth.states[(truth.states["phase"] != "dying") & (truth.states["defocus_px"] < 1)]
    assert set(sharp["annotation"]) == {"starved"}


@pytest.mark.parametrize("rate", ["division_rate", "death_rate"])
def test_rates_of_zero_are_zero(rate: str) -> None:
    busy = _busy()
    still = busy.model_copy(update={"cell": busy.cell.model_copy(update={rate: 0.0})})
    here = simulate("autophagy", still, 1)
    fates = here.truth(here.plate.fields[0].field_id).tracks["fate"]
    assert {"division_rate": "divides", "death_rate": "dies"}[rate] not in set(fates)
