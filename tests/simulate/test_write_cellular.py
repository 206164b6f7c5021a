"""CELLULAR's own form on disk, read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from lucyte.schema.errors import InputError
from lucyte.simulate.settings import CHANNELS, WorldSettings, tiny_settings
from lucyte.simulate.worlds import SimulatedPlate, simulate
from lucyte.simulate.write_cellular import COUNTS_PER_GREY, merge, write_cellular


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedPlate, Path]:
    here = simulate("autophagy", tiny_settings(1, 3), 9)
    folder = tmp_path_factory.mktemp("plate") / "out"
    write_cellular(here, folder)
    return here, folder


def test_images_are_the_plate(written: tuple[SimulatedPlate, Path]) -> None:
    here, folder = written
    assert len(list((folder / "images").glob("*.tif"))) == 2 * 3 * 3
    image = here.plate.fields[1].source.open().values
    for number in (1, 2, 3):
        path = folder / "images" / f"Timepoint_002_260101-ST_I03_s1_w{number}.tif"
        assert np.array_equal(tifffile.imread(path), image[2, number - 1])


def test_the_merged_jpeg_still_holds_the_channels(written: tuple[SimulatedPlate, Path]) -> None:
    here, folder = written
    image = here.plate.fields[1].source.open().values[1].astype(float) - 100
    picture = np.asarray(Image.open(folder / "merged" / "Timepoint_001_260101-ST_I03_s1.jpg"))
    red, green, blue = (picture[..., k].astype(float) for k in range(3))
    decoded = dict(zip(CHANNELS, (green - blue, red - blue, blue), strict=True))
    clipped = (picture > 250).any(-1)
    assert 0 < clipped.mean() < 0.5
    for index, name in enumerate(CHANNELS):
        grey = image[index] / COUNTS_PER_GREY[name]
        error = np.abs(decoded[name] - grey)[~clipped]
        assert np.median(error) < 4, name
        assert np.corrcoef(decoded[name][~clipped], grey[~clipped])[0, 1] > (0.7, 0.7, 0.3)[index]


def test_the_merge_is_grey_added_to_each_colour() -> None:
    image = np.array([[[100 + 525]], [[100 + 105]], [[100 + 1495]]], dtype=np.uint16)
    assert merge(image, 100.0).tolist() == [[[65 + 20, 65 + 100, 65]]]


def test_masks_boxes_and_labels_agree(written: tuple[SimulatedPlate, Path]) -> None:
    here, folder = written
    classes = (folder / "boxes" / "classes.txt").read_text().split()
    assert classes == ["fed", "starved", "unidentified"]
    for field in here.plate.fields:
        truth = here.truth(field.field_id)
        stem = f"Timepoint_001_{field.plate}_{field.well}_s1"
        rebuilt = np.zeros((160, 160), dtype=np.int32)
        named = {}
        for path in sorted((folder / "masks" / stem).glob("*/*.png")):
            track = int(path.stem.rsplit("_", 1)[1])
            mask = np.asarray(Image.open(path))
            assert mask.dtype == np.bool_
            rebuilt[mask] = track
            named[track] = path.parent.name
        assert np.array_equal(rebuilt, truth.labels[1])
        rows = truth.states[truth.states["time_index"] == 1]
        assert named == dict(zip(rows["track_id"], rows["annotation"], strict=True))
        boxes = np.loadtxt(folder / "boxes" / f"{stem}.txt", ndmin=2)
        assert len(boxes) == len(rows)
        for (number, x, y, width, height), row in zip(boxes, rows.itertuples(), strict=True):
            assert classes[int(number)] == row.annotation
            corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
            assert np.allclose(corners * 160, [row.x0_px, row.y0_px, row.x1_px, row.y1_px])


def test_the_truth_is_a_tracking_challenge_folder(written: tuple[SimulatedPlate, Path]) -> None:
    here, folder = written
    for field in here.plate.fields:
        truth, tra = here.truth(field.field_id), folder / "truth" / field.field_id / "TRA"
        rows = np.loadtxt(tra / "man_track.txt", dtype=int, ndmin=2)
        assert np.array_equal(rows, truth.tracks[["L", "B", "E", "P"]].to_numpy())
        for frame in range(3):
            labels = tifffile.imread(tra / f"man_track{frame:03d}.tif")
            assert labels.dtype == np.uint16
            assert np.array_equal(labels, truth.labels[frame])
    spots = pd.read_parquet(folder / "truth" / "spots.parquet")
    states = pd.read_csv(folder / "truth" / "states.csv")
    assert (
        set(spots["field_id"]) == set(states["field_id"]) == {f.field_id for f in here.plate.fields}
    )
    assert set(zip(spots["field_id"], spots["track_id"], strict=True)) <= set(
        zip(states["field_id"], states["track_id"], strict=True)
    )


def test_the_world_can_be_made_again_from_its_description(
    written: tuple[SimulatedPlate, Path],
) -> None:
    here, folder = written
    world = json.loads((folder / "world.json").read_text())
    assert world["channels"] == {"w1": "EGFP", "w2": "mRFP", "w3": "TL"}
    settings = WorldSettings.model_validate(world["settings"])
    again = simulate(world["world"], settings, world["seed"])
    assert np.array_equal(again.sites[1].observe(2), here.sites[1].observe(2))
    wells = pd.read_csv(folder / "platemap.csv")
    assert wells.to_dict("list") == {"well": ["C03", "I03"], "condition": ["fed", "starved"]}


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"not empty and holds no simulated plate\. Choose another"
    ):
        write_cellular(simulate("autophagy", tiny_settings(1, 1), 0), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_half_written_plate_is_finished_and_another_is_not_overwritten(tmp_path: Path) -> None:
    here = simulate("autophagy", tiny_settings(1, 1), 0)
    write_cellular(here, tmp_path / "out", merged=False)
    files = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*.tif"))}
    done = tmp_path / "out" / "world.json"
    done.rename(tmp_path / "out" / "world.json.partial")
    next(iter(files)).unlink()
    write_cellular(here, tmp_path / "out", merged=False)
    assert done.is_file() and not done.with_suffix(".json.partial").exists()
    assert {path: path.read_bytes() for path in files} == files
    with pytest.raises(InputError, match="holds another simulated plate"):
        write_cellular(simulate("autophagy", tiny_settings(1, 1), 1), tmp_path / "out")
