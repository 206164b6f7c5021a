"""What a finished run leaves behind, read with other eyes than those that wrote it."""

from __future__ import annotations

import hashlib
import html
import json
import re
from importlib import metadata
from pathlib import Path

import geff
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

import lucyte
from lucyte.io.plates import open_plate
from lucyte.learn.models import load_model
from lucyte.pipeline.starter import plan_toml, rebase
from lucyte.schema.finding import Finding
from lucyte.schema.objects import BOX, OBJECT_IDENTITY
from lucyte.schema.plan import load_plan
from worlds.runs import PLAN, SMALL, run_well, write_plan

PROMISED = {
    "plan.toml",
    "provenance.json",
    "plate.zarr",
    "objects.parquet",
    "flags.parquet",
    "wells.parquet",
    "models",
    "tracks.geff",
    "tracks",
    "embeddings.parquet",
    "explanations.zarr",
    "evidence.json",
    "report.html",
    "stages",
}
WELLS = ("C03", "D03", "E03", "I03", "J03", "K03")
FRAMES = (0, 1, 2)


@pytest.fixture(scope="module")
def objects(finished: Path) -> pd.DataFrame:
    table = pd.read_parquet(finished / "objects.parquet")
    assert len(table) > 40, "test invalid: hardly a cell was found"
    return table


@pytest.fixture(scope="module")
def findings(finished: Path) -> list[Finding]:
    data = json.loads((finished / "evidence.json").read_text())
    return [Finding.from_json(each) for each in data]


