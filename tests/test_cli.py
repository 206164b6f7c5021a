"""Every verb on a small plate: the files that it promises, and numbers that are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import geff
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from lucyte.schema.plan import load_plan
from worlds.runs import LEAN, Said, files, lucyte, run_well, write_plan, write_plate

FIELD = "260101-ST_C03_s1"
CHANNELS = ("--channels", "EGFP=w1,mRFP=w2,TL=w3")
VERBS = [
    "info",
    "init",
    "run",
    "simulate",
    "merge",
    "segment",
    "track",
    "label",
    "classify",
    "screen",
    "explain",
    "challenge",
    "validate",
    "report",
    "demo",
    "bench",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two wells (C03 fed, I03 starved) of three frames, a plan and a finished run."""
    folder = write_plate(tmp_path_factory.mktemp("cli"), wells=1, frames=3)
    run_well(write_plan(folder, LEAN), folder / "run")
    return folder


@pytest.fixture(scope="module")
def masks(home: Path) -> Path:
    """The true label images of one field, by their frame."""
    return home / "plate" / "truth" / FIELD / "TRA"


def well(said: Said) -> str:
    assert (said.code, said.err) == (0, "")
    return said.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    text = well(lucyte(verb, "--help"))
    assert f"Example: lucyte {verb}" in text.replace("\n", " ")


def test_the_version(home: Path) -> None:
    import lucyte as package

    assert well(lucyte("--version")) == f"lucyte {package.__version__}\n"


@pytest.mark.parametrize("words", [("frobnicate",), ("run",), ("run", "plan.toml", "--worker", 2)])
def test_wrong_use_is_exit_2(words: tuple[object, ...]) -> None:
    assert lucyte(*words).code == 2


# info


def test_info_of_a_plate_as_a_person_and_as_a_program_read_it(home: Path) -> None:
    images = home / "plate" / "images"
    facts = json.loads(well(lucyte("info", images, "--json")))
    assert facts["layout"] == "cellular"
    assert (facts["fields"], facts["frames"]) == (2, 6)
    assert (facts["wells"], facts["channels"]) == (["C03", "I03"], ["w1", "w2", "w3"])
    assert facts["sizes_px"] == [[160, 160, 2]] and facts["problems"] == []
    lines = well(lucyte("info", images)).splitlines()
    assert "sizes px:        160 x 160 (2 fields)" in lines
    assert "time indices:    0, 1, 2" in lines


def test_info_of_one_image(home: Path) -> None:
    path = home / "plate/images/Timepoint_000_260101-ST_C03_s1_w1.tif"
    facts = json.loads(well(lucyte("info", path, "--json")))
    assert (facts["format"], facts["axes"], facts["dtype"]) == (
        "TIFF",
        {"Y": 160, "X": 160},
        "uint16",
    )
    assert facts["pixel_size_um"] is None


# init


def test_init_writes_a_plan_that_says_what_was_seen(home: Path) -> None:
    text = well(lucyte("init", home / "plate" / "images", "-o", home / "seen.toml"))
    assert "Layout cellular: 2 fields, 6 frames, 2 wells; channels EGFP, mRFP, TL." in text
    assert f"Next: lucyte run {home / 'seen.toml'} -o out" in text
    plan = load_plan(home / "seen.toml")
    assert plan.input.path == "plate/images"
    assert plan.input.plate_map == "plate/platemap.csv"
    assert plan.input.truth == "plate/truth"
    assert plan.input.channels == {"EGFP": "w1", "mRFP": "w2", "TL": "w3"}
    assert [each.kind for each in plan.segment.objects] == ["cell"]


def test_init_into_a_folder_that_is_not_there_yet(home: Path) -> None:
    out = home / "plans" / "new" / "plan.toml"
    well(lucyte("init", home / "plate" / "images", "-o", out))
    assert load_plan(out).input.path == "../../plate/images"


