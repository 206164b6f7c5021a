"""What a person and the movie itself put right in lineages, through the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.pipeline.track_labels import track_labels
from lucyte.schema.errors import UsageError
from worlds.runs import run, run_well

FRAMES = 7


def write_discs(folder: Path, missed: int = 3) -> Path:
    """Three discs that drift; the second is not there in one frame."""
    folder.mkdir()
    y, x = np.mgrid[:80, :120]
    for time in range(FRAMES):
        image = np.zeros((80, 120), np.uint16)
        for label, (row, column) in enumerate(((20, 20), (50, 60), (25, 95)), start=1):
            if (label, time) != (2, missed):
                image[(y - row - time) ** 2 + (x - column - time) ** 2 < 81] = label
        tifffile.imwrite(folder / f"mask{time:03d}.tif", image)
    return folder


def test_a_missed_cell_is_bridged_and_the_change_is_listed(tmp_path: Path) -> None:
    labels = write_discs(tmp_path / "labels")
    said = track_labels(labels, tmp_path / "out", {"repair": "bridge"}, forms=("napari",))
    assert "0 merged objects split, 1 missed ones bridged" in said
    repairs = pd.read_csv(tmp_path / "out" / "repairs.csv")
    assert repairs[["time_index", "kind"]].to_numpy().tolist() == [[3, "bridge"]]
    found, whole = (tifffile.imread(tmp_path / "out" / f"mask00{k}.tif") for k in (3, 2))
    mine = found[53, 63]
    assert mine and mine == whole[52, 62]
    y, x = np.mgrid[:80, :120]
    truth = (y - 53) ** 2 + (x - 63) ** 2 < 81
    assert ((found == mine) & truth).sum() / ((found == mine) | truth).sum() > 0.9
    assert (tmp_path / "out" / "napari.csv").is_file()
    left = track_labels(labels, tmp_path / "plain", {"repair": "off"})
    assert "Repaired" not in left and not (tmp_path / "plain" / "repairs.csv").exists()


def test_what_a_person_said_is_followed_and_what_fits_nothing_is_told(tmp_path: Path) -> None:
    labels = write_discs(tmp_path / "labels")
    edits = tmp_path / "edits.csv"
    head = "action,time_index_a,y_a_px,x_a_px,time_index_b,y_b_px,x_b_px\n"
    edits.write_text(head + "forbid,4,24,24,5,25,25\nend,2,5,5,,,\n")
    said = track_labels(labels, tmp_path / "out", {}, edits=edits)
    assert "into 4 tracks" in said
    assert "edits line 3 (end) fits no object: frame 2, y 5, x 5 px; not used." in said
    with pytest.raises(UsageError, match="unknown form 'gif'"):
        track_labels(labels, tmp_path / "out", {}, forms=("gif",))


def test_a_run_follows_its_edits_and_repairs(home: Path, lean: Path) -> None:
    out = home / "corrected"
    shutil.copytree(lean, out)
    before = pd.read_parquet(out / "objects.parquet").dropna(subset=["track_id"])
    field_id = str(before["field_id"].iloc[0])
    mine = before[before["field_id"] == field_id].sort_values("time_index")
    track = mine["track_id"].value_counts().index[0]
    first, second = mine[mine["track_id"] == track].head(2).itertuples()
    place = f"{first.time_index},{first.centroid_y_px},{first.centroid_x_px}"
    there = f"{second.time_index},{second.centroid_y_px},{second.centroid_x_px}"
    head = "action,field_id,time_index_a,y_a_px,x_a_px,time_index_b,y_b_px,x_b_px\n"
    (out / "edits.csv").write_text(f"{head}forbid,{field_id},{place},{there}\n")
    run_well(home / "lean.toml", out)
    after = pd.read_parquet(out / "objects.parquet").set_index("object_id")["track_id"]
    assert after[first.object_id] != after[second.object_id]
    marker = json.loads(next((out / "stages" / "track").glob(f"{field_id}*.json")).read_text())
    assert marker["result"]["plausibility"] > 0 if "result" in marker else marker["plausibility"]
    (out / "edits.csv").write_text(f"{head}forbid,nowhere,{place},{there}\n")
    told = run(home / "lean.toml", out)
    assert told.code == 2 and "unknown field_id 'nowhere'" in told.err
