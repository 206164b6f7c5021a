"""Lineages as GEFF, read back by the geff package."""

from __future__ import annotations

from pathlib import Path

import geff
import pandas as pd
import pytest

from lucyte.io.write_geff import write_geff
from lucyte.schema.errors import UsageError
from lucyte.schema.tracks import Tracks
from worlds.plates import make_field
from worlds.written_tracks import division, gap


def test_the_graph_comes_back(tmp_path: Path) -> None:
    tracks, _ = division()
    field = make_field(pixel_size_um=0.5, interval_s=60.0)
    write_geff(tmp_path / "tracks.geff", tracks, {"f": field})
    geff.validate_structure(str(tmp_path / "tracks.geff"))
    graph, metadata = geff.read(str(tmp_path / "tracks.geff"), structure_validation=True)
    nodes = {data["object_id"]: (number, data) for number, data in graph.nodes(data=True)}
    assert set(nodes) == set(tracks.nodes["object_id"])
    for row in tracks.nodes.itertuples():
        data = nodes[row.object_id][1]
        assert (data["t"], data["y"], data["x"]) == (row.time_index, row.y_px, row.x_px)
        assert (data["label"], data["track_id"]) == (row.label, row.track_id)
        assert (data["parent_track_id"], data["field_id"]) == (row.parent_track_id, "f")
    names = {number: name for name, (number, _) in nodes.items()}
    edges = {(names[a], names[b], d["cost"], d["kind"]) for a, b, d in graph.edges(data=True)}
    assert edges == set(tracks.edges.itertuples(index=False, name=None))
    assert [(a.name, a.unit, a.scale, a.scaled_unit) for a in metadata.axes] == [
        ("t", "frame", 60.0, "second"),
        ("y", "pixel", 0.5, "micrometer"),
        ("x", "pixel", 0.5, "micrometer"),
    ]
    assert metadata.track_node_props == {"tracklet": "tracklet"}
    assert metadata.directed


def test_several_movies_share_a_graph(tmp_path: Path) -> None:
    one, two = division()[0], gap()[0]
    other = two.nodes.assign(object_id="g" + two.nodes["object_id"])
    links = two.edges.assign(
        source_id="g" + two.edges["source_id"], target_id="g" + two.edges["target_id"]
    )
    movies = {"f": one, "g": Tracks(other, links, two.tracks)}
    fields = {"f": make_field(pixel_size_um=0.5), "g": make_field(pixel_size_um=0.4)}
    write_geff(tmp_path / "t.geff", movies, fields)
    graph, metadata = geff.read(str(tmp_path / "t.geff"))
    assert graph.number_of_nodes() == len(one.nodes) + len(two.nodes)
    assert graph.number_of_edges() == len(one.edges) + len(two.edges)
    tracklets = {(d["field_id"], d["track_id"]): d["tracklet"] for _, d in graph.nodes(data=True)}
    assert sorted(tracklets.values()) == list(range(1, 9))
    assert [axis.scale for axis in metadata.axes] == [None, None, None], "sizes differ"


def test_a_mother_with_one_daughter_is_no_tracklet_of_geff(tmp_path: Path) -> None:
    tracks, _ = division()
    alone = tracks.nodes.query("track_id != 3")
    links = tracks.edges[tracks.edges["target_id"].isin(alone["object_id"])]
    links = links[links["source_id"].isin(alone["object_id"])]
    write_geff(tmp_path / "t.geff", Tracks(alone, links, tracks.tracks), {"f": make_field()})
    assert geff.read(str(tmp_path / "t.geff"))[1].track_node_props is None


def test_movies_without_objects(tmp_path: Path) -> None:
    empty = Tracks(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    write_geff(tmp_path / "t.geff", {"f": empty}, {"f": make_field()})
    graph, _ = geff.read(str(tmp_path / "t.geff"))
    assert graph.number_of_nodes() == 0


def test_writing_again_replaces_and_a_failure_keeps_the_old(tmp_path: Path) -> None:
    tracks, _ = division()
    path = tmp_path / "t.geff"
    write_geff(path, tracks, {"f": make_field()})
    first = {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    write_geff(path, tracks, {"f": make_field()})
    assert {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()} == first
    loose = tracks.edges.assign(target_id="nobody")
    with pytest.raises(UsageError, match="an edge leads to nobody, which is no node"):
        write_geff(path, Tracks(tracks.nodes, loose, tracks.tracks), {"f": make_field()})
    with pytest.raises(UsageError, match="no field for the tracks of g"):
        write_geff(path, {"g": tracks}, {"f": make_field()})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.geff"]
    assert geff.read(str(path))[0].number_of_nodes() == len(tracks.nodes)
