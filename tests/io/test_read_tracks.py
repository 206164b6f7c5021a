"""Lineages written and read back: the same tracks in every form."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from lucyte.io.napari_tracks import read_napari_tracks, write_napari_tracks
from lucyte.io.open import read_labels
from lucyte.io.read_tracks import (
    read_lineage,
    read_tracks_parquet,
    write_tracks_parquet,
)
from lucyte.io.trackmate import read_trackmate, write_trackmate
from lucyte.io.write_ctc import write_ctc
from lucyte.io.write_geff import write_geff
from lucyte.schema.errors import InputError
from lucyte.schema.tracks import Tracks
from worlds.plates import make_field
from worlds.written_tracks import division, gap

WORLDS = {"division": division, "gap": gap}


def edges(tracks: Tracks) -> set[tuple[str, str, str]]:
    columns = tracks.edges[["source_id", "target_id", "kind"]]
    return set(columns.itertuples(index=False, name=None))


def places(tracks: Tracks) -> set[tuple[object, ...]]:
    columns = tracks.nodes[["object_id", "time_index", "label", "y_px", "x_px"]]
    return set(columns.itertuples(index=False, name=None))


def partition(tracks: Tracks) -> set[frozenset[str]]:
    return {frozenset(own) for _, own in tracks.nodes.groupby("track_id")["object_id"]}


def families(tracks: Tracks) -> set[tuple[str, str]]:
    """First object of each daughter track and of its mother's."""
    first = tracks.nodes.sort_values("time_index").groupby("track_id")["object_id"].first()
    born = tracks.tracks[tracks.tracks["parent_track_id"] > 0]
    return {(first[row.track_id], first[row.parent_track_id]) for row in born.itertuples()}


def assert_same(back: Tracks, tracks: Tracks) -> None:
    assert places(back) == places(tracks)
    assert edges(back) == edges(tracks)
    assert partition(back) == partition(tracks)
    assert families(back) == families(tracks)
    assert sorted(back.tracks["length"]) == sorted(tracks.tracks["length"])


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize("form", ["trackmate", "scaled", "napari", "geff", "parquet"])
def test_the_lineage_comes_back(tmp_path: Path, world: str, form: str) -> None:
    tracks, _ = WORLDS[world]()
    field = make_field(pixel_size_um=0.5, interval_s=60.0)
    if form == "trackmate":
        path = tmp_path / "t.xml"
        write_trackmate(path, tracks)
    elif form == "scaled":
        path = tmp_path / "t.xml"
        write_trackmate(path, tracks, pixel_size_um=0.5, interval_s=60.0, radius_px=1.5)
    elif form == "napari":
        path = tmp_path / "t.csv"
        write_napari_tracks(path, tracks)
    elif form == "geff":
        path = tmp_path / "t.geff"
        write_geff(path, tracks, {"f": field})
    else:
        path = tmp_path / "f.nodes.parquet"
        write_tracks_parquet(tmp_path / "f", tracks)
    assert_same(read_lineage(path), tracks)


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_masks_and_table_come_back(tmp_path: Path, world: str) -> None:
    tracks, images = WORLDS[world]()
    times = sorted(images)
    write_ctc(tmp_path, tracks, images.__getitem__, times)
    back = read_lineage(tmp_path)
    spots = {(t, y, x) for _, t, _, y, x in places(tracks)}
    assert {(t, y, x) for _, t, _, y, x in places(back)} == spots

    def at(which: Tracks) -> set[tuple[object, ...]]:
        where = which.nodes.set_index("object_id")[["time_index", "y_px", "x_px"]]
        found = which.edges
        return {
            (*where.loc[a], *where.loc[b], kind)
            for a, b, kind in found[["source_id", "target_id", "kind"]].itertuples(index=False)
        }

    assert at(back) == at(tracks), "pieces of a track with a gap are one again"
    again = tmp_path / "again"
    masks = sorted(tmp_path.glob("mask*.tif"))
    write_ctc(again, back, lambda t: read_labels(masks[times.index(t)]), times)
    assert lives(again) == lives(tmp_path), "the same table, whatever the numbers"


def lives(folder: Path) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """First and last frame of every line of ``res_track.txt``, and those of its mother."""
    lines = np.loadtxt(folder / "res_track.txt", int, ndmin=2).tolist()
    span = {number: (first, last) for number, first, last, _ in lines}
    return sorted((span[number], span.get(mother, ())) for number, _, _, mother in lines)


def test_parquet_keeps_every_column(tmp_path: Path) -> None:
    tracks, _ = division()
    write_tracks_parquet(tmp_path / "f", tracks)
    back = read_tracks_parquet(tmp_path / "f.edges.parquet")
    pd.testing.assert_frame_equal(back.edges, tracks.edges)
    pd.testing.assert_frame_equal(back.tracks, tracks.tracks)


