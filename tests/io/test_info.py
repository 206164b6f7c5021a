"""What ``describe_file`` says of real files, written by hand from their own metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lucyte.io.info import describe_file

READERS = "readers/training-resources"
FACTS: dict[str, tuple[str, dict[str, int], str, tuple[float, float]]] = {
    f"{READERS}/xyc_16bit__hela-cells.tif": (
        "ImageJ TIFF",
        {"C": 3, "Y": 512, "X": 672},
        "uint16",
        (0, 4095),
    ),
    f"{READERS}/xy_8bit__nucleus_calibrated.tif": (
        "ImageJ TIFF",
        {"Y": 215, "X": 215},
        "uint8",
        (0, 162),
    ),
    f"{READERS}/xyz_8bit__mitotic_plate_calibrated.tif": (
        "ImageJ TIFF",
        {"Z": 6, "Y": 263, "X": 263},
        "uint8",
        (3, 162),
    ),
    "cellprofiler/ExampleSpeckles/1-162hrh2ax2.tif": (
        "TIFF",
        {"Y": 1000, "X": 1200},
        "uint16",
        (628, 4095),
    ),
    "cellprofiler/ExampleVitraImages/Channel 2-01-A-01-00.tif": (
        "TIFF",
        {"Y": 1024, "X": 1360},
        "uint8",
        (5, 255),
    ),
    "ctc/Fluo-N2DH-GOWT1/01/t000.tif": ("TIFF", {"Y": 1024, "X": 1024}, "uint8", (0, 221)),
    "dsb2018/images/21408476af050633.png": ("PNG", {"Y": 256, "X": 256}, "uint8", (1, 88)),
    "cellular/images/Timepoint_003_220518-ST_K07_s3.jpg": (
        "JPEG",
        {"C": 3, "Y": 2048, "X": 2048},
        "uint8",
        (0, 255),
    ),
    "readers/arcadia-microscopy-tools/example-multichannel.nd2": (
        "ND2",
        {"C": 4, "Y": 256, "X": 256},
        "uint16",
        (98, 17636),
    ),
    "readers/ez_zarr/example_data/plate_ones.zarr": (
        "OME-Zarr 0.4",
        {"C": 2, "Z": 3, "Y": 1080, "X": 1280},
        "uint16",
        (1, 1),
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts(shared_data: Path, name: str) -> None:
    kind, axes, dtype, (lowest, highest) = FACTS[name]
    info = describe_file(shared_data / name)
    assert (info.format, dict(info.axes), info.dtype) == (kind, axes, dtype)
    assert list(info.axes) == list(axes)
    assert (info.minimum, info.maximum) == (lowest, highest)
    assert info.parts == ()
    json.dumps(info.to_json(), allow_nan=False)


def problems(path: Path) -> tuple[str, ...]:
    return describe_file(path).problems


def test_what_looks_wrong_in_real_files(shared_data: Path) -> None:
    readers = shared_data / READERS
    assert problems(readers / "xyz_8bit__mitotic_plate_calibrated.tif") == ()
    assert problems(readers / "xyz_8bit__mitotic_plate_badZcalibrated.tif") == (
        "no Z step is written (ImageJ would assume 1), so it is left unknown",
    )
    assert problems(readers / "xyc_16bit__hela-cells.tif") == (
        "its own notes doubt the pixel size: "
        "'The scale of 19.42 pixels per micrometer is not accurate'",
    )
    coloc = shared_data / "cellprofiler" / "ExampleColocalization"
    assert problems(coloc / "0_1_N_G.png") == (
        "0.4% of the sampled pixels are at 65535: saturated",
    )
    assert problems(coloc / "0_1_N_R.png") == ()
    plate = shared_data / "readers" / "ez_zarr" / "example_data" / "plate_ones.zarr"
    assert problems(plate) == ("every sampled pixel is 1",)
    merged = shared_data / "cellular" / "images" / "Timepoint_003_220518-ST_K07_s3.jpg"
    assert problems(merged) == ("1.9% of the sampled pixels are at 255: saturated",)


def test_lif_parts(shared_data: Path) -> None:
    path = shared_data / "readers" / "readlif" / "artifacts" / "xz-example" / "xz-example.lif"
    info = describe_file(path)
    assert info.series == ("xzt", "xzy", "xz")
    assert [part.series for part in info.parts] == [("xzt",), ("xzy",), ("xz",)]
    assert [dict(part.axes) for part in info.parts] == [
        {"T": 20, "C": 2, "Z": 128, "X": 128},
        {"C": 2, "Z": 128, "Y": 23, "X": 128},
        {"C": 2, "Z": 512, "X": 512},
    ]
    assert info.parts[0].interval_s == pytest.approx(10.07 / 19)
    section, stack, _ = info.parts
    assert "an image needs both Y and X" in section.problems[0]
    assert section.minimum is None
    assert stack.problems == (
        "pixels are not square (Y 0.2291 um, X 0.1403 um), so the pixel size is left unknown",
    )


def test_czi_parts(shared_data: Path) -> None:
    info = describe_file(shared_data / READERS / "xyz__multiple_images.czi")
    assert info.format == "CZI"
    assert info.series == ("0", "1")
    assert [(part.minimum, part.maximum) for part in info.parts] == [(10142, 20314), (10272, 17468)]


def imagej(path: Path, array: np.ndarray[Any, Any], **meta: Any) -> Path:
    tifffile.imwrite(path, array, imagej=True, resolution=(4.0, 4.0), metadata=meta)
    return path


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(1, 200, shape).astype("u2")


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"unit": "um", "spacing": 0.5}, ()),
        ({"unit": "um", "spacing": 50}, ("the Z step is 200 times the pixel size, which is",)),
        ({"unit": "um", "spacing": 0.01}, ("the Z step is 0.04 times the pixel size, which is",)),
        ({"unit": "mm", "spacing": 0.5}, ("a pixel size of 250 um is implausible",)),
        ({"unit": "nm", "spacing": 0.5}, ("a pixel size of 0.00025 um", "a Z step of 0.0005 um")),
    ],
)
def test_implausible_sizes(tmp_path: Path, meta: dict[str, Any], expected: tuple[str, ...]) -> None:
    found = problems(imagej(tmp_path / "a.tif", noise(3, 9, 9), axes="ZYX", **meta))
    assert len(found) == len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


def test_sample_is_bounded_and_holds_both_ends(tmp_path: Path) -> None:
    stack = noise(40, 9, 9)
    stack[0, 0, 0], stack[-1, 0, 0] = 0, 900
    info = describe_file(imagej(tmp_path / "a.tif", stack, axes="TYX"))
    assert info.sampled == "9 of 40 planes"
    assert (info.minimum, info.maximum) == (0, 900)


def test_suspicious_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "zero.tif", np.zeros((9, 9), "u2"))
    assert problems(tmp_path / "zero.tif") == ("every sampled pixel is 0",)
    holes = np.ones((10, 10), "f4")
    holes[0, 0], holes[0, 1] = np.nan, 2
    tifffile.imwrite(tmp_path / "holes.tif", holes)
    assert problems(tmp_path / "holes.tif") == (
        "1.00% of the sampled pixels are not finite numbers",
    )
    twelve = noise(50, 50)
    twelve[:5] = 4095
    tifffile.imwrite(tmp_path / "twelve.tif", twelve)
    assert problems(tmp_path / "twelve.tif") == (
        "10.0% of the sampled pixels are at 4095: saturated",
    )


def test_a_foreign_axis_is_a_problem_and_still_sampled(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(4, 9, 9), photometric="minisblack")
    info = describe_file(tmp_path / "a.tif")
    assert list(info.axes.values()) == [4, 9, 9]
    assert "that Lucyte does not keep" in info.problems[-1]


def test_repeated_channel_names(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        noise(3, 9, 9),
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": ["Cam", "Cam", "TL"]}},
    )
    info = describe_file(tmp_path / "a.ome.tif")
    assert info.channels == ("Cam", "Cam_2", "TL")
    assert info.problems == ("channel names repeat, so they are read as Cam, Cam_2, TL",)
