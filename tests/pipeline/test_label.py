"""``lucyte label`` from the first start to labels that training reads."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.io.labelled import SampleOptions, read_samples
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.pipeline import label as module
from lucyte.pipeline.label import Labelled, LabelRequest, label
from lucyte.pipeline.label_answers import AnswerLog
from lucyte.pipeline.label_sample import choose_cells
from lucyte.pipeline.label_session import Session, Showing
from lucyte.schema.errors import InputError, UsageError
from worlds.label_runs import WELLS, lucyte_start, opened, write_images, write_run

Judge = Callable[[Showing], tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def sit(monkeypatch: pytest.MonkeyPatch, judge: Judge | None, **asked: Any) -> Labelled:
    """One sitting in which ``judge`` answers every picture; none where it is None."""

    def serve(request: object, session: Session, pictures: object, say: object) -> None:
        for each in session.row if judge else ():
            assert judge is not None
            session.answer(each.key, *judge(each), seconds=1.5)

    monkeypatch.setattr(module, "_serve", serve)
    return label(LabelRequest(quiet=True, **asked), lambda line: None)


def by_well(shown: Showing) -> tuple[str, str]:
    """What the cells are."""
    return ("fed" if shown.item.levels["well"] < "G" else "starved", "")


def sloppy(shown: Showing) -> tuple[str, str]:
    """The same, but for one cell of each well, which is unknown."""
    return ("unknown", "clumped") if shown.item.object_id.endswith("/1") else by_well(shown)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_two_annotators_disagree_and_settle_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = run / "labels"
    first = sit(monkeypatch, by_well, data=run, annotator="anna", sample=0)
    assert first.summary.splitlines()[0] == (
        "anna has labelled 79 of 79 pictures (0 unknown), 1.5 s each."
    )
    assert "anna, same pictures twice: kappa 1" in first.summary
    assert first.next_command == f"lucyte label {run} --annotator SECOND"
    second = sit(monkeypatch, sloppy, data=run, annotator="ben", sample=0)
    assert second.next_command == f"lucyte label {run} --adjudicate"
    # 64 of 72 alike; chance is (32 x 36 + 32 x 36) / 72^2 = 4/9, so kappa is (8/9 - 4/9) / (5/9)
    assert "anna and ben: kappa 0.8 (" in second.summary
    assert "89 % alike, 72 pictures in 8 wells." in second.summary
    assert "Apart on 8; most often anna says starved and ben unknown (4)." in second.summary
    told = json.loads((labels / "agreement.json").read_text())
    pair = next(each for each in told["pairs"] if each["first"] != each["second"])
    assert pair["confusion"] == [[32, 0, 4], [0, 32, 4], [0, 0, 0]]
    assert pair["kappa"]["n"] == 8
    assert pair["kappa"]["method"] == "jackknife t over units"
    assert {each["verdict"] for each in told["findings"]} <= {"pass", "fail", "inconclusive"}
    apart = rows(labels / "disagreements.csv")
    assert len(apart) == 8
    assert apart[0]["ben"] == "unknown (clumped)"
    assert len(rows(labels / "labels.csv")) == 64

    def settle(shown: Showing) -> tuple[str, str]:
        assert "unknown" in shown.said
        return ("unknown", "clumped") if shown.item.levels["well"] == "C03" else by_well(shown)

    done = sit(monkeypatch, settle, data=run, adjudicate=True)
    assert done.summary.startswith("Settled 8 of 8 disagreements.")
    assert done.next_command == f"lucyte train classify {labels / 'labels.csv'} -o model"
    final = rows(labels / "labels.csv")
    assert list(final[0]) == [
        "object_id", "image", "mask", "state", "reason", "group",
        "plate", "day", "well", "site", "time_index", "annotators", "adjudicated",
    ]  # fmt: skip
    assert len(final) == 72
    assert sum(each["adjudicated"] == "yes" for each in final) == 8
    unknown = [each for each in final if each["state"] == "unknown"]
    assert [(each["well"], each["reason"]) for each in unknown] == [("C03", "clumped")]
    assert {each["annotators"] for each in final} == {"anna;ben"}
    assert "secret" not in (labels / "labels.csv").read_text()


def test_labels_are_data_that_training_reads(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sit(monkeypatch, sloppy, data=run, annotator="anna", sample=0)
    read = read_samples(run / "labels" / "labels.csv", SampleOptions())
    samples = read.samples
    assert samples.classes == ("fed", "starved", "unknown")
    assert samples.channels == ("EGFP", "mRFP")
    assert samples.grouped
    assert set(samples.groups) == {f"260101-ST/{well}" for well in WELLS}
    assert set(samples.levels) >= {"plate", "well", "site"}
    assert samples.masks is not None
    assert samples.masks[:, 24, 24].all(), "the cell is not in the middle"
    inside = samples.images[:, :, 24, 24]
    fed = np.array(samples.labels) == "fed"
    assert (inside[fed, 0] > inside[fed, 1]).all()


def test_a_sample_takes_wells_evenly_and_a_followed_cell_once() -> None:
    table = pd.DataFrame({
        "object_id": [f"{k}" for k in range(400)],
        "field_id": "f",
        "group": ["A"] * 340 + ["B"] * 40 + ["C"] * 20,
        "track_id": [k // 2 for k in range(400)],
        "border": [k == 0 for k in range(400)],
    })  # fmt: skip
    chosen, near = choose_cells(table, 60, 0)
    assert near == 1
    assert chosen["group"].value_counts().to_dict() == {"A": 30, "B": 20, "C": 10}
    assert chosen["track_id"].is_unique
    more, _ = choose_cells(table, 250, 0)
    assert len(more) == 250
    assert more["track_id"].nunique() == 200, "some were taken twice before all were taken once"
    assert "0" not in set(more["object_id"])
    again, _ = choose_cells(table, 60, 0)
    other, _ = choose_cells(table, 60, 1)
    assert list(again["object_id"]) == list(chosen["object_id"]) != list(other["object_id"])


def test_a_restart_goes_on_and_what_was_settled_stays(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sit(monkeypatch, None, data=run, annotator="anna", sample=24, classes=("fed", "starved"))
    sample = (run / "labels" / "sample.csv").read_bytes()
    wells = [each["well"] for each in rows(run / "labels" / "sample.csv")]
    assert {wells.count(well) for well in WELLS} == {3}
    with pytest.raises(UsageError, match=r"begun with 24, and a sample stays.*leave --sample out"):
        sit(monkeypatch, None, data=run, annotator="anna", sample=10)
    with pytest.raises(UsageError, match="--seed: labels were begun with 0"):
        sit(monkeypatch, None, data=run, annotator="anna", seed=3)
    with pytest.raises(UsageError, match="'starved' is missing"):
        sit(monkeypatch, None, data=run, annotator="anna", classes=("fed", "dead"))
    with pytest.raises(UsageError, match="there is a 'anna'; write it so"):
        sit(monkeypatch, None, data=run, annotator="Anna")
    sit(monkeypatch, by_well, data=run, annotator="anna", classes=("fed", "starved", "dead cell"))
    told = json.loads((run / "labels" / "labels.json").read_text())
    assert told["classes"] == ["fed", "starved", "dead cell"]
    assert (run / "labels" / "sample.csv").read_bytes() == sample


def test_a_first_start_that_was_killed_begins_anew(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = run / "labels" / "crops"
    left.mkdir(parents=True)
    (left / "0001.tif").write_bytes(b"half")
    (run / "labels" / "lock").touch()
    sit(monkeypatch, by_well, data=run, annotator="anna", sample=8)
    assert tifffile.imread(left / "0001.tif").shape == (2, 48, 48)


def test_images_are_labelled_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_images(tmp_path)
    said: list[str] = []
    monkeypatch.setattr(module, "_serve", lambda *_: None)
    with pytest.raises(UsageError, match="say which states to tell apart"):
        label(LabelRequest(data=root, annotator="anna", quiet=True), said.append)
    asked = LabelRequest(data=root, annotator="anna", classes=("round", "long"), quiet=True)
    label(asked, said.append)
    assert any("broken.tif" in line and "Left out." in line for line in said)

    def judge(shown: Showing) -> tuple[str, str]:
        return ("round", "") if "control" in shown.item.object_id else ("long", "")

    done = sit(monkeypatch, judge, data=root, annotator="anna")
    assert "6 of 6 pictures" in done.summary
    found = rows(root / "labels" / "labels.csv")
    assert {each["image"] for each in found} == {
        f"../{'treated' if k % 2 else 'control'}/img {k}.tif" for k in range(6)
    }
    samples = read_samples(root / "labels" / "labels.csv", SampleOptions()).samples
    assert samples.classes == ("long", "round")
    with pytest.raises(UsageError, match="holds labels; give what is labelled"):
        label(LabelRequest(data=root / "labels", annotator="anna"), said.append)


@pytest.mark.parametrize(
    ("spoil", "asked", "said"),
    [
        (lambda run: shutil.rmtree(run), {}, "is neither a run nor images: no such file"),
        (lambda run: (run / "objects.parquet").unlink(), {}, "holds no finished run"),
        (
            lambda run: write_parquet(
                read_parquet(run / "objects.parquet").iloc[:0], run / "objects.parquet"
            ),
            {},
            "holds no cells, so there is nothing to label",
        ),
        (lambda run: shutil.rmtree(run / "images"), {}, "no such file or folder"),
        (
            lambda run: [p.write_bytes(p.read_bytes()[:400]) for p in run.glob("images/*.tif")],
            {},
            "no field can be read",
        ),
        (lambda run: None, {"classes": ("fed",)}, "name 2 to 9"),
        (lambda run: None, {"annotator": "a/b"}, "letters, digits, - and _"),
        (lambda run: None, {"sample": -1}, "0 .all. or more"),
        (lambda run: None, {"adjudicate": True}, "holds no labels yet"),
        (lambda run: None, {"agreement": True}, "holds no labels yet"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_begun(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    asked: dict[str, Any],
    said: str,
) -> None:
    spoil(run)
    with pytest.raises((UsageError, InputError), match=said) as error:
        sit(monkeypatch, None, **{"data": run, "annotator": "anna", **asked})
    assert "\n" not in str(error.value)
    assert not (run / "labels" / "labels.json").exists()
    assert not list(run.glob("labels/crops"))


def test_a_damaged_image_costs_its_cells_and_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = min((run / "images").iterdir())
    path.write_bytes(path.read_bytes()[:9000])
    said: list[str] = []
    monkeypatch.setattr(module, "_serve", lambda *_: None)
    label(LabelRequest(data=run, annotator="anna", sample=0, quiet=True), said.append)
    assert "10 cells are left out: their images cannot be read." in said
    assert "7 cells nearer than 24 px to the border are never shown." in said
    assert len(rows(run / "labels" / "sample.csv")) == 63


def test_a_run_without_states_asks_for_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path, states=False)
    with pytest.raises(UsageError, match="say which states to tell apart"):
        sit(monkeypatch, None, data=run, annotator="anna")


def test_one_annotator_has_nothing_to_settle(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sit(monkeypatch, by_well, data=run, annotator="anna", sample=8)
    with pytest.raises(UsageError, match="adjudication needs two annotators; so far: anna"):
        sit(monkeypatch, None, data=run, adjudicate=True)
    alone = sit(monkeypatch, None, data=run, agreement=True)
    assert alone.summary.startswith("Only anna has labelled so far.")
    sit(monkeypatch, by_well, data=run, annotator="ben")
    same = sit(monkeypatch, None, data=run, adjudicate=True)
    assert same.summary.startswith("Nothing to settle: all agree.")


def test_a_run_that_was_done_again_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sit(monkeypatch, None, data=run, annotator="anna", sample=8)
    table = read_parquet(run / "objects.parquet")
    write_parquet(table.assign(x0_px=table["x0_px"] + 1), run / "objects.parquet")
    said: list[str] = []
    label(LabelRequest(data=run, annotator="anna", quiet=True), said.append)
    assert "8 of 8 cells are not in the run any more as they were cut out." in said


# the command


def send(address: str, name: str, body: dict[str, Any] | None = None) -> Any:
    parts = urlsplit(address)
    http = HTTPConnection(parts.netloc, timeout=60)
    data = None if body is None else json.dumps(body)
    http.request("GET" if body is None else "POST", f"{parts.path}{name}", data,
                 {"Content-Type": "application/json"})  # fmt: skip
    return json.loads(http.getresponse().read())


def test_ctrl_c_ends_with_what_was_done_and_a_kill_loses_nothing(run: Path) -> None:
    process = lucyte_start("label", run, "--annotator", "anna", "--sample", 8, "--quiet")
    address = opened(process)
    key = send(address, "session")["row"][0]["key"]
    send(address, "answer", {"key": key, "state": "fed", "seconds": 1})
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with AnswerLog(run / "labels" / "anna.csv") as log:
        assert [each.state for each in log.answers.values()] == ["fed"]
    process = lucyte_start("label", run, "--annotator", "anna", "--quiet")
    row = send(opened(process), "session")["row"]
    assert [each["state"] for each in row] == ["fed", *[None] * 7]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    assert "anna has labelled 1 of 8 pictures (0 unknown), 1.0 s each." in out
    assert out.splitlines()[-1] == f"Next: lucyte label {run} --annotator anna"
