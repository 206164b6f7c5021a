"""A simulated CELLULAR folder, read by what reads the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lucyte.io.cellular_merged import CHANNELS, decode
from lucyte.io.platemap import find_platemap
from lucyte.io.plates import survey
from lucyte.io.truth import read_ctc_truth, read_mask_folder, read_yolo_boxes
from lucyte.simulate.settings import CHANNELS as SIMULATED
from lucyte.simulate.settings import tiny_settings
from lucyte.simulate.worlds import SimulatedPlate, simulate
from lucyte.simulate.write_cellular import COUNTS_PER_GREY, merge, write_cellular
from worlds.folders import plate_of

World = tuple[SimulatedPlate, Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    here = simulate("autophagy", tiny_settings(1, 3), 9)
    folder = tmp_path_factory.mktemp("plate") / "world"
    write_cellular(here, folder)
    return here, folder


def test_decoding_undoes_merging_where_nothing_was_clipped() -> None:
    assert CHANNELS == SIMULATED
    greys = np.random.default_rng(0).integers(0, 120, (3, 9, 9))
    scale = np.array([COUNTS_PER_GREY[name] for name in CHANNELS])[:, None, None]
    counts = np.rint(100 + greys * scale).astype(np.uint16)
    rounded = np.rint((counts - 100) / scale)
    assert np.abs(decode(merge(counts, 100.0)).astype(int) - rounded).max() <= 1


def test_raw_channels_open_as_they_were_made(world: World) -> None:
    here, folder = world
    plate = plate_of(folder / "images", channels=dict(zip(CHANNELS, ("w1", "w2", "w3"))))  # noqa: B905
    assert (plate.layout, plate.problems) == ("cellular", ())
    assert [f.field_id for f in plate.fields] == [f.field_id for f in here.plate.fields]
    for read, made in zip(plate.fields, here.plate.fields, strict=True):
        assert (read.source.open().values == made.source.open().values).all()
        assert read.channels == tuple(made.channels)


def test_merged_pictures_open_with_flags(world: World) -> None:
    _, folder = world
    plate = plate_of(folder / "merged")
    assert plate.layout == "cellular-merged"
    field = plate.fields[0]
    assert (field.channels, field.time_indices) == (CHANNELS, (0, 1, 2))
    assert {"display-referred", "lossy", "clipped"} <= set(field.flags)
    assert field.source.open().shape[:2] == (3, 3)


def test_the_plate_map_beside_the_images_fits(world: World) -> None:
    here, folder = world
    found = find_platemap(folder / "images")
    assert found == folder / "platemap.csv"
    plate = plate_of(folder / "images", plate_map=str(found))
    conditions = {f.field_id: f.condition for f in plate.fields}
    assert conditions == {f.field_id: f.condition for f in here.plate.fields}


def test_masks_boxes_and_lineages_read_back(world: World) -> None:
    here, folder = world
    field = here.plate.fields[0]
    truth = here.truth(field.field_id)
    stem = f"Timepoint_001_{field.plate}_{field.well}_s{field.site}"
    masks = read_mask_folder(folder / "masks" / stem)
    assert ((masks.labels > 0) == (np.asarray(truth.labels[1]) > 0)).all()
    assert (masks.table["hidden_px"] == 0).all()
    assert set(masks.table["state"]) <= {"fed", "starved", "unidentified"}
    boxes = read_yolo_boxes(folder / "boxes" / f"{stem}.txt", *field.shape_yx[::-1])
    columns = ["x0_px", "y0_px", "x1_px", "y1_px"]
    expected = sorted(map(tuple, masks.table[columns].to_numpy().tolist()))
    assert np.allclose(sorted(map(tuple, boxes[columns].to_numpy().tolist())), expected, atol=1e-5)
    lineage = read_ctc_truth(folder / "truth" / field.field_id)
    assert list(lineage.markers) == list(truth.time_indices)


def test_a_survey_of_the_whole_folder_says_what_is_there(world: World) -> None:
    _, folder = world
    found = survey(folder)
    assert (found["kind"], found["layout"], found["fields"]) == ("plate", "cellular", 2)
    assert [(t["folder"], t["kind"]) for t in found["truth"]] == [
        ("boxes", "boxes"), ("masks", "labels"), ("truth", "tracks"),
    ]  # fmt: skip
    assert [t["file"] for t in found["tables"]] == ["platemap.csv"]
