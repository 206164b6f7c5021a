"""Named movies: each test proves first that the difficulty is there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import TRACK_COLUMNS, Tracks
from lucyte.track.link import link
from worlds import lineages
from worlds.lineages import SHAPE, WORLDS, World


def run(world: World, **settings: object) -> Tracks:
    return link(world.table(), TrackSettings(**settings), shape_yx=SHAPE)


def edges_of(tracks: Tracks) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    def node(name: str) -> tuple[str, int]:
        cell, time = name.split("@")
        return cell, int(time)

    pairs = zip(tracks.edges["source_id"], tracks.edges["target_id"], strict=True)
    return {(node(source), node(target)) for source, target in pairs}


def fate(tracks: Tracks, name: str) -> str:
    track = tracks.nodes.set_index("object_id").loc[name, "track_id"]
    return str(tracks.tracks.set_index("track_id").loc[track, "fate"])


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_the_lineage_of_every_world_is_right(name: str) -> None:
    world = WORLDS[name]()
    assert edges_of(run(world)) == world.edges()


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_object_is_in_one_track_and_tracks_agree_with_edges(name: str) -> None:
    world = WORLDS[name]()
    tracks = run(world)
    assert tuple(tracks.nodes.columns[:5]) == TRACK_COLUMNS
    assert sorted(tracks.nodes["object_id"]) == sorted(world.table()["object_id"])
    track = tracks.nodes.set_index("object_id")["track_id"]
    parent = tracks.tracks.set_index("track_id")["parent_track_id"]
    for edge in tracks.edges.itertuples():
        if edge.kind == "division":
            assert parent[track[edge.target_id]] == track[edge.source_id]
        else:
            assert track[edge.target_id] == track[edge.source_id]
    assert sorted(tracks.tracks["track_id"]) == list(range(1, len(tracks.tracks) + 1))
    assert tracks.tracks["length"].sum() == len(tracks.nodes)


def test_crossover_is_told_apart_by_size() -> None:
    world = lineages.crossover()
    assert world.nearest("small", 5, 6) == "large", "premise: the nearest is the wrong one"
    assert (("small", 5), ("small", 6)) in edges_of(run(world))


def test_division_is_one_mother_and_two_daughters() -> None:
    world = lineages.division()
    assert "mother" not in world.positions(6), "premise: the mother is gone when they are there"
    tracks = run(world)
    kinds = tracks.edges.set_index("target_id")["kind"]
    assert kinds["one@6"] == kinds["two@6"] == "division"
    assert fate(tracks, "mother@5") == "divides"
    assert fate(tracks, "one@11") == "ends"


def test_divisions_can_be_switched_off() -> None:
    world = lineages.division()
    assert "division" in set(run(world).edges["kind"]), "premise: it divides"
    tracks = run(world, divisions=False)
    assert "division" not in set(tracks.edges["kind"])
    assert (tracks.tracks["parent_track_id"] == 0).all()


def test_late_daughter_still_belongs_to_her_mother() -> None:
    world = lineages.division_late_daughter()
    assert "two" not in world.positions(6), "premise: she is late"
    tracks = run(world)
    assert tracks.edges.set_index("target_id").loc["two@7", "kind"] == "division"


def test_visitor_of_full_size_is_no_daughter() -> None:
    world = lineages.visitor()
    assert world.nearest("visitor", 6, 5) == "resident", "premise: she appears beside another"
    assert "division" not in set(run(world).edges["kind"])


def test_gap_is_bridged_or_not_as_the_setting_says() -> None:
    world = lineages.gap()
    assert "missed" not in world.positions(5), "premise: it is missed"
    bridged = run(world)
    assert bridged.edges.set_index("target_id").loc["missed@6", "kind"] == "gap"
    broken = run(world, max_gap=0)
    assert "missed@6" not in set(broken.edges["target_id"])
    assert len(broken.tracks) == len(bridged.tracks) + 1


def test_drift_beyond_a_cell_and_towards_the_neighbour() -> None:
    world = lineages.drift()
    cells = sorted(world.positions(0))
    wrong = [cell for cell in cells if world.nearest(cell, 0, 1) != cell]
    assert len(wrong) > len(cells) / 3, "premise: for many the nearest is another"
    assert edges_of(run(world)) == world.edges()


def test_stage_jump_keeps_every_track() -> None:
    world = lineages.stage_jump()
    moved = world.positions(6)["quiet11"] - world.positions(5)["quiet11"]
    assert np.hypot(*moved) > 150, "premise: it jumps"
    assert len(run(world).tracks) == 12


def test_fates_at_the_border_and_inside() -> None:
    world = lineages.border_leave()
    assert "leaver" not in world.positions(6), "premise: it is gone"
    tracks = run(world)
    assert fate(tracks, "leaver@5") == "leaves"
    assert fate(tracks, "lost@5") == "ends"
    assert fate(tracks, "quiet00@11") == "ends"


def test_times_without_objects_do_not_break_tracks() -> None:
    for world in (lineages.empty_frame(), lineages.long_pause()):
        times = sorted(world.table()["time_index"].unique())
        assert times != list(range(times[0], times[-1] + 1)), "premise: times are missing"
        tracks = run(world, max_gap=0)
        assert len(tracks.tracks) == 12
        assert (tracks.edges["kind"] == "gap").sum() == 12


def test_the_order_of_rows_and_their_labels_do_not_matter() -> None:
    world = lineages.division()
    table = world.table()
    first = run(world)
    for seed in range(3):
        shuffled = table.sample(frac=1, random_state=seed)
        again = link(shuffled, TrackSettings(), shape_yx=SHAPE)
        pd.testing.assert_frame_equal(again.nodes, first.nodes)
        pd.testing.assert_frame_equal(again.edges, first.edges)
        pd.testing.assert_frame_equal(again.tracks, first.tracks)
        relabelled = link(world.table(seed + 5), TrackSettings(), shape_yx=SHAPE)
        assert edges_of(relabelled) == edges_of(first)


def test_masks_and_boxes_agree_where_both_are_clear() -> None:
    world = lineages.crossover()
    table = world.table()
    images = {}
    grid = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for time, rows in table.groupby("time_index"):
        image = np.zeros(SHAPE, np.int32)
        for row in rows.itertuples():
            y, x = grid[0] - row.centroid_y_px, grid[1] - row.centroid_x_px
            image[(y**2 + x**2 < row.area_px / np.pi) & (image == 0)] = row.label
        images[int(time)] = image
    tracks = link(table, TrackSettings(), labels=images.__getitem__, shape_yx=SHAPE)
    assert edges_of(tracks) == world.edges()
