"""The three real inputs, small parts of them: from ``init`` to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lucyte.io.plates import open_plate
from lucyte.schema.plan import load_plan
from lucyte.schema.plate import Field
from worlds.runs import LEAN, SMALL, Said, lucyte, run_well

SIDE = 512
"""Of the corner that is cut from each CELLULAR field (px)."""


def done(said: Said) -> str:
    assert (said.code, said.err) == (0, "")
    return said.out


def findings(folder: Path) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads((folder / "evidence.json").read_text())}


def add(plan: Path, section: str, lines: str) -> None:
    """Put lines under a section that the plan has."""
    text = plan.read_text()
    assert f"[{section}]\n" in text, "test invalid: no such section"
    plan.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n"))


# Fluo-N2DH-GOWT1


@pytest.fixture(scope="module")
def gowt1(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames, linked to where they lie, tracked and scored against the truth of all 92."""
    folder = tmp_path_factory.mktemp("gowt1")
    source = shared_data / "ctc" / "Fluo-N2DH-GOWT1"
    (folder / "Fluo-N2DH-GOWT1" / "01").mkdir(parents=True)
    for time in range(6):
        name = f"01/t{time:03d}.tif"
        (folder / "Fluo-N2DH-GOWT1" / name).symlink_to(source / name)
    (folder / "Fluo-N2DH-GOWT1" / "01_GT").symlink_to(source / "01_GT")
    plan = folder / "plan.toml"
    told = done(lucyte("init", folder / "Fluo-N2DH-GOWT1" / "01", "-o", plan))
    assert "Layout ctc: 1 field, 6 frames" in told
    assert "Truth found beside the images: " in told
    plan.write_text(plan.read_text() + LEAN)
    run_well(plan, folder / "run")
    return folder


def test_gowt1_is_scored_on_masks_and_tracks(gowt1: Path) -> None:
    found = findings(gowt1 / "run")
    assert {"accuracy.SEG", "accuracy.TRA"} <= set(found)
    assert all(found[name]["unit"] == "sequence" or found[name]["n"] == 1 for name in found)


def test_gowt1_scores_as_the_challenges_own_measure_does(
    gowt1: Path, shared_data: Path, tmp_path: Path
) -> None:
    evaluate = pytest.importorskip("ctc_metrics").evaluate_sequence
    source = shared_data / "ctc" / "Fluo-N2DH-GOWT1" / "01_GT"
    for kind, name in (("TRA", "man_track"), ("SEG", "man_seg")):
        (tmp_path / "01_GT" / kind).mkdir(parents=True)
        for time in range(6):
            path = source / kind / f"{name}{time:03d}.tif"
            if path.exists():
                (tmp_path / "01_GT" / kind / path.name).symlink_to(path)
    lines = [line.split() for line in (source / "TRA/man_track.txt").read_text().splitlines()]
    seen = [(k, int(b), min(int(e), 5), p) for k, b, e, p in lines if int(b) <= 5]
    assert len(seen) < len(lines), "test invalid: every track begins in the first frames"
    text = "".join(f"{k} {b} {e} {p}\n" for k, b, e, p in seen)
    (tmp_path / "01_GT" / "TRA" / "man_track.txt").write_text(text)
    (tracks,) = (gowt1 / "run" / "tracks").iterdir()
    theirs = evaluate(str(tracks), str(tmp_path / "01_GT"), ["TRA", "SEG"])
    found = findings(gowt1 / "run")
    assert found["accuracy.TRA"]["statistic"] == pytest.approx(theirs["TRA"], abs=1e-9)
    assert found["accuracy.SEG"]["statistic"] == pytest.approx(theirs["SEG"], abs=1e-9)


def test_gowt1_without_conditions_has_objects_and_no_states(gowt1: Path) -> None:
    objects = pd.read_parquet(gowt1 / "run" / "objects.parquet")
    assert sorted(set(objects["time_index"])) == [0, 1, 2, 3, 4, 5]
    assert "state" not in objects and objects["track_id"].notna().all()
    skipped = json.loads((gowt1 / "run" / "provenance.json").read_text())["skipped"]
    assert "no conditions are known" in skipped["classify"]


def test_gowt1_has_no_size_in_um_for_its_tags_are_a_placeholder(gowt1: Path) -> None:
    objects = pd.read_parquet(gowt1 / "run" / "objects.parquet")
    assert "area_px" in objects and not [name for name in objects if name.endswith("_um2")]


# CELLULAR


