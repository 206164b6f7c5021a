"""What is empty, odd or wrong: a correct result or one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.plan import TrackSettings
from lucyte.track.link import link
from worlds.lineages import SHAPE, World, crowd


def test_empty_movie() -> None:
    table = crowd().table().iloc[:0]
    tracks = link(table, TrackSettings())
    assert len(tracks.nodes) == len(tracks.edges) == len(tracks.tracks) == 0
    assert list(tracks.tracks.columns) == [
        "track_id",
        "start",
        "end",
        "parent_track_id",
        "fate",
        "length",
        "margin",
    ]


def test_one_frame() -> None:
    tracks = link(crowd(frames=1).table(), TrackSettings())
    assert len(tracks.tracks) == 12
    assert len(tracks.edges) == 0
    assert set(tracks.tracks["fate"]) == {"ends"}


def test_one_object_in_all() -> None:
    world = World()
    world.put("alone", 3, 10, 10)
    tracks = link(world.table(), TrackSettings())
    assert tracks.tracks[["start", "end", "length"]].to_numpy().tolist() == [[3, 3, 1]]


def test_one_object_per_frame_is_one_track() -> None:
    world = World()
    for time in range(6):
        world.put("alone", time, 100 + 2 * time, 100)
    assert len(link(world.table(), TrackSettings(), shape_yx=SHAPE).tracks) == 1


def test_identical_positions_give_whole_tracks() -> None:
    world = crowd(frames=6)
    for time in range(6):
        world.put("twin1", time, 200, 380, 700)
        world.put("twin2", time, 200, 380, 700)
    tracks = link(world.table(), TrackSettings(), shape_yx=SHAPE)
    assert len(tracks.tracks) == 14
    assert (tracks.tracks["length"] == 6).all()


def test_all_objects_at_one_point() -> None:
    world = World()
    for time in range(3):
        for cell in range(6):
            world.put(f"cell{cell}", time, 50, 50)
    tracks = link(world.table(), TrackSettings(), shape_yx=SHAPE)
    assert len(tracks.tracks) == 6


def test_frames_of_different_size() -> None:
    world = crowd(frames=4)
    table = world.table()
    images = {}
    for time, rows in table.groupby("time_index"):
        shape = (SHAPE[0] - 20 * int(time), SHAPE[1] - 10 * int(time))
        image = np.zeros(shape, np.int32)
        for row in rows.itertuples():
            image[int(row.y0_px) : int(row.y1_px), int(row.x0_px) : int(row.x1_px)] = row.label
        images[int(time)] = image
    assert len({image.shape for image in images.values()}) == 4, "premise: sizes differ"
    tracks = link(table, TrackSettings(), labels=images.__getitem__)
    assert len(tracks.tracks) == 12


def test_missing_column_is_named() -> None:
    table = crowd(frames=2).table().drop(columns="area_px")
    with pytest.raises(UsageError, match="needs the column 'area_px' of every object"):
        link(table, TrackSettings())


def test_not_a_number_is_named() -> None:
    table = crowd(frames=2).table()
    table.loc[3, "centroid_x_px"] = np.nan
    name = table.loc[3, "object_id"]
    with pytest.raises(UsageError, match=f"object '{name}' has no centroid_x_px"):
        link(table, TrackSettings())


def test_object_listed_twice_is_refused() -> None:
    table = crowd(frames=2).table()
    with pytest.raises(UsageError, match="is listed twice; give one movie and one kind"):
        link(pd.concat([table, table.iloc[:1]]), TrackSettings())


def test_two_movies_in_one_table_are_refused() -> None:
    table = crowd(frames=2).table()
    other = table.assign(object_id="b/" + table["object_id"])
    with pytest.raises(UsageError, match="occurs twice at time 0; give one movie"):
        link(pd.concat([table, other]), TrackSettings())


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        ("5 um", "needs a pixel size, which is unknown here"),
        ("near", "write a number and px, um or diameter"),
        ("0 px", "max_distance must be above 0"),
    ],
)
def test_max_distance_that_cannot_be_used(length: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        link(crowd(frames=2).table(), TrackSettings(max_distance=length))


def test_usual_step_overrides_what_the_movie_shows() -> None:
    world = crowd()
    for time in range(12):
        world.put("jumper", time, 200, 380 + 60 * (time % 2), 700)
    table = world.table()

    def tracks(step: str) -> int:
        settings = TrackSettings(usual_step=step, max_gap=0)
        return len(link(table, settings, shape_yx=SHAPE).tracks)

    assert tracks("auto") == 13, "premise: in this movie such steps are followed"
    assert tracks("20 px") == 13
    assert tracks("0.02 px") > 13
    with pytest.raises(UsageError, match="usual_step must be above 0, got '0 px'"):
        tracks("0 px")


def test_max_distance_in_any_unit_cuts_long_steps() -> None:
    world = crowd()
    for time in range(12):
        world.put("jumper", time, 200, 380 + 20 * (time % 2), 700)
    table = world.table()

    def tracks(length: str) -> int:
        settings = TrackSettings(max_distance=length, max_gap=0)
        return len(link(table, settings, pixel_size_um=0.5, shape_yx=SHAPE).tracks)

    assert tracks("auto") == tracks("25 px") == tracks("12.5 um") == tracks("0.9 diameter") == 13
    assert tracks("15 px") == tracks("7.5 um") == tracks("0.5 diameter") == 24