def test_the_folder_holds_what_the_design_lists_and_nothing_else(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == PROMISED


def test_the_plan_reads_back_as_the_plan_that_was_asked_for(home: Path, finished: Path) -> None:
    asked = rebase(load_plan(home / "plan.toml"), home.resolve(), finished.resolve())
    kept = load_plan(finished / "plan.toml")
    assert kept == asked
    assert (finished / "plan.toml").read_text() == plan_toml(kept, full=True)


def test_the_kept_plan_writes_every_default_out(finished: Path) -> None:
    assert "max_gap" not in PLAN + SMALL
    assert "max_gap = 1\n" in (finished / "plan.toml").read_text()


def test_objects_begin_with_identity_and_boxes(objects: pd.DataFrame) -> None:
    assert tuple(objects.columns[: len(OBJECT_IDENTITY)]) == OBJECT_IDENTITY
    assert tuple(objects.columns[len(OBJECT_IDENTITY) :][: len(BOX)]) == BOX


def test_an_object_is_named_once_and_by_where_it_is(objects: pd.DataFrame) -> None:
    assert objects["object_id"].is_unique
    named = [
        f"{row.plate}_{row.well}_s{row.site}/t{row.time_index:03d}/{row.kind}/{row.label}"
        for row in objects.itertuples()
    ]
    assert list(objects["object_id"]) == named


def test_objects_carry_the_plate_map(home: Path, objects: pd.DataFrame) -> None:
    told = pd.read_csv(home / "plate" / "platemap.csv").set_index("well")["condition"]
    assert set(objects["well"]) == set(WELLS) == set(told.index)
    assert (objects["condition"] == objects["well"].map(told)).all()


def test_states_are_probabilities_and_out_of_fold(objects: pd.DataFrame) -> None:
    shares = objects[["p_fed", "p_starved"]]
    assert np.allclose(shares.sum(axis=1), 1.0)
    assert (shares.idxmax(axis=1).str.removeprefix("p_") == objects["state"]).all()
    assert objects["fold"].min() >= 0
    assert (objects.groupby("well")["fold"].nunique() == 1).all(), "a well must not be split"


def test_a_well_is_the_mean_of_its_cells(finished: Path, objects: pd.DataFrame) -> None:
    wells = pd.read_parquet(finished / "wells.parquet").set_index("well")
    assert list(wells.index) == list(WELLS)
    assert (wells["n_cells"] == objects["well"].value_counts()[wells.index]).all()
    starved = (objects["state"] == "starved").groupby(objects["well"]).mean()
    assert np.allclose(wells["fraction_starved"], starved[wells.index])


def test_flags_have_a_row_per_field_and_frame(finished: Path) -> None:
    flags = pd.read_parquet(finished / "flags.parquet")
    assert list(zip(flags["well"], flags["time_index"], strict=True)) == [
        (well, time) for well in WELLS for time in FRAMES
    ]


def test_labels_in_the_plate_have_the_areas_of_the_table(
    finished: Path, objects: pd.DataFrame
) -> None:
    for well in WELLS:
        array = zarr.open_array(finished / "plate.zarr" / well[0] / "03/1/labels/cell/0", mode="r")
        for time in FRAMES:
            labels = np.asarray(array[time])
            here = objects[(objects["well"] == well) & (objects["time_index"] == time)]
            areas = np.bincount(labels.ravel())[1:]
            assert dict(zip(here["label"], here["area_px"], strict=True)) == {
                label: area for label, area in enumerate(areas, start=1) if area
            }


def test_boxes_are_those_of_the_labels(finished: Path, objects: pd.DataFrame) -> None:
    array = zarr.open_array(finished / "plate.zarr/C/03/1/labels/cell/0", mode="r")
    for row in objects[objects["well"] == "C03"].itertuples():
        ys, xs = np.nonzero(np.asarray(array[row.time_index]) == row.label)
        assert (row.x0_px, row.y0_px, row.x1_px, row.y1_px) == (
            xs.min(),
            ys.min(),
            xs.max() + 1,
            ys.max() + 1,
        )


@pytest.mark.parametrize("well", WELLS)
def test_ctc_tracks_name_the_objects_of_the_table(
    finished: Path, objects: pd.DataFrame, well: str
) -> None:
    folder = finished / "tracks" / f"260101-ST_{well}_s1"
    lines = np.loadtxt(folder / "res_track.txt", dtype=int, ndmin=2)
    spans = {label: (begin, end, parent) for label, begin, end, parent in lines}
    for begin, end, parent in spans.values():
        assert 0 <= begin <= end <= FRAMES[-1]
        assert parent == 0 or spans[parent][1] < begin
    labels = zarr.open_array(finished / "plate.zarr" / well[0] / "03/1/labels/cell/0", mode="r")
    here = objects[objects["well"] == well]
    for time in FRAMES:
        mask = tifffile.imread(folder / f"mask{time:03d}.tif")
        cells = np.asarray(labels[time])
        assert ((mask > 0) == (cells > 0)).all()
        pairs = {(int(a), int(b)) for a, b in zip(mask[mask > 0], cells[mask > 0], strict=True)}
        rows = here[here["time_index"] == time].set_index("label")["track_id"]
        assert len(pairs) == len(rows) == len({a for a, _ in pairs})
        assert {a for a, _ in pairs} <= {k for k, (b, e, _) in spans.items() if b <= time <= e}


def test_the_lineage_graph_has_a_node_per_tracked_object(
    finished: Path, objects: pd.DataFrame
) -> None:
    graph, _ = geff.read(finished / "tracks.geff", backend="networkx")
    assert objects["track_id"].notna().all()
    assert graph.number_of_nodes() == len(objects)


def test_the_map_of_cells_places_cells_of_the_table(finished: Path, objects: pd.DataFrame) -> None:
    points = pd.read_parquet(finished / "embeddings.parquet")
    assert list(points.columns) == ["object_id", "x", "y"]
    assert set(points["object_id"]) == set(objects["object_id"])
    assert np.isfinite(points[["x", "y"]].to_numpy()).all()


def test_explanations_are_keyed_to_cells_and_named_channels(
    finished: Path, objects: pd.DataFrame
) -> None:
    array = zarr.open_group(finished / "explanations.zarr", mode="r")["occlusion"]
    cells, channels, height, width = array.shape
    assert array.attrs["channels"] == ["EGFP", "mRFP", "TL"] and channels == 3
    assert len(array.attrs["object_id"]) == cells == len(array.attrs["target"])
    assert set(array.attrs["object_id"]) <= set(objects["object_id"])
    assert height == width
    assert set(array.attrs["target"]) <= {"fed", "starved"}


def test_the_kept_model_reads_back_with_its_card(finished: Path) -> None:
    folder = finished / "models" / "states"
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]
    model = load_model(folder)
    assert model.classes == ("fed", "starved")
    assert model.channels == ("EGFP", "mRFP", "TL", "mask:cell")