def test_init_does_not_write_over_a_plan_unless_told_to(home: Path) -> None:
    out = home / "mine.toml"
    out.write_text("seed = 7\n")
    said = lucyte("init", home / "plate" / "images", "-o", out)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"lucyte: {out} exists; choose another name with -o, or replace it with --force.\n"
    )
    assert out.read_text() == "seed = 7\n"
    well(lucyte("init", home / "plate" / "images", "-o", out, "--force"))
    assert load_plan(out).seed == 0


def test_init_takes_a_pixel_size_as_the_users_word(home: Path) -> None:
    out = home / "sized.toml"
    text = well(lucyte("init", home / "plate/images", "-o", out, "--pixel-size-um", 0.5))
    assert "Pixel size 0.5 um." in text
    assert load_plan(out).input.pixel_size_um == 0.5


# simulate


def test_simulate_is_decided_by_its_seed(tmp_path: Path) -> None:
    small = ["layout.size_px=64", "layout.frames=1", "layout.wells_per_condition=1"]
    settings = [word for each in [*small, "layout.cells=3"] for word in ("--set", each)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        text = well(
            lucyte("simulate", "autophagy", "-o", tmp_path / name, "--seed", seed, *settings)
        )
        assert "Wrote 4 fields, 4 frames and their truth" in text
    images = [name for name in files(tmp_path / "a") if name.startswith("images/")]
    assert len(images) == 4 * 3 and files(tmp_path / "a") == files(tmp_path / "b")
    pixels = {each: [tifffile.imread(tmp_path / each / name) for name in images] for each in "abc"}
    assert np.array_equal(pixels["a"], pixels["b"])
    assert not np.array_equal(pixels["a"], pixels["c"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("autofagy",), "unknown world 'autofagy', did you mean 'autophagy'?"),
        (("autophagy", "--set", "layout.framse=3"), "did you mean 'frames'?"),
        (("autophagy", "--set", "layout.frames"), "write KEY=VALUE, e.g. layout.frames=3."),
        (("autophagy", "--set", "layout.frames=x"), "layout.frames"),
        (("autophagy", "--set", "layout.frames.x=3"), "frames holds no settings of its own."),
    ],
)
def test_simulate_refuses_what_it_does_not_know(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    said = lucyte("simulate", *words, "-o", tmp_path / "world")
    assert (said.code, said.out) == (2, "")
    assert told in said.err and said.err.count("\n") == 1
    assert files(tmp_path) == []


# merge


def test_merge_makes_a_picture_per_field_and_frame(home: Path) -> None:
    text = well(lucyte("merge", home / "plate" / "images", "-o", home / "pictures", *CHANNELS))
    assert "Wrote 6 pictures" in text
    names = [f"260101-ST_{name}_s1_t{t:03d}.png" for name in ("C03", "I03") for t in (0, 1, 2)]
    assert files(home / "pictures") == [*names, "limits.json"]
    picture = np.asarray(Image.open(home / "pictures" / f"{FIELD}_t000.png"))
    assert picture.shape == (160, 160, 3) and picture.max() > 100


@pytest.mark.parametrize("verb", ["merge", "segment", "init"])
@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ("EGFP", "--channels: write NEW=OLD, e.g. GFP=w1,RFP=w2; got 'EGFP'."),
        ("EGFP=", "--channels: write NEW=OLD, e.g. GFP=w1,RFP=w2; got 'EGFP='."),
        ("EGFP=w9", "unknown channel 'w9'. Allowed: w1, w2, w3."),
    ],
)
def test_channels_are_named_as_new_and_old(
    home: Path, tmp_path: Path, verb: str, channels: str, told: str
) -> None:
    images = home / "plate" / "images"
    said = lucyte(verb, images, "-o", tmp_path / "out", "--channels", channels)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"lucyte: {told}")


# segment


