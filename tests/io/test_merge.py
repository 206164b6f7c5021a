"""Colour pictures of raw channels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lucyte.io.merge import (
    COLOURS,
    choose_colours,
    choose_limits,
    merge_channels,
    merge_folder,
)
from lucyte.schema.errors import UsageError
from worlds.folders import cellular_names, pixels, plate_of, write_files


def test_a_merge_is_the_sum_of_scaled_colours_pixel_by_pixel() -> None:
    image = np.stack([pixels(i) for i in range(3)]).astype(np.float64)
    colours = {"EGFP": "green", "mRFP": "magenta", "TL": "grey"}
    limits = {"EGFP": (100.0, 2000.0), "mRFP": (0.0, 3000.0), "TL": (500.0, 3500.0)}
    merged = merge_channels(image, colours, limits)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            light = [
                min(max((image[c, y, x] - limits[n][0]) / (limits[n][1] - limits[n][0]), 0), 1)
                for c, n in enumerate(colours)
            ]
            red = light[1] + 0.5 * light[2]
            green = light[0] + 0.5 * light[2]
            expected = [min(v, 1) * 255 for v in (red, green, red)]
            assert np.abs(merged[y, x] - np.array(expected)).max() <= 0.51


def test_no_two_colours_look_alike_to_the_colour_blind() -> None:
    # Deuteranopia (Machado 2009, doi 10.1109/TVCG.2009.113, severity 1), on linear light.
    matrix = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    )  # fmt: skip
    seen = {name: matrix @ np.array(rgb) for name, rgb in COLOURS.items()}
    for first, second in (("green", "magenta"), ("green", "cyan"), ("magenta", "cyan")):
        assert np.abs(seen[first] - seen[second]).max() > 0.3
    red = matrix @ np.array([1.0, 0.0, 0.0])
    green = matrix @ np.array([0.0, 0.43, 0.0])
    assert np.abs(red - green).max() < 0.1, "premise: red is lost beside green"


@pytest.mark.parametrize(
    ("channels", "colours"),
    [
        (["EGFP", "mRFP", "TL"], ["green", "magenta", "grey"]),
        (["w1", "w2", "w3"], ["green", "magenta", "cyan"]),
        (["DAPI", "Cy5", "FITC"], ["blue", "cyan", "green"]),
        (["GFP", "EGFP", "Bright Field"], ["green", "magenta", "grey"]),
        (["anything"], ["grey"]),
    ],
)
def test_colours_follow_the_names(channels: list[str], colours: list[str]) -> None:
    assert list(choose_colours(channels).values()) == colours


def test_limits_are_percentiles_and_never_collapse() -> None:
    ramp = np.arange(10001, dtype=np.float64).reshape(1, -1, 1)
    assert choose_limits(ramp, ["a"]) == {"a": (100.0, 9980.0)}
    flat = np.full((1, 4, 4), 7, np.uint16)
    limits = choose_limits(flat, ["a"])
    assert limits == {"a": (7.0, 8.0)}
    assert not merge_channels(flat, {"a": "grey"}, limits).any()


def test_contradictions_are_refused() -> None:
    image = np.zeros((1, 4, 4))
    with pytest.raises(UsageError, match="unknown colour 'gren', did you mean 'green'"):
        merge_channels(image, {"a": "gren"}, {"a": (0, 1)})
    with pytest.raises(UsageError, match=r"got an image of shape .* and colours for 2 channels"):
        merge_channels(image, {"a": "green", "b": "grey"}, {})
    with pytest.raises(UsageError, match="Give limits for every channel"):
        merge_channels(image, {"a": "green"}, {})
    with pytest.raises(UsageError, match="limits of a must rise, got 3 to 3"):
        merge_channels(image, {"a": "green"}, {"a": (3, 3)})


def test_a_folder_becomes_one_picture_per_field_and_frame(tmp_path: Path) -> None:
    names = cellular_names(times=[1, 3])
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p", channels={"GFP": "w1", "RFP": "w2"})
    written, problems = merge_folder(plate, tmp_path / "out")
    assert problems == []
    assert [path.name for path in written][:2] == [
        "220518-ST_C03_s1_t001.png", "220518-ST_C03_s1_t003.png",
    ]  # fmt: skip
    assert len(written) == 8
    shown = json.loads((tmp_path / "out" / "limits.json").read_text())["220518-ST"]
    assert {name: each["colour"] for name, each in shown.items()} == {
        "GFP": "green", "RFP": "magenta",
    }  # fmt: skip
    picture = np.asarray(Image.open(written[1]))
    image = np.stack([pixels(2), pixels(3)])
    limits = {name: tuple(each["limits"]) for name, each in shown.items()}
    assert (picture == merge_channels(image, {"GFP": "green", "RFP": "magenta"}, limits)).all()


def test_a_damaged_frame_is_a_problem_and_the_rest_is_written(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1], channels=["w1"])
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    for bad in (names[1], names[0]):
        (tmp_path / "p" / bad).write_bytes(b"II*\x00")
    written, problems = merge_folder(plate, tmp_path / "out")
    assert len(written) == 1
    assert [(p.kind, Path(p.where).name) for p in problems] == [
        ("damaged", names[0]), ("damaged", names[1]),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="unknown channel 'RFP'"):
        merge_folder(plate, tmp_path / "out", colours={"RFP": "green"})


def test_images_without_channels_are_grey(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a.tif"])
    written, _ = merge_folder(plate_of(tmp_path / "p"), tmp_path / "out")
    picture = np.asarray(Image.open(written[0]))
    assert (picture[..., 0] == picture[..., 1]).all()
    assert len(np.unique(picture)) > 100


def test_images_of_no_plate_have_limits_of_their_own(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a.tif", "b.tif"])
    plate = plate_of(tmp_path / "p")
    faint = (pixels(1) // 64).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p" / "b.tif", faint)
    written, _ = merge_folder(plate, tmp_path / "out")
    assert [int(np.asarray(Image.open(path)).max()) for path in written] == [255, 255]
    assert list(json.loads((tmp_path / "out" / "limits.json").read_text())) == ["sa", "sb"]
