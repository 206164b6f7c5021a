"""Lineages in the Cell Tracking Challenge's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.io.truth import read_ctc_truth
from lucyte.io.write_ctc import write_ctc
from lucyte.schema.errors import UsageError
from lucyte.schema.tracks import Tracks
from worlds.written_tracks import SHAPE, division, gap, lineage


def rules_of_the_form(folder: Path) -> list[str]:
    """What is wrong with a result, by the rules of the challenge, one by one and slowly."""
    wrong = []
    table = [
        [int(v) for v in line.split()]
        for line in (folder / "res_track.txt").read_text().splitlines()
    ]
    masks = {int(p.stem[4:]): tifffile.imread(p) for p in sorted(folder.glob("mask*.tif"))}
    rows = {row[0]: row for row in table}
    if len(rows) < len(table) or 0 in rows:
        wrong.append("track numbers are not unique and positive")
    for track, begin, end, parent in table:
        if begin > end:
            wrong.append(f"{track} ends before it begins")
        if parent and (parent not in rows or rows[parent][2] >= begin):
            wrong.append(f"{track} has no parent that ends before it")
        for time, mask in masks.items():
            if bool((mask == track).any()) != (begin <= time <= end):
                wrong.append(f"{track} in frame {time}")
    for time, mask in masks.items():
        wrong += [f"{v} in frame {time} is no track" for v in set(np.unique(mask)) - {0, *rows}]
    return wrong


def test_a_division_is_written_as_it_is(tmp_path: Path) -> None:
    tracks, labels = division()
    table = write_ctc(tmp_path / "t", tracks, labels.__getitem__, [0, 1, 2, 3])
    assert table[list("LBEP")].values.tolist() == [
        [1, 0, 1, 0], [2, 2, 3, 1], [3, 2, 3, 1], [4, 0, 3, 0],
    ]  # fmt: skip
    assert rules_of_the_form(tmp_path / "t") == []
    mask = tifffile.imread(tmp_path / "t" / "mask002.tif")
    assert mask.dtype == np.uint16
    for track, label in ((2, 9), (3, 1), (4, 4)):
        assert ((mask == track) == (labels[2] == label)).all()


def test_a_gap_becomes_two_rows_with_a_parent(tmp_path: Path) -> None:
    tracks, labels = gap()
    assert 2 not in set(tracks.nodes.query("track_id == 1")["time_index"]), "premise: a gap"
    table = write_ctc(tmp_path, tracks, labels.__getitem__, range(5))
    assert table.values.tolist() == [
        [1, 0, 1, 0, 1], [2, 4, 4, 5, 2], [3, 4, 4, 5, 3], [4, 0, 4, 0, 4], [5, 3, 3, 1, 1],
    ]  # fmt: skip
    assert rules_of_the_form(tmp_path) == []


def test_a_frame_that_the_microscope_lacks_is_a_gap_for_all(tmp_path: Path) -> None:
    tracks, labels = lineage([(1, 1, 1), (1, 2, 1), (1, 4, 1)])
    table = write_ctc(tmp_path, tracks, labels.__getitem__, [1, 2, 4])
    assert table[list("LBEP")].values.tolist() == [[1, 1, 2, 0], [2, 4, 4, 1]]
    assert sorted(p.name for p in tmp_path.glob("*.tif")) == [
        "mask001.tif", "mask002.tif", "mask004.tif",
    ]  # fmt: skip
    assert rules_of_the_form(tmp_path) == []


def test_the_challenges_own_scores_are_perfect_against_itself(tmp_path: Path) -> None:
    from ctc_metrics.scripts.evaluate import evaluate_sequence
    from ctc_metrics.scripts.validate import validate_sequence

    tracks, labels = division()
    write_ctc(tmp_path / "01_RES", tracks, labels.__getitem__, range(4))
    assert validate_sequence(str(tmp_path / "01_RES"), threads=1)["Valid"] == 1
    truth = tmp_path / "01_GT" / "TRA"
    truth.mkdir(parents=True)
    for path in (tmp_path / "01_RES").glob("mask*.tif"):
        (truth / path.name.replace("mask", "man_track")).write_bytes(path.read_bytes())
    (truth / "man_track.txt").write_bytes((tmp_path / "01_RES" / "res_track.txt").read_bytes())
    metrics = ["DET", "LNK", "TRA"]
    scores = evaluate_sequence(str(tmp_path / "01_RES"), str(truth.parent), metrics, threads=1)
    assert [scores[name] for name in metrics] == [1.0, 1.0, 1.0]


def test_lucyte_reads_back_what_it_wrote(tmp_path: Path) -> None:
    tracks, labels = division()
    table = write_ctc(tmp_path, tracks, labels.__getitem__, range(4))
    truth = read_ctc_truth(tmp_path)
    assert list(truth.markers) == [0, 1, 2, 3]
    assert (truth.tracks == table[list("LBEP")]).all(axis=None)


def test_objects_without_a_track_are_left_out_and_old_masks_go(tmp_path: Path) -> None:
    tracks, labels = division()
    write_ctc(tmp_path, tracks, labels.__getitem__, range(4))
    four = tracks.nodes.query("track_id == 4 and time_index < 2")
    kept = Tracks(four, tracks.edges, tracks.tracks)
    write_ctc(tmp_path, kept, labels.__getitem__, [0, 1])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "mask000.tif", "mask001.tif", "res_track.txt",
    ]  # fmt: skip
    assert (tmp_path / "res_track.txt").read_text() == "4 0 1 0\n"
    assert set(np.unique(tifffile.imread(tmp_path / "mask000.tif"))) == {0, 4}


def test_a_movie_without_tracks_is_empty_masks_and_an_empty_table(tmp_path: Path) -> None:
    empty = Tracks(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    table = write_ctc(tmp_path, empty, lambda _: np.ones(SHAPE, np.int32), [0, 1])
    assert len(table) == 0
    assert (tmp_path / "res_track.txt").read_text() == ""
    assert not tifffile.imread(tmp_path / "mask001.tif").any()


def test_equal_tracks_give_equal_bytes(tmp_path: Path) -> None:
    tracks, labels = gap()
    for name in ("one", "two"):
        write_ctc(tmp_path / name, tracks, labels.__getitem__, range(5))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_contradictions_are_refused(tmp_path: Path) -> None:
    tracks, labels = division()
    with pytest.raises(UsageError, match="track 2 has an object in frame 2, which is not there"):
        write_ctc(tmp_path, tracks, labels.__getitem__, [0, 1])
    holes = {**labels, 1: np.where(labels[1] == 3, 0, labels[1])}
    with pytest.raises(UsageError, match="track 1 has object 3 in frame 1, which its label image"):
        write_ctc(tmp_path, tracks, holes.__getitem__, range(4))
    twice, images = lineage([(1, 0, 1), (1, 0, 2)])
    with pytest.raises(UsageError, match="track 1 has two objects in one frame"):
        write_ctc(tmp_path, twice, images.__getitem__, [0])
    early, images = lineage([(1, 0, 1), (1, 1, 1), (2, 1, 2)], {2: 1})
    with pytest.raises(UsageError, match=r"track 2 begins in frame 1, before its parent 1 ends"):
        write_ctc(tmp_path, early, images.__getitem__, [0, 1])
    orphan, images = lineage([(1, 0, 1)])
    orphan.nodes["parent_track_id"] = 9
    with pytest.raises(UsageError, match="track 1 has a parent 9 that does not exist"):
        write_ctc(tmp_path, orphan, images.__getitem__, [0])
