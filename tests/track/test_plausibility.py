"""What cells do not do is counted, and a lineage that was spoilt looks worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Edit, Place, Tracks
from lucyte.track.lineage import no_tracks
from lucyte.track.link import link
from lucyte.track.plausibility import COLUMNS, plausibility
from worlds import lineages
from worlds.lineages import SHAPE, World


def run(world: World, *edits: Edit) -> Tracks:
    return link(world.table(), TrackSettings(), shape_yx=SHAPE, edits=edits)


def test_a_quiet_movie_is_plausible() -> None:
    world = lineages.crowd()
    table = plausibility(run(world), world.table())
    assert tuple(table.columns) == COLUMNS
    assert table.attrs["score"] == 1.0
    assert set(table["check"]) == {"speed", "size", "margin", "gaps", "ends", "starts"}


def test_the_worst_case_is_named_and_comes_first() -> None:
    world = lineages.crowd()
    far = (Place(object_id="quiet00@4"), Place(object_id="quiet32@6"))
    tracks = run(world, Edit(2, "link", far))
    table = plausibility(tracks, world.table()).set_index("check")
    assert table.loc["speed", "odd"] == 1
    assert table.loc["speed", "worst_object_id"] == "quiet32@6"
    assert table.loc["gaps", "odd"] == 1
    assert table.loc["ends", "odd"] == 1
    assert table.loc["starts", "odd"] == 1
    shares = table["share"].to_numpy()
    assert (np.diff(shares) >= 0).all()
    assert table.attrs["score"] < plausibility(run(lineages.crowd())).attrs["score"]


def test_a_division_without_a_future_is_odd() -> None:
    world = lineages.division()
    assert plausibility(run(world)).set_index("check").loc["orphan divisions", "odd"] == 0
    for time in range(7, 12):
        world.remove("two", time)
    tracks = run(world)
    said = [Place(object_id=name) for name in ("mother@5", "one@6", "two@6")]
    tracks = run(world, Edit(2, "divide", tuple(said)))
    assert plausibility(tracks).set_index("check").loc["orphan divisions", "odd"] == 1


def test_a_cell_that_doubles_is_odd() -> None:
    world = lineages.crowd()
    y, x, _ = world.places["quiet11", 6]
    world.put("quiet11", 6, y, x, 1700)
    table = plausibility(run(world), world.table()).set_index("check")
    assert table.loc["size", "odd"] == 2
    assert table.loc["size", "worst_object_id"] in ("quiet11@6", "quiet11@7")


def test_no_objects_no_score() -> None:
    table = plausibility(no_tracks())
    assert len(table) == 0
    assert np.isnan(table.attrs["score"])


def test_a_track_is_as_sure_as_its_weakest_edge() -> None:
    tracks = run(lineages.division())
    own = tracks.nodes.set_index("object_id")["track_id"]
    for row in tracks.tracks.itertuples():
        mine = tracks.edges[tracks.edges["target_id"].map(own) == row.track_id]
        assert row.margin == pytest.approx(mine["margin"].min())


def test_deaths_are_claimed_on_strong_evidence_only() -> None:
    world = lineages.border_leave()
    for cell in ("leaver", "lost"):
        y, x, _ = world.places[cell, 5]
        world.put(cell, 5, y, x, 380)
    table = world.table().assign(intensity_mean_dna=100.0)
    assert _fate(table, "lost@5") == "ends", "it shrinks, and is no brighter"
    last = table["object_id"].isin(["lost@5", "leaver@5"])
    table.loc[last, "intensity_mean_dna"] = 160.0
    assert _fate(table, "lost@5") == "dies"
    assert _fate(table, "leaver@5") == "leaves"
    assert _fate(table.drop(columns="intensity_mean_dna"), "lost@5") == "ends"
    table["intensity_mean_dna"] = np.where(table["time_index"] == 5, 160.0, 100.0)
    assert _fate(table, "lost@5") == "ends", "the lamp is brighter for all"


def _fate(table: object, name: str) -> str:
    tracks = link(table, TrackSettings(), shape_yx=SHAPE)  # type: ignore[arg-type]
    own = tracks.nodes.set_index("object_id").loc[name, "track_id"]
    return str(tracks.tracks.set_index("track_id").loc[own, "fate"])


def test_notes_of_tracks_are_kept_apart() -> None:
    assert replace(no_tracks(), notes=("a",)).notes == ("a",)