def test_what_napari_takes(tmp_path: Path) -> None:
    tracks, _ = division()
    write_napari_tracks(tmp_path / "t.csv", tracks)
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns[:4]) == ["track_id", "t", "y", "x"]
    assert (np.diff(table["track_id"]) >= 0).all(), "sorted by track, as napari wants"
    graph = json.loads((tmp_path / "t.graph.json").read_text())
    assert graph == {"2": [1], "3": [1]}


def test_napari_without_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,0,5,6\n1,1,5,7\n2,0,9,9\n")
    tracks = read_napari_tracks(tmp_path / "t.csv")
    assert len(tracks.tracks) == 2
    assert edges(tracks) == {("1@0", "1@1", "link")}


def test_trackmate_of_another_writer(tmp_path: Path) -> None:
    """Spots without label, edges in either direction, px of 0.5 um, a spot in no track."""
    (tmp_path / "t.xml").write_text(
        """<?xml version="1.0" encoding="UTF-8"?>
        <TrackMate version="7.6.0"><Model spatialunits="um" timeunits="s">
        <AllSpots nspots="4">
        <SpotsInFrame frame="0"><Spot ID="11" name="ID11" FRAME="0" POSITION_X="2.0"
          POSITION_Y="1.0" POSITION_Z="0.0" POSITION_T="0.0" RADIUS="2.5"/></SpotsInFrame>
        <SpotsInFrame frame="1"><Spot ID="12" name="a" FRAME="1" POSITION_X="3.0"
          POSITION_Y="1.0"/><Spot ID="13" name="a" FRAME="1" POSITION_X="1.0" POSITION_Y="1.0"/>
          <Spot ID="14" name="x" FRAME="1" POSITION_X="9.0" POSITION_Y="9.0"/></SpotsInFrame>
        </AllSpots><AllTracks><Track TRACK_ID="0" name="Track_0">
        <Edge SPOT_SOURCE_ID="11" SPOT_TARGET_ID="12" LINK_COST="1.5"/>
        <Edge SPOT_SOURCE_ID="13" SPOT_TARGET_ID="11" LINK_COST="2.5"/>
        </Track></AllTracks></Model>
        <Settings><ImageData pixelwidth="0.5" pixelheight="0.5"/></Settings></TrackMate>"""
    )
    tracks = read_trackmate(tmp_path / "t.xml")
    assert edges(tracks) == {("ID11", "ID12", "division"), ("ID11", "ID13", "division")}
    assert ("ID11", 0, 12, 2.0, 4.0) in places(tracks)
    assert len(tracks.tracks) == 4
    assert set(tracks.edges["cost"]) == {1.5, 2.5}


def test_the_structure_that_trackmate_needs(tmp_path: Path) -> None:
    tracks, _ = division()
    write_trackmate(tmp_path / "t.xml", tracks, pixel_size_um=0.5)
    root = ElementTree.parse(tmp_path / "t.xml").getroot()
    spots = root.findall("./Model/AllSpots/SpotsInFrame/Spot")
    numbers = {spot.get("ID") for spot in spots}
    assert len(numbers) == int(root.find("./Model/AllSpots").get("nspots")) == len(tracks.nodes)
    declared = {f.get("feature") for f in root.findall("./Model/FeatureDeclarations/*/Feature")}
    assert all(set(spot.attrib) - {"ID", "name"} <= declared for spot in spots)
    for edge in root.findall("./Model/AllTracks/Track/Edge"):
        assert {edge.get("SPOT_SOURCE_ID"), edge.get("SPOT_TARGET_ID")} <= numbers
    shown = {t.get("TRACK_ID") for t in root.findall("./Model/FilteredTracks/TrackID")}
    assert shown == {t.get("TRACK_ID") for t in root.findall("./Model/AllTracks/Track")}


BAD = {
    "merge": ("t.csv", "track_id,t,y,x\n1,0,1,1\n2,0,5,5\n3,1,3,3\n", '{"3": [1, 2]}', "2 mothers"),
    "stranger": ("t.csv", "track_id,t,y,x\n1,0,1,1\n", '{"1": [7]}', "speaks of track 7"),
    "backwards": ("t.csv", "track_id,t,y,x\n1,5,1,1\n2,3,1,1\n", '{"2": [1]}', "not later"),
    "column": ("t.csv", "track_id,t,y\n1,0,1\n", "", "has no column 'x'"),
    "entity": ("t.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><TrackMate/>", "", "declares entities"),
    "other": ("t.xml", "<root/>", "", "is no TrackMate file: begins with <root>"),
    "torn": ("t.xml", "<TrackMate", "", "is no whole XML file"),
    "form": ("t.mov", "", "", "is no lineage that can be read"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_file_is_named(tmp_path: Path, name: str) -> None:
    file, text, graph, message = BAD[name]
    (tmp_path / file).write_text(text)
    if graph:
        (tmp_path / "t.graph.json").write_text(graph)
    with pytest.raises(InputError, match=message):
        read_lineage(tmp_path / file)


def test_a_damaged_geff(tmp_path: Path) -> None:
    (tmp_path / "t.geff").mkdir()
    with pytest.raises(InputError, match="is no GEFF that can be read"):
        read_lineage(tmp_path / "t.geff")
