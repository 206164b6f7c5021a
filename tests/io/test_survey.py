"""What each folder of the real data holds, written down by hand from the files' own metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.io.plates import open_plate, survey
from lucyte.schema.errors import InputError
from lucyte.schema.plan import InputSettings
from worlds.folders import write_files


def told(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a survey says what is expected, key by key; the difference is asserted."""
    assert {key: found.get(key) for key in expected} == expected
    assert json.loads(json.dumps(found)) == found
    return True


REAL: dict[str, dict[str, Any]] = {
    "cellular": {
        "kind": "plate",
        "layout": "cellular-merged",
        "fields": 13,
        "frames": 43,
        "plates": ["220518-ST"],
        "wells": ["C03", "C05", "C06", "I04", "I06", "K07"],
        "sites": ["1", "2", "3"],
        "time_indices": [1, 2, 3, 4, 5],
        "channels": ["EGFP", "mRFP", "TL"],
        "dtypes": ["uint8"],
        "sizes_px": [[2048, 2048, 13]],
        "flags": ["clipped", "display-referred", "lossy"],
        "pixel_size_um": None,
        "truth": [{"folder": "boxes", "kind": "boxes", "files": {".txt": 43}}],
        "tables": [
            {
                "file": "images.csv",
                "rows": 43,
                "columns": [
                    "image", "split", "experiment", "well", "site", "timepoint", "condition",
                ],
            }
        ],
    },
    "ctc/Fluo-N2DH-GOWT1": {
        "kind": "plate",
        "layout": "ctc",
        "fields": 1,
        "frames": 92,
        "plates": ["Fluo-N2DH-GOWT1"],
        "sites": ["01"],
        "time_indices": list(range(92)),
        "channels": None,
        "dtypes": ["uint8"],
        "sizes_px": [[1024, 1024, 1]],
        "pixel_size_um": None,
        "problems": [],
        "truth": [{"folder": "01_GT", "kind": "tracks", "files": {".tif": 122, ".txt": 1}}],
    },
    "ctc/Fluo-N2DH-SIM+": {
        "layout": "ctc",
        "time_indices": list(range(65)),
        "dtypes": ["uint16"],
        "sizes_px": [[690, 628, 1]],
        "problems": [],
        "truth": [{"folder": "01_GT", "kind": "tracks", "files": {".tif": 130, ".txt": 1}}],
    },
    "ctc/Fluo-C2DL-MSC/01": {
        "layout": "ctc",
        "plates": ["Fluo-C2DL-MSC"],
        "time_indices": list(range(48)),
        "dtypes": ["uint16"],
        "sizes_px": [[832, 992, 1]],
        "problems": [],
    },
    "ctc": {
        "layout": "ctc",
        "fields": 3,
        "frames": 205,
        "plates": ["Fluo-C2DL-MSC", "Fluo-N2DH-GOWT1", "Fluo-N2DH-SIM+"],
        "sizes_px": [[690, 628, 1], [832, 992, 1], [1024, 1024, 1]],
        "problems": [],
    },
    "dsb2018": {
        "kind": "plate",
        "layout": "plain",
        "fields": 452,
        "frames": 452,
        "channels": None,
        "dtypes": ["uint8"],
        "sizes_px": [
            [256, 256, 275], [256, 320, 4], [260, 347, 2], [360, 360, 77], [512, 640, 12],
            [520, 696, 77], [603, 1272, 5],
        ],
        "problems": [],
        "truth": [{"folder": "labels", "kind": "labels", "files": {".tif": 452}}],
        "tables": [
            {"file": "images.csv", "rows": 452, "columns": ["image", "height", "width", "objects"]}
        ],
    },
    "cellprofiler/ExampleVitraImages": {
        "layout": "vitra",
        "fields": 2,
        "wells": ["A01", "A12"],
        "sites": ["0"],
        "channels": ["Channel 1", "Channel 2"],
        "dtypes": ["uint8"],
        "sizes_px": [[1024, 1360, 2]],
        "pixel_size_um": None,
        "problems": [],
    },
    "cellprofiler/ExampleHuman": {
        "layout": "cellomics",
        "fields": 1,
        "plates": ["AS_09125_050116030001"],
        "wells": ["D03"],
        "channels": ["d0", "d1", "d2"],
        "dtypes": ["uint8"],
        "sizes_px": [[512, 512, 1]],
        "pixel_size_um": None,
        "problems": [],
    },
    "cellprofiler/ExampleColocalization": {
        "layout": "plain",
        "fields": 4,
        "dtypes": ["uint16"],
        "sizes_px": [[1040, 1392, 4]],
    },
    "cellprofiler/ExampleSpeckles": {
        "layout": "plain",
        "fields": 2,
        "dtypes": ["uint16"],
        "sizes_px": [[1000, 1200, 2]],
    },
    "bbbc021": {
        "kind": "arrays",
        "arrays": [
            {
                "file": "cells.npz",
                "arrays": [{"name": "cells", "shape": [2236, 68, 68, 3], "dtype": "uint16"}],
            }
        ],
        "tables": [
            {
                "file": "cells.csv",
                "rows": 2236,
                "columns": [
                    "cell", "plate", "well", "compound", "concentration_um", "treatment",
                ],
            }
        ],
    },
    "readers/ez_zarr/example_data": {
        "kind": "plate",
        "layout": "ome-zarr-plate",
        "fields": 2,
        "plates": ["plate_ones", "plate_ones_mip"],
        "wells": ["B03"],
        "sites": ["0"],
        "channels": ["some-label-1", "some-label-2"],
        "dtypes": ["uint16"],
        "pixel_size_um": [0.1625],
        "z_planes": [3],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_folders(shared_data: Path, name: str) -> None:
    assert told(survey(shared_data / name), REAL[name])


def test_mitocheck_is_a_folder_per_class_whose_names_hold_plate_and_position(
    shared_data: Path,
) -> None:
    found = survey(shared_data / "mitocheck")
    expected = {"layout": "mitocheck", "fields": 2264, "sizes_px": [[64, 64, 2264]]}
    assert told(found, {**expected, "dtypes": ["uint8"], "problems": [], "channels": None})
    assert len(found["conditions"]) == 16
    assert {name: found["conditions"][name] for name in ("ADCCM", "Grape", "OutOfFocus")} == {
        "ADCCM": 96, "Grape": 29, "OutOfFocus": 315,
    }  # fmt: skip
    assert {"PLLT0014_12", "PLLT0065_06"} <= set(found["plates"])
    assert {"P00159", "P00054"} <= set(found["wells"])
    one = survey(shared_data / "mitocheck" / "Grape")
    assert told(one, {"layout": "mitocheck", "fields": 29, "conditions": {"Grape": 29}})


def test_a_folder_of_tables_says_so(shared_data: Path) -> None:
    found = survey(shared_data / "bbbc021-profiles")
    assert found["kind"] == "tables"
    assert [(t["file"], t["rows"]) for t in found["tables"]] == [
        ("BBBC021_v1_image.csv", 13200), ("BBBC021_v1_moa.csv", 104),
    ]  # fmt: skip


def test_a_folder_of_different_things_is_a_collection(shared_data: Path) -> None:
    found = survey(shared_data / "cellprofiler")
    assert found["kind"] == "collection"
    assert [(Path(p["path"]).name, p["layout"], p["fields"]) for p in found["parts"]] == [
        ("ExampleColocalization", "plain", 4), ("ExampleHuman", "cellomics", 1),
        ("ExampleSpeckles", "plain", 2), ("ExampleVitraImages", "vitra", 2),
    ]  # fmt: skip


def test_the_merged_pictures_open_as_named_channels(shared_data: Path) -> None:
    path = "images/Timepoint_00[12]_220518-ST_C03_s1.jpg"
    plate = open_plate(InputSettings(path=path), shared_data / "cellular")
    image = plate.fields[0].source.open()
    assert (image.dims, image.shape) == (("T", "C", "Y", "X"), (2, 3, 2048, 2048))
    assert list(image.coords["T"].values) == [1, 2]
    assert set(image.attrs["flags"]) == {"lossy", "display-referred", "clipped"}
    corner = image.isel(T=0, Y=slice(0, 64), X=slice(0, 64)).values
    from PIL import Image

    jpeg = shared_data / "cellular" / "images" / "Timepoint_001_220518-ST_C03_s1.jpg"
    rgb = np.asarray(Image.open(jpeg))[:64, :64].astype(int)
    assert (corner[2] == rgb[..., 2]).all()
    assert (corner[0] == np.clip(rgb[..., 1] - rgb[..., 2], 0, None)).all()
    assert (corner[1] == np.clip(rgb[..., 0] - rgb[..., 2], 0, None)).all()


def test_the_cellular_plate_map_gives_every_field_its_condition(shared_data: Path) -> None:
    settings = InputSettings(path="images", plate_map="images.csv")
    plate = open_plate(settings, shared_data / "cellular")
    found = {(f.well, f.condition) for f in plate.fields}
    assert found == {
        ("C03", "fed"), ("C05", "fed"), ("C06", "fed"),
        ("I04", "starved"), ("I06", "starved"), ("K07", "starved"),
    }  # fmt: skip
    assert {f.meta["experiment"] for f in plate.fields} == {220518}
    assert {p.kind for p in plate.problems} == {"missing_frame"}


def test_arrays_and_tables_that_are_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    np.save(tmp_path / "c.npy", np.zeros((2, 3), np.int8))
    found = survey(tmp_path)
    assert found["arrays"][0]["arrays"][0]["problem"].startswith("damaged: ")
    assert found["arrays"][1]["arrays"] == [{"name": "c", "shape": [2, 3], "dtype": "int8"}]
    assert found["tables"][0]["problem"].startswith("damaged: ")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image that Lucyte reads"):
        survey(tmp_path)


def test_a_part_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    write_files(tmp_path, ["one/a.tif", "two/deep/r01c01f01p01-ch1sk1fk1fl1.tiff"])
    (tmp_path / "one" / "a.tif").write_bytes(b"")
    parts = survey(tmp_path)["parts"]
    assert [part["kind"] for part in parts] == ["unreadable", "plate"]
    assert "a.tif is empty" in parts[0]["problem"]