@pytest.fixture(scope="module")
def cellular(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corner of one field of each of two fed and two starved wells, with its boxes."""
    folder = tmp_path_factory.mktemp("cellular")
    source = shared_data / "cellular"
    table = pd.read_csv(source / "images.csv")
    first = table[table["timepoint"] == 1].drop_duplicates("well").groupby("condition").head(2)
    assert sorted(first["condition"]) == ["fed", "fed", "starved", "starved"]
    for name in ("images", "boxes"):
        (folder / name).mkdir()
    for name in first["image"]:
        picture = Image.open(source / "images" / name)
        picture.crop((0, 0, SIDE, SIDE)).save(folder / "images" / name, quality=95, subsampling=0)
        text = (source / "boxes" / name).with_suffix(".txt").read_text()
        boxes = inside(np.array([line.split() for line in text.splitlines()], float), picture.width)
        lines = "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in boxes)
        (folder / "boxes" / name).with_suffix(".txt").write_text(lines)
    first[["well", "condition"]].to_csv(folder / "platemap.csv", index=False)
    plan = folder / "plan.toml"
    told = done(lucyte("init", folder / "images", "-o", plan))
    assert "Layout cellular-merged: 4 fields, 4 frames, 4 wells" in told
    assert "channels EGFP, mRFP, TL" in told and "Conditions fed, starved" in told
    plan.write_text(plan.read_text() + SMALL.replace("24", "40"))
    run_well(plan, folder / "run")
    return folder


def inside(boxes: np.ndarray[tuple[int, int], np.dtype[np.float64]], side: int) -> np.ndarray:
    """Boxes (class, centre, size; relative) that lie in the corner, relative to it."""
    moved = np.column_stack([boxes[:, :1], boxes[:, 1:] * side / SIDE])
    ends = moved[:, 1:3] + moved[:, 3:] / 2
    return moved[(ends < 1).all(axis=1)]


def test_cellular_shows_its_channels_and_its_doubts(cellular: Path) -> None:
    assert load_plan(cellular / "plan.toml").input.truth == "boxes"
    objects = pd.read_parquet(cellular / "run" / "objects.parquet")
    assert {"intensity_mean_EGFP", "intensity_mean_mRFP", "intensity_mean_TL"} <= set(objects)
    page = (cellular / "run" / "report.html").read_text()
    flags = {flag for each in open_plate_of(cellular) for flag in each.flags}
    assert {"display-referred", "lossy"} <= flags
    assert all(flag in page for flag in flags)


def open_plate_of(folder: Path) -> tuple[Field, ...]:
    return open_plate(load_plan(folder / "plan.toml").input, folder).fields


def test_cellular_is_scored_on_its_boxes(cellular: Path) -> None:
    found = [f for name, f in findings(cellular / "run").items() if name == "accuracy.F1@0.5"]
    assert [each["n"] for each in found] == [4]
    assert [each["unit"] for each in found] == ["field"]


def test_cellular_faces_both_questions_about_its_background(cellular: Path) -> None:
    found = findings(cellular / "run")
    assert {"background.data_permit", "background.model_relies"} <= set(found)
    assert {each["verdict"] for each in found.values()} <= {"pass", "fail", "inconclusive"}
    assert max(int(str(each["n"])) for each in found.values()) == 4, "wells, never cells"


# Vitra: translocation, dose by column


@pytest.fixture(scope="module")
def vitra(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vitra")
    source = shared_data / "cellprofiler" / "ExampleVitraImages"
    (folder / "images").mkdir()
    names = [path.name for path in sorted(source.iterdir()) if path.suffix == ".tif"]
    assert len(names) == 4
    for name in names:
        (folder / "images" / name).symlink_to(source / name)
    plan = folder / "plan.toml"
    named = "GFP=Channel 1,DNA=Channel 2"
    told = done(lucyte("init", folder / "images", "-o", plan, "--channels", named))
    assert "Layout vitra: 2 fields, 2 frames, 2 wells" in told
    plan.write_text(plan.read_text() + LEAN)
    run_well(plan, folder / "run")
    return folder


def test_vitra_has_nuclei_and_the_cytoplasm_around_them(vitra: Path) -> None:
    objects = pd.read_parquet(vitra / "run" / "objects.parquet")
    assert {"nucleus", "cytoplasm"} <= set(objects["kind"])
    assert sorted(set(objects["well"])) == ["A01", "A12"]
    inner = objects[objects["kind"] == "cytoplasm"]
    assert set(inner["parent_id"]) <= set(objects.loc[objects["kind"] == "cell", "object_id"])


# A file with axes of its own


def test_sections_of_a_lif_are_named_and_left_out(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "readers/readlif/artifacts/xz-example/xz-example.lif"
    told = done(lucyte("init", path, "-o", tmp_path / "plan.toml"))
    for name, axes in (("xzt", "T=20 C=2 Z=128 X=128"), ("xz", "C=2 Z=512 X=512")):
        assert (
            f"Problem: xz-example.lif image '{name}' is a section with axes {axes}, but an image "
            "needs both Y and X. It is left out."
        ) in told
