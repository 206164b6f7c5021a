"""Bad input as a person meets it: one line that names it and says what to do, or a flag."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from worlds.runs import (
    LEAN,
    SMALL,
    Said,
    files,
    lucyte,
    run,
    run_well,
    write_plan,
    write_plate,
)

CHANNELS = ("--channels", "EGFP=w1,mRFP=w2,TL=w3")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two wells (C03 fed, I03 starved) of two frames, nothing wrong with them."""
    folder = write_plate(tmp_path_factory.mktemp("sound"), wells=1, frames=2)
    shutil.rmtree(folder / "plate" / "masks")
    return folder


@pytest.fixture
def here(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound plate to spoil, with a plan without truth."""
    shutil.copytree(sound / "plate", tmp_path / "plate")
    write_plan(tmp_path, truth="")
    return tmp_path


def image(here: Path, well: str = "C03", time: int = 1, channel: int = 2) -> Path:
    name = f"Timepoint_{time:03d}_260101-ST_{well}_s1_w{channel}.tif"
    path = here / "plate" / "images" / name
    assert path.is_file(), "test invalid: no such image"
    return path


def refused(said: Said, code: int, *words: object) -> None:
    """Nothing printed, one line on standard error, and these words in it."""
    assert (said.code, said.out) == (code, "")
    assert re.fullmatch(r"lucyte: [^\n]+\n", said.err), said.err
    for word in words:
        assert str(word) in said.err


def report_text(folder: Path) -> str:
    page = (folder / "report.html").read_text()
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def flags(folder: Path) -> dict[tuple[str, int], set[str]]:
    """Raised flags of each well and frame that has any of damaged or missing."""
    table = pd.read_parquet(folder / "flags.parquet")
    names = [name for name in ("flag_damaged", "flag_missing") if name in table]
    found = {
        (row["well"], row["time_index"]): {name for name in names if row[name]}
        for row in table.to_dict("records")
    }
    return {place: raised for place, raised in found.items() if raised}


def frames(folder: Path) -> set[tuple[str, int]]:
    table = pd.read_parquet(folder / "objects.parquet")
    return set(zip(table["well"], table["time_index"], strict=True))


ALL = {("C03", 0), ("C03", 1), ("I03", 0), ("I03", 1)}


def test_the_sound_plate_has_no_problem(here: Path) -> None:
    said = run_well(here / "plan.toml", here / "run")
    assert "problem" not in said.out
    assert frames(here / "run") == ALL and flags(here / "run") == {}


# Nothing to read


@pytest.mark.parametrize("verb", ["info", "init", "segment", "merge", "track"])
def test_a_path_that_is_not_there(tmp_path: Path, verb: str) -> None:
    out = () if verb == "info" else ("-o", tmp_path / "out.toml")
    refused(lucyte(verb, tmp_path / "nowhere", *out), 1, tmp_path / "nowhere")
    assert not (tmp_path / "out.toml").exists()


@pytest.mark.parametrize("verb", ["info", "init", "segment", "merge", "track"])
def test_an_empty_folder(tmp_path: Path, verb: str) -> None:
    (tmp_path / "empty").mkdir()
    out = () if verb == "info" else ("-o", tmp_path / "out")
    refused(lucyte(verb, tmp_path / "empty", *out), 1, tmp_path / "empty", "hold")
    assert files(tmp_path) == []


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    refused(run(tmp_path / "plan.toml", tmp_path / "run"), 1, "plan.toml", "lucyte init IMAGES")
    assert files(tmp_path) == []


# Damaged files


def test_a_truncated_file_among_good_ones_is_named_and_flagged(here: Path) -> None:
    path = image(here)
    path.write_bytes(path.read_bytes()[:1000])
    said = run_well(here / "plan.toml", here / "run")
    assert "problems with the input, listed in the report" in said.out
    text = report_text(here / "run")
    assert f"{path.name} is truncated: 744 of 51,200 bytes of pixels are there." in text
    assert frames(here / "run") == ALL - {("C03", 1)}
    assert flags(here / "run") == {("C03", 1): {"flag_missing"}}


def test_a_truncated_file_ends_the_run_where_the_plan_says_so(here: Path) -> None:
    path = image(here)
    path.write_bytes(path.read_bytes()[:1000])
    plan = write_plan(here, truth='on_damaged = "stop"')
    refused(run(plan, here / "run"), 1, path, "is truncated", "copy it again")


def damage_inside(path: Path) -> None:
    """Compress the pixels and spoil them, so that only reading them shows it."""
    tifffile.imwrite(path, tifffile.imread(path), compression="zlib")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(data))


def test_a_file_that_proves_damaged_when_it_is_read(here: Path) -> None:
    damage_inside(image(here))
    told = lucyte("info", here / "plate" / "images")
    assert told.code == 0 and "problems" not in told.out, "test invalid: the headers show it"
    run_well(here / "plan.toml", here / "run")
    assert f"{image(here)}   damaged" in re.sub(r" +", "   ", report_text(here / "run"))
    assert frames(here / "run") == ALL - {("C03", 1)}
    assert flags(here / "run") == {("C03", 1): {"flag_damaged"}}
    masks = [path.name for path in (here / "run/tracks").rglob("mask*.tif")]
    assert sorted(masks) == ["mask000.tif", "mask001.tif"], "one frame is no movie"


def test_the_same_where_the_plan_says_to_stop(here: Path) -> None:
    damage_inside(image(here))
    plan = write_plan(here, truth='on_damaged = "stop"')
    refused(run(plan, here / "run"), 1, image(here), "the file is damaged or truncated")


def test_a_field_without_a_frame_that_can_be_read_stays_in_the_flags(here: Path) -> None:
    for time in (0, 1):
        damage_inside(image(here, "I03", time))
    run_well(here / "plan.toml", here / "run")
    assert frames(here / "run") == {("C03", 0), ("C03", 1)}
    assert flags(here / "run") == {(well, t): {"flag_damaged"} for well, t in ALL if well == "I03"}


@pytest.mark.parametrize("verb", ["run", "segment", "merge"])
def test_nothing_but_damaged_files(here: Path, verb: str) -> None:
    for path in (here / "plate" / "images").iterdir():
        damage_inside(path)
    if verb == "run":
        said = run(here / "plan.toml", here / "run")
    elif verb == "merge":
        said = lucyte("merge", here / "plate" / "images", "-o", here / "out")
    else:
        out = ("-o", here / "out", "--quiet", "--workers", 1, *CHANNELS)
        said = lucyte("segment", here / "plate" / "images", *out)
    refused(said, 1, "cannot be read", "Timepoint_")
    assert not (here / "run" / "report.html").exists()


def test_text_under_the_name_of_an_image(here: Path) -> None:
    image(here).write_text("well,condition\n" * 10)
    run_well(here / "plan.toml", here / "run")
    assert f"{image(here).name} is not a TIFF file" in report_text(here / "run")
    assert frames(here / "run") == ALL - {("C03", 1)}
    refused(
        lucyte("info", image(here)), 1, image(here), "is not a TIFF file: it begins with b'well"
    )


def test_an_empty_file(here: Path) -> None:
    image(here).write_bytes(b"")
    run_well(here / "plan.toml", here / "run")
    assert f"{image(here).name} is empty (0 bytes)." in report_text(here / "run")
    assert flags(here / "run") == {("C03", 1): {"flag_missing"}}


# A plate with holes


def test_a_missing_channel_in_one_field(here: Path) -> None:
    image(here, channel=3).unlink()
    run_well(here / "plan.toml", here / "run")
    told = "frame 1 of field 260101-ST_C03_s1 has no channel w3; it is left out."
    assert told in report_text(here / "run")
    assert frames(here / "run") == ALL - {("C03", 1)}


def test_a_missing_time_point(here: Path) -> None:
    for channel in (1, 2, 3):
        image(here, channel=channel).unlink()
    run_well(here / "plan.toml", here / "run")
    told = "field 260101-ST_C03_s1 has no frame 1; what is missing stays absent."
    assert told in report_text(here / "run")
    assert flags(here / "run") == {("C03", 1): {"flag_missing"}}


def test_a_file_that_is_there_twice(here: Path) -> None:
    shutil.copy(image(here), image(here).with_suffix(".tiff"))
    run_well(here / "plan.toml", here / "run")
    assert "duplicate" in report_text(here / "run")
    assert image(here).with_suffix(".tiff").name in report_text(here / "run")
    assert frames(here / "run") == ALL


def test_a_plate_map_with_a_well_without_images(here: Path) -> None:
    with (here / "plate" / "platemap.csv").open("a") as handle:
        handle.write("Z09,fed\n")
    said = run_well(here / "plan.toml", here / "run")
    assert "1 problem with the input" in said.out
    assert "well Z09 is in platemap.csv but has no images." in report_text(here / "run")


def test_a_plate_map_without_one_of_the_wells(here: Path) -> None:
    (here / "plate" / "platemap.csv").write_text("well,condition\nC03,fed\n")
    run_well(here / "plan.toml", here / "run")
    assert "I03" in report_text(here / "run")
    table = pd.read_parquet(here / "run" / "objects.parquet")
    assert set(table.loc[table["well"] == "I03", "condition"]) == {""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("well,condition\nC03,fed\nC03,starved\n", ["C03 stands twice", "fed and starved"]),
        ("hole,condition\nC03,fed\n", ["needs a column 'well'", "got: hole, condition"]),
        ("", ["is not a table", "one row per well"]),
    ],
    ids=["conflicting rows", "no well column", "empty"],
)
def test_a_plate_map_that_cannot_be_meant(here: Path, text: str, words: list[str]) -> None:
    (here / "plate" / "platemap.csv").write_text(text)
    said = run(here / "plan.toml", here / "run")
    refused(said, said.code, "platemap.csv", *words)
    assert said.code in (1, 2) and not (here / "run").exists()


# A plan that does not fit

MISFITS = {
    "misspelt key": ("[track]\nmax_gpa = 2\n", ["max_gpa", "did you mean 'max_gap'?", "track"]),
    "misspelt section": ("[trak]\n", ["trak", "did you mean 'track'?"]),
    "no TOML": ("[track\n", ["not valid TOML", "line"]),
    "wrong kind of value": ("[track]\nmax_gap = -1\n", ["track.max_gap", "got -1"]),
    "ratio of a strange channel": (
        '[measure]\nratios = [["EGFP", "DsRed"]]\n',
        ["unknown channel 'DsRed'", "Allowed: EGFP, mRFP, TL", "measure.ratios"],
    ),
    "bleed-through of a strange channel": (
        "[correct.bleed_through.Cy5]\nEGFP = 0.1\n",
        ["unknown channel 'Cy5'", "correct.bleed_through"],
    ),
    "tracking of a kind that nothing makes": (
        '[track]\nkind = "nucleus"\n',
        ["unknown kind 'nucleus'", "track.kind", "Allowed: auto, cell"],
    ),
    "states of a kind that nothing makes": (
        '[classify]\nkind = "nucleus"\n',
        ["unknown kind 'nucleus'", "classify.kind"],
    ),
    "states by a column that is not there": (
        '[classify]\ntarget = "dose"\n',
        ["unknown column 'dose'", "classify.target"],
    ),
    "expression that does not close": (
        '[classify]\nexclude = ["("]\n',
        ["classify.exclude", "is not a regular expression"],
    ),
    "length without a number": (
        '[track]\nmax_distance = "far"\n',
        ["track.max_distance", "write a number and px, um or diameter"],
    ),
    "length in um where the pixel size is unknown": (
        '[track]\nmax_distance = "3 um"\n',
        ["track.max_distance", "needs a pixel size", "pixel"],
    ),
}


@pytest.mark.parametrize("what", list(MISFITS))
def test_a_plan_that_does_not_fit_is_refused_before_any_work(here: Path, what: str) -> None:
    more, words = MISFITS[what]
    plan = write_plan(here, more, truth="")
    refused(run(plan, here / "run"), 2, *words)
    assert not (here / "run" / "stages").exists()


LINES = {
    "channel of an object": (
        {"channels = [": 'channels = ["EGFP", "mCherry"]'},
        2,
        ["unknown channel 'mCherry'", "Allowed: EGFP, mRFP, TL", "[input.channels]"],
    ),
    "channel of the files": (
        {"EGFP": 'EGFP = "w7"'},
        2,
        ["unknown channel 'w7'", "Allowed: w1, w2, w3"],
    ),
    "well": ({"truth": 'wells = ["C03", "Z09"]'}, 2, ["unknown well 'Z09'", "Allowed: C03, I03"]),
    "frame": ({"truth": "time_indices = [0, 77]"}, 2, ["unknown time index '77'"]),
    "layout": (
        {"truth": 'layout = "celular"'},
        2,
        ["unknown layout 'celular'", "did you mean 'cellular'?"],
    ),
    "images": (
        {"path": 'path = "plate/pictures"'},
        1,
        ["plate/pictures", "no such file or folder"],
    ),
    "plate map": (
        {"plate_map": 'plate_map = "plate/map.csv"'},
        1,
        ["plate/map.csv", "no such plate map"],
    ),
    "truth": (
        {"truth": 'truth = "plate/gold"'},
        1,
        ["plate/gold", "no such folder", "input.truth"],
    ),
    "labels": (
        {"truth": 'labels = "plate/own"'},
        1,
        ["plate/own", "no such folder", "input.labels"],
    ),
}


@pytest.mark.parametrize("what", list(LINES))
def test_a_name_in_the_plan_that_is_not_there(here: Path, what: str) -> None:
    lines, code, words = LINES[what]
    changed = {"truth": "", **lines}
    plan = write_plan(here, LEAN, **changed)
    refused(run(plan, here / "run"), code, *words)
    assert not (here / "run" / "stages").exists()


# Axes


def test_a_stack_is_refused_until_the_plan_says_how_to_flatten_it(tmp_path: Path) -> None:
    folder = tmp_path / "stacks"
    folder.mkdir()
    pixels = np.zeros((3, 64, 64), np.uint16)
    pixels[1, 20:40, 20:40] = 900
    pixels += np.random.default_rng(0).integers(90, 110, pixels.shape).astype(np.uint16)
    tifffile.imwrite(folder / "a.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    plan = tmp_path / "plan.toml"
    plan.write_text('[input]\npath = "stacks"\n')
    refused(run(plan, tmp_path / "run"), 2, "field sa has 3 Z planes", 'projection = "max"')
    plan.write_text('[input]\npath = "stacks"\nprojection = "max"\n' + LEAN)
    run_well(plan, tmp_path / "run")
    (area,) = pd.read_parquet(tmp_path / "run" / "objects.parquet")["area_px"]
    assert 20**2 <= area <= 22**2


def test_an_axis_that_lucyte_does_not_keep(tmp_path: Path) -> None:
    path = tmp_path / "spectrum.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 99, (4, 32, 32)).astype(np.uint8)
    tifffile.imwrite(path, pixels, metadata={"axes": "QYX"})
    assert tifffile.TiffFile(path).series[0].axes == "QYX", "test invalid: it has no foreign axis"
    words = ("merge", path, "-o", tmp_path / "out")
    refused(lucyte(*words), 2, path, "has an axis 'Q'", "--select Q=0")
    assert lucyte(*words, "--select", "Q=0").code == 0
    assert [each.name for each in (tmp_path / "out").glob("*.png")] == ["sspectrum.ome_t000.png"]


# The place to write to


def test_a_file_in_the_place_of_the_run_folder(here: Path) -> None:
    (here / "taken").write_text("mine")
    refused(run(here / "plan.toml", here / "taken"), 1, here / "taken", "-o")
    refused(run(here / "plan.toml", here / "taken" / "run"), 1, here / "taken", "-o")
    assert (here / "taken").read_text() == "mine"


def test_a_plan_of_ones_own_is_not_written_over(here: Path) -> None:
    before = (here / "plan.toml").read_bytes()
    refused(run(here / "plan.toml", here), 2, here, "a plan.toml that no run wrote", "-o")
    refused(lucyte("report", here), 2, here, "holds no finished run", "lucyte run")
    assert (here / "plan.toml").read_bytes() == before and not (here / "stages").exists()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[object]:
    """Mounts a small disk in memory; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
        return place

    yield mounted
    subprocess.run(["umount", str(place)], capture_output=True)


@pytest.mark.parametrize("room", ["16k", "96k", "400k"])
def test_a_full_disk(here: Path, mount: object, room: str) -> None:
    out = mount(f"size={room}") / "run"  # type: ignore[operator]
    refused(run(here / "plan.toml", out), 1, out, "disk full. Free some space and run again.")
    assert not (out / "report.html").exists()
    subprocess.run(["mount", "-o", "remount,size=16m", str(out.parent)], check=True)
    run_well(here / "plan.toml", out)
    assert frames(out) == ALL


def test_a_full_disk_elsewhere(here: Path, mount: object) -> None:
    disk = mount("size=8k")  # type: ignore[operator]
    images = here / "plate" / "images"
    for words in (
        ("merge", images, "-o", disk / "m"),
        ("segment", images, "-o", disk / "s", "--quiet", "--workers", 1, *CHANNELS),
        ("simulate", "autophagy", "-o", disk / "w", "--set", "layout.size_px=64"),
    ):
        refused(lucyte(*words), 1, disk, "disk full. Free some space and run again.")


def test_a_disk_that_may_not_be_written(here: Path, mount: object) -> None:
    disk = mount("size=8k,ro")  # type: ignore[operator]
    images = here / "plate" / "images"
    for words in (
        ("run", here / "plan.toml", "-o", disk / "run", "--quiet"),
        ("init", images, "-o", disk / "plan.toml"),
        ("segment", images, "-o", disk / "s", "--quiet", "--workers", 1, *CHANNELS),
        ("simulate", "autophagy", "-o", disk / "w", "--set", "layout.size_px=64"),
        ("merge", images, "-o", disk / "m"),
    ):
        refused(lucyte(*words), 1, disk, "no permission. Choose another folder with -o.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(here: Path) -> None:
    (here / "closed").mkdir(mode=0o500)
    refused(run(here / "plan.toml", here / "closed" / "run"), 1, here / "closed", "no permission")


def test_labels_of_another_size(here: Path) -> None:
    (here / "own").mkdir()
    for well in ("C03", "I03"):
        for time in (0, 1):
            name = f"260101-ST_{well}_s1_t{time:03d}.png"
            Image.fromarray(np.ones((10, 10), np.uint8)).save(here / "own" / name)
    plan = write_plan(here, SMALL, truth='labels = "own"')
    refused(run(plan, here / "run"), 1, "own", "label image is (10, 10), the image (160, 160)")