def test_evidence_reads_back_as_findings(finished: Path, findings: list[Finding]) -> None:
    data = json.loads((finished / "evidence.json").read_text())
    assert [each.to_json() for each in findings] == data
    assert {"accuracy.classification", "accuracy.TRA", "background.model_relies"} <= {
        each.name for each in findings
    }
    assert {"background.data_permit", "occlusion.deletion"} <= {each.name for each in findings}


def test_findings_count_wells_or_sequences_never_cells(findings: list[Finding]) -> None:
    assert {each.unit for each in findings} <= {"well", "sequence", "plate"}
    assert max(each.n for each in findings) == len(WELLS)


def test_provenance_tells_versions_machine_and_seed(home: Path, finished: Path) -> None:
    told = json.loads((finished / "provenance.json").read_text())
    assert told["versions"]["lucyte"] == lucyte.__version__
    assert told["versions"]["numpy"] == metadata.version("numpy")
    assert told["seed"] == 0 and told["workers"] == 1
    assert told["command"] == f"lucyte run {home / 'plan.toml'} -o {finished}"


def test_provenance_hashes_every_input_file(home: Path, finished: Path) -> None:
    told = json.loads((finished / "provenance.json").read_text())["inputs"]
    plate = open_plate(load_plan(home / "plan.toml").input, home)
    assert told["files"] == 54 == len(list((home / "plate/images").iterdir()))
    for field in plate.fields:
        whole = hashlib.sha256()
        for path in field.source.paths:
            whole.update(hashlib.sha256(Path(path).read_bytes()).digest())
        assert told["sha256_by_field"][field.field_id] == whole.hexdigest()


def test_provenance_has_time_and_memory_of_every_stage(finished: Path) -> None:
    stages = json.loads((finished / "provenance.json").read_text())["stages"]
    assert list(stages) == [
        "pilot",
        "fields",
        "track",
        "classify",
        "tables",
        "truth",
        "sample",
        "evidence",
        "explain",
    ]
    for facts in stages.values():
        assert facts["seconds"] >= 0 and facts["peak_memory_mb"] > 10
    assert stages["fields"]["fields"] == 6 and stages["fields"]["kept_from_before"] == 0


def test_the_report_shows_every_finding(finished: Path, findings: list[Finding]) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", "", (finished / "report.html").read_text()))
    for each in findings:
        assert each.question in text


def test_the_report_opens_offline(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    outside = (
        r"""<link|@import|(?:src|srcset|poster|data)\s*=\s*["']?\s*(?:https?:)?//|url\(["']?http"""
    )
    assert re.findall(outside, page) == []
    assert re.findall(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon", page) == []


def test_the_report_gives_the_command_and_the_seed(home: Path, finished: Path) -> None:
    text = html.unescape((finished / "report.html").read_text())
    assert f"lucyte run {home / 'plan.toml'} -o {finished}" in text


def test_copied_images_are_the_pixels_of_the_files(home: Path) -> None:
    more = '[classify]\nenabled = "off"\n[explain]\nenabled = "off"\n'
    plan = write_plan(home, more, name="copied.toml", truth='wells = ["C03"]')
    run_well(plan, home / "copied", "--copy-images")
    copied = zarr.open_array(home / "copied" / "plate.zarr/C/03/1/0", mode="r")
    for time in FRAMES:
        for place, channel in enumerate(("w1", "w2", "w3")):
            name = f"Timepoint_{time:03d}_260101-ST_C03_s1_{channel}.tif"
            pixels = tifffile.imread(home / "plate" / "images" / name)
            assert (np.asarray(copied[time, place]) == pixels).all()
    told = json.loads((home / "copied" / "provenance.json").read_text())
    assert told["inputs"]["images"] == "copied to plate.zarr"