def test_segment_writes_a_label_image_per_frame_and_one_table(home: Path) -> None:
    out = home / "segmented"
    words = ("--channel", "EGFP", "--kind", "cell", "--quiet", "--workers", 1, *CHANNELS)
    text = well(lucyte("segment", home / "plate" / "images", "-o", out, *words))
    table = pd.read_parquet(out / "objects.parquet")
    assert f"Found {len(table)} cells." in text
    names = [f"260101-ST_{name}_s1_t{t:03d}" for name in ("C03", "I03") for t in (0, 1, 2)]
    assert files(out) == sorted(
        [*(f"labels/{name}.tif" for name in names), "objects.parquet", "overview.png"]
    )
    for name in names:
        labels = tifffile.imread(out / "labels" / f"{name}.tif")
        field, time = name.rsplit("_t", 1)
        here = table[(table["field_id"] == field) & (table["time_index"] == int(time))]
        assert np.bincount(labels.ravel())[1:].tolist() == here["area_px"].tolist()


def test_segment_names_labels_like_the_images_where_one_file_is_one_frame(
    home: Path, tmp_path: Path
) -> None:
    for stem in ("first", "second"):
        shutil.copy(
            home / "plate/images/Timepoint_000_260101-ST_C03_s1_w1.tif", tmp_path / f"{stem}.tif"
        )
    well(lucyte("segment", tmp_path, "-o", tmp_path / "out", "--quiet", "--workers", 1))
    written = ["labels/first.tif", "labels/second.tif", "objects.parquet", "overview.png"]
    assert files(tmp_path / "out") == written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--channel", "DNA"), "unknown channel 'DNA'. Allowed: w1, w2, w3."),
        (("--kind", "nucleus"), "say in which to look"),
    ],
)
def test_segment_refuses_what_it_cannot_look_for(
    home: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    said = lucyte("segment", home / "plate" / "images", "-o", tmp_path / "out", "--quiet", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err and said.err.count("\n") == 1
    assert files(tmp_path) == []


# track and validate


@pytest.fixture(scope="module")
def tracked(home: Path, masks: Path) -> Path:
    well(lucyte("track", masks, "-o", home / "tracked"))
    return home / "tracked"


def test_track_writes_ctc_and_geff(tracked: Path, masks: Path) -> None:
    top = sorted(path.name for path in tracked.iterdir())
    masks_written = ["mask000.tif", "mask001.tif", "mask002.tif"]
    assert top == [*masks_written, "plausibility.csv", "res_track.txt", "tracks.geff"]
    cells = 0
    for time in (0, 1, 2):
        found = tifffile.imread(tracked / f"mask{time:03d}.tif")
        true = tifffile.imread(masks / f"man_track{time:03d}.tif")
        assert ((found > 0) == (true > 0)).all()
        cells += len(np.unique(true)) - 1
    graph, _ = geff.read(tracked / "tracks.geff", backend="networkx")
    assert graph.number_of_nodes() == cells > 5


def test_track_looks_at_the_images_where_they_are_given(
    home: Path, masks: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for t in (0, 1, 2):
        name = f"Timepoint_{t:03d}_{FIELD}_w1.tif"
        shutil.copy(home / "plate" / "images" / name, pictures / f"t{t:03d}.tif")
    text = well(lucyte("track", masks, "-o", tmp_path / "out", "--images", pictures))
    assert "objects in 3 frames" in text
    (pictures / "t001.tif").unlink()
    said = lucyte("track", masks, "-o", tmp_path / "out2", "--images", pictures)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"lucyte: {pictures}: no image for frame 1, which {masks} has.\n"


def test_track_says_which_frames_are_missing(masks: Path, tmp_path: Path) -> None:
    for t in (0, 2):
        shutil.copy(masks / f"man_track{t:03d}.tif", tmp_path / f"mask{t:03d}.tif")
    text = well(lucyte("track", tmp_path, "-o", tmp_path / "out"))
    assert f"Frames missing from {tmp_path}: 1." in text


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("mask.tif",), "its name holds no frame number, e.g. mask000.tif."),
        (("a1.tif", "b1.tif"), "frame 1 is also a1.tif; keep one."),
    ],
)
def test_track_refuses_frames_it_cannot_order(
    masks: Path, tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    for name in names:
        shutil.copy(masks / "man_track000.tif", tmp_path / name)
    said = lucyte("track", tmp_path, "-o", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    assert told in said.err and said.err.count("\n") == 1


def scores(folder: Path) -> dict[str, float]:
    table = pd.read_csv(folder / "scores.csv")
    return {str(name): float(value) for name, value in table.mean(numeric_only=True).items()}


def test_truth_against_itself_is_perfect(home: Path, masks: Path, tmp_path: Path) -> None:
    truth = masks.parent
    for task, one, two in (("tracking", truth, truth), ("instance", masks, masks)):
        out = tmp_path / task
        text = well(lucyte("validate", one, two, "--task", task, "-o", out))
        assert f"Wrote {out}." in text
        assert files(out) == ["evidence.json", "scores.csv"]
        (finding,) = json.loads((out / "evidence.json").read_text())
        assert finding["statistic"] == 1.0
    tracking, instance = scores(tmp_path / "tracking"), scores(tmp_path / "instance")
    assert {tracking[name] for name in ("TRA", "DET", "LNK", "edge_f1")} == {1.0}
    assert {instance[name] for name in ("F1@0.5", "SEG", "recall@0.75")} == {1.0}


def test_a_lost_cell_costs_what_it_should(masks: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    shutil.copytree(masks, found)
    labels = tifffile.imread(found / "man_track000.tif")
    cells = np.unique(labels)[1:]
    labels[labels == cells[0]] = 0
    tifffile.imwrite(found / "man_track000.tif", labels)
    well(lucyte("validate", found, masks, "--task", "instance", "-o", tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("image")
    assert table.loc["man_track000", "recall@0.5"] == pytest.approx(1 - 1 / len(cells))
    assert table.loc["man_track001", "recall@0.5"] == 1.0


def test_own_tracks_against_the_truth(tracked: Path, masks: Path, tmp_path: Path) -> None:
    words = (tracked, masks.parent, "--task", "tracking", "-o", tmp_path / "out")
    well(lucyte("validate", *words))
    assert scores(tmp_path / "out")["DET"] == 1.0, "the masks are the truth's own"


def test_validate_without_anything_in_common(masks: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(masks / "man_track000.tif", tmp_path / "other" / "mask007.tif")
    said = lucyte("validate", tmp_path / "other", masks, "--task", "instance", "-o", tmp_path / "o")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"lucyte: {tmp_path / 'other'} and {masks} have no file name or number in common.\n"
    )


def test_validate_with_a_frame_missing(tracked: Path, masks: Path, tmp_path: Path) -> None:
    shutil.copytree(tracked, tmp_path / "short")
    (tmp_path / "short" / "mask001.tif").unlink()
    words = (tmp_path / "short", masks.parent, "--task", "tracking", "-o", tmp_path / "o")
    said = lucyte("validate", *words)
    assert (said.code, said.out) == (2, "")
    assert "no mask for frame 1" in said.err and said.err.count("\n") == 1


def test_validate_of_another_size(masks: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "mask000.tif", np.ones((9, 9), np.uint16))
    said = lucyte("validate", tmp_path, masks, "--task", "instance", "-o", tmp_path / "o")
    assert (said.code, said.out) == (2, "")
    assert "is (9, 9), its truth man_track000.tif is (160, 160)." in said.err


def test_validate_refuses_a_task_it_does_not_know(masks: Path, tmp_path: Path) -> None:
    said = lucyte("validate", masks, masks, "--task", "guessing", "-o", tmp_path / "o")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("lucyte: unknown task 'guessing'. Allowed: instance, ")


# report


def test_report_writes_the_same_report_again(home: Path) -> None:
    run = home / "run"
    before = (run / "report.html").read_text()
    known = json.loads((run / "provenance.json").read_text())
    (run / "report.html").unlink()
    well(lucyte("report", run))
    again = json.loads((run / "provenance.json").read_text())
    assert (run / "report.html").exists() and known["command"] in before
    assert again["command"] == known["command"], "the command that made the run stands"
    assert again["stages"]["fields"]["kept_from_before"] == 2


def test_report_of_a_folder_that_is_no_run(home: Path) -> None:
    said = lucyte("report", home / "plate")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"lucyte: {home / 'plate'}: holds no finished run; make one with: "
        f"lucyte run PLAN -o {home / 'plate'}\n"
    )
