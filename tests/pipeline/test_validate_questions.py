"""``lucyte validate`` beyond scores: what is recommended, read out, compared, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.pipeline.validate import Question, validate_files
from lucyte.schema.errors import LucyteError, UsageError

NAMES = [f"{condition}_{k}" for k in range(4) for condition in ("fed", "starved")]


def squares(count: int, side: int = 12, moved: int = 0) -> np.ndarray:
    """So many squares apart from each other, the later ones moved."""
    labels = np.zeros((100, 120), np.uint16)
    for k in range(count):
        y, x = 4 + 24 * (k // 5), 4 + 22 * (k % 5) + (moved if k else 0)
        labels[y : y + side, x : x + side] = k + 1
    return labels


def write(folder: Path, counts: list[int], **how: int) -> Path:
    folder.mkdir()
    for name, count in zip(NAMES, counts, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", squares(count, **how))
    return folder


TRUE = [5, 11, 6, 12, 5, 13, 6, 12]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path / "truth", TRUE)


def findings(out: Path) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads((out / "evidence.json").read_text())}


def ask(**more: Any) -> Question:
    return Question(**more)


# objects


def test_the_answer_comes_first_then_what_fits(truth: Path, tmp_path: Path) -> None:
    found, out = write(tmp_path / "found", TRUE, moved=3), tmp_path / "out"
    lines = validate_files(found, truth, "instance", out).splitlines()
    assert lines[0].startswith("F1@0.5 is 1.00 (0.59 to 1.00, 8 images)")
    assert lines[1] == "Mean over 8 images (instance), n = 8 images:"
    shown = [line.split()[0] for line in lines[3:10]]
    assert shown == ["F1@0.5", "recall@0.5", "precision@0.5", "PQ", "SQ", "object_NSD",
                     "object_HD95_px"]  # fmt: skip
    assert "more in evidence.json; --metric NAME shows one." in lines[10]
    details = findings(out)["accuracy.F1@0.5"]["details"]
    assert details["fingerprint"]["category"] == "instance segmentation"
    assert {row["pool"] for row in details["recommended"]} == {"S3", "S6", "S7", "S8", "S9"}
    assert details["said"] == []
    assert not (out / "agreement.png").exists()


def test_a_metric_that_fits_badly_is_computed_and_said(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = validate_files(
        truth, truth, "instance", out, at_least=0.5, question=ask(metrics=("SEG", "Dice"))
    )
    lines = text.splitlines()
    assert lines[0].startswith("SEG is 1.00")
    assert lines[1].startswith("SEG fits badly here: it looks at true objects only")
    assert lines[2].startswith("Dice fits badly here: it counts pixels")
    told = findings(out)
    assert (told["accuracy.SEG"]["verdict"], told["accuracy.Dice"]["statistic"]) == ("pass", 1.0)
    assert set(told["accuracy.SEG"]["details"]["warnings"]) == {"SEG", "Dice"}


def test_a_fingerprint_changes_what_is_shown(truth: Path, tmp_path: Path) -> None:
    said = tmp_path / "f.toml"
    said.write_text("volume_matters = true\nboundaries_matter = false\n")
    text = validate_files(
        truth, truth, "instance", tmp_path / "out", question=ask(fingerprint=said)
    )
    assert "area_error" in text and "object_NSD" not in text
    assert "area is the readout" in text


def test_a_score_that_is_not_defined_says_why(tmp_path: Path) -> None:
    truth, found = write(tmp_path / "truth", TRUE), write(tmp_path / "found", [0] * 8)
    text = validate_files(found, truth, "instance", tmp_path / "out")
    assert "SQ              higher  not defined: it needs a pair at IoU over 0.5" in text
    row = findings(tmp_path / "out")["accuracy.F1@0.5"]["details"]["summary"]["SQ"]
    assert row["pooled"] is None and "mean" not in row


def test_predictions_of_other_images_are_noticed(truth: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    for name in NAMES:
        moved = np.roll(squares(1), 60, axis=0)
        tifffile.imwrite(found / f"{name}.tif", moved)
    for name, count in zip(NAMES, [1] * 8, strict=True):
        tifffile.imwrite(truth / f"{name}.tif", squares(count))
    text = validate_files(found, truth, "instance", tmp_path / "out")
    assert "Mind:\n  - Prediction and truth do not overlap in any image." in text


def test_counts_areas_and_whether_the_conclusion_survives(truth: Path, tmp_path: Path) -> None:
    found, out = write(tmp_path / "found", [c - 1 for c in TRUE], side=13), tmp_path / "out"
    how = ask(readouts=("count", "area"), condition_regex="^[a-z]+")
    text = validate_files(found, truth, "instance", out, question=how)
    told = findings(out)
    count = told["accuracy.readout.count"]
    assert (count["statistic"], count["n"]) == (-1.0, 8)
    assert "Objects per image: 1 too low on average" in text
    assert told["accuracy.readout.area"]["statistic"] == 13**2 - 12**2
    assert told["accuracy.conclusion.count"]["verdict"] == "pass"
    assert told["accuracy.conclusion.count"]["details"]["conditions"] == ["fed", "starved"]
    assert told["accuracy.conclusion.area"]["verdict"] == "inconclusive"
    assert (out / "agreement.png").read_bytes()[:4] == b"\x89PNG"


def test_conditions_from_a_table(truth: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"image": [f"{n}.tif" for n in NAMES], "condition": ["a", "b"] * 4})
    path, out = tmp_path / "c.csv", tmp_path / "out"
    table.to_csv(path, index=False)
    how = ask(readouts=("count",), conditions=path)
    validate_files(truth, truth, "instance", out, question=how)
    assert findings(out)["accuracy.conclusion"]["details"]["conditions"] == ["a", "b"]
    table[1:].to_csv(path, index=False)
    with pytest.raises(LucyteError, match=r"says nothing of 1 images .* Add a row for each"):
        validate_files(truth, truth, "instance", out, question=how)


def test_two_predictions_of_the_same_images(truth: Path, tmp_path: Path) -> None:
    good, poor = write(tmp_path / "good", TRUE), write(tmp_path / "poor", [c - 1 for c in TRUE])
    out = tmp_path / "out"
    text = validate_files(good, truth, "instance", out, question=ask(against=poor))
    told = findings(out)["accuracy.paired.F1@0.5"]
    assert (told["verdict"], told["n"]) == ("pass", 8)
    assert told["details"]["p"] == pytest.approx(2 / 2**8)
    gaps = [1 - 2 * (c - 1) / (2 * c - 1) for c in TRUE]
    assert told["statistic"] == pytest.approx(np.mean(gaps))
    assert "the prediction is better." in text
    (poor / "fed_0.tif").unlink()
    text = validate_files(good, truth, "instance", out, question=ask(against=poor, metrics=("PQ",)))
    assert findings(out)["accuracy.paired.PQ"]["n"] == 7
    assert "1 images that only the first prediction has was left out: fed_0." in text


def sequence(folder: Path, step: int) -> Path:
    """Three frames of two cells, one of which moves, as the Cell Tracking Challenge writes them."""
    for part in ("TRA", "SEG"):
        (folder / part).mkdir(parents=True)
    for t in range(3):
        labels = np.zeros((60, 60), np.uint16)
        labels[5:15, 5:15] = 1
        labels[30:40, 5 + step * t : 15 + step * t] = 2
        tifffile.imwrite(folder / "TRA" / f"man_track{t:03d}.tif", labels)
        tifffile.imwrite(folder / "SEG" / f"man_seg{t:03d}.tif", labels)
    (folder / "TRA" / "man_track.txt").write_text("1 0 2 0\n2 0 2 0\n")
    return folder


def test_frames_of_a_sequence_are_not_independent(tmp_path: Path) -> None:
    truth = sequence(tmp_path / "01_GT", 3)
    text = validate_files(truth / "SEG", truth, "instance", tmp_path / "out")
    assert "n = 1 group:" in text
    assert "The frames of 01_GT are one sequence and not independent, so n = 1." in text


def test_speed_of_tracks(tmp_path: Path) -> None:
    truth, mine = sequence(tmp_path / "01_GT", 3), sequence(tmp_path / "mine", 2)
    how = ask(readouts=("speed",))
    text = validate_files(mine / "TRA", truth, "tracking", tmp_path / "out", question=how)
    told = findings(tmp_path / "out")["accuracy.readout.speed"]
    assert (told["statistic"], told["n"], told["unit"]) == (-0.5, 1, "sequence")
    assert told["details"]["mean_truth"] == 1.5
    assert "0.5 px per frame too low on average, 33% of 1.5 px per frame" in text
    with pytest.raises(UsageError, match="--task tracking scores one sequence"):
        validate_files(
            mine, truth, "tracking", tmp_path / "out", question=ask(against=truth / "TRA")
        )


# boxes


def boxes(truth: Path, path: Path, scores: tuple[float, float], made_up: int) -> Path:
    rows = []
    for file in sorted(truth.glob("*.tif")):
        labels = tifffile.imread(file)
        for k in np.unique(labels)[1:]:
            y, x = np.nonzero(labels == k)
            rows.append((file.name, x.min(), y.min(), x.max() + 1, y.max() + 1, scores[0]))
        rows += [(file.name, 100, 80, 118, 98, scores[1])] * made_up
    columns = ["image", "x0_px", "y0_px", "x1_px", "y1_px", "score"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_detectors_with_other_scales_are_compared(truth: Path, tmp_path: Path) -> None:
    sure = boxes(truth, tmp_path / "a.csv", (0.9, 0.1), 2)
    unsure = boxes(truth, tmp_path / "b.csv", (0.01, 0.02), 2)
    said, out = tmp_path / "f.toml", tmp_path / "out"
    said.write_text("alarms_per_image = 0\n")
    text = validate_files(
        sure, truth, "detection", out,
        question=ask(metrics=("mAP50",), against=unsure, fingerprint=said, readouts=("count",)),
    )  # fmt: skip
    told = findings(out)
    paired = told["accuracy.paired.mAP50"]
    assert paired["verdict"] == "pass" and paired["details"]["first"] == 1.0
    assert paired["details"]["second"] < 0.9
    assert told["accuracy.readout.count"]["statistic"] == 2
    assert "sensitivity_at_alarms" in text
    summary = told["accuracy.mAP50"]["details"]["summary"]
    assert summary["sensitivity_at_alarms"]["pooled"] == 1.0
    assert "share their score with another" in text


# states


def tables(folder: Path, n: int = 240) -> tuple[Path, Path, Path]:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(n) < 0.15, "mitosis", "interphase")
    names = [f"o{k}" for k in range(n)]
    for name, gain in (("good", 2.0), ("poor", 0.6)):
        p = 1 / (1 + np.exp(-(rng.normal(0, 1, n) + np.where(truth == "mitosis", gain, -1.0))))
        table = pd.DataFrame(
            {"object_id": names, "state": np.where(p > 0.5, *np.unique(truth)[::-1])}
        )
        table["p_interphase"], table["p_mitosis"], table["spots_count_RFP"] = 1 - p, p, 3
        table.to_csv(folder / f"{name}.csv", index=False)
    wells = [f"W{k % 12:02d}" for k in range(n)]
    held = pd.DataFrame({"object_id": names, "state": truth, "well": wells, "spots_count_RFP": 2})
    held["condition"] = np.where(np.arange(n) % 12 < 6, "fed", "starved")
    held.to_csv(folder / "true.csv", index=False)
    return folder / "good.csv", folder / "poor.csv", folder / "true.csv"


def test_accuracy_of_rare_classes_is_given_and_warned_of(tmp_path: Path) -> None:
    good, _, true = tables(tmp_path)
    out = tmp_path / "out"
    text = validate_files(
        good, true, "classification", out, at_least=0.5, question=ask(metrics=("accuracy",))
    )
    lines = text.splitlines()
    assert lines[0].startswith("accuracy is 0.8")
    assert lines[1].startswith("accuracy fits badly here: 8")
    assert "whoever answers interphase to everything reaches an accuracy of 0.8" in lines[1]
    told = findings(out)["accuracy.accuracy"]
    assert (told["verdict"], told["n"]) == ("pass", 12)
    assert told["low"] < told["statistic"] < told["high"]
    assert "balanced_accuracy" in text and "Over 240 objects (classification), each" in text


def test_costs_shares_spots_and_another_model(tmp_path: Path) -> None:
    good, poor, true = tables(tmp_path)
    costs, out = tmp_path / "costs.csv", tmp_path / "out"
    costs.write_text("truth,mitosis,interphase\nmitosis,0,10\ninterphase,1,0\n")
    how = ask(costs=costs, against=poor, readouts=("fraction:mitosis", "spots"), metrics=("auroc",))
    text = validate_files(good, true, "classification", out, question=how)
    told = findings(out)
    assert told["accuracy.expected_cost"]["details"]["costs"] == [[0, 1], [10, 0]]
    assert "answering mitosis to everything costs" in text
    assert "one acts from a probability of 0.091 on" in text
    assert told["accuracy.paired.auroc"]["verdict"] == "pass"
    assert told["accuracy.readout.spots"]["statistic"] == 1.0
    table, held = pd.read_csv(good), pd.read_csv(true)
    both = held.merge(table, on="object_id")
    gap = (both["state_y"] == "mitosis").astype(float) - (both["state_x"] == "mitosis")
    share = told["accuracy.readout.fraction:mitosis"]["statistic"]
    assert share == pytest.approx(gap.groupby(both["well"]).mean().mean())
    assert "accuracy.conclusion.spots" in told


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"metrics": ("acuracy",)}, "unknown metric 'acuracy', did you mean 'accuracy'"),
        (
            {"readouts": ("cont",)},
            "unknown readout of --task classification 'cont'. Allowed: spots",
        ),
        ({"readouts": ("fraction:dead",)}, "unknown state 'dead'. Allowed: interphase, mitosis"),
        ({"readouts": ("column:size",)}, "unknown column of numbers in both tables 'size'"),
        ({"within": 2.0}, "need --readout"),
        ({"within": 2.0, "readouts": ("spots", "fraction:mitosis")}, "one --readout at a time"),
        (
            {"costs": "a,b\n1,2\n"},
            "Give a CSV with a row and a column for each of interphase, mito",
        ),
        ({"costs": "t,interphase,mitosis\ninterphase,0,-1\nmitosis,1,0\n"}, "at least 0"),
        ({"fingerprint": "small = true"}, "unknown fingerprint field 'small'"),
        ({"fingerprint": "small"}, "is not valid TOML"),
        ({"against": "missing.csv"}, "missing.csv: no such file"),
    ],
)
def test_what_cannot_be_asked(how: dict[str, Any], told: str, tmp_path: Path) -> None:
    good, _, true = tables(tmp_path)
    for name in ("costs", "fingerprint"):
        if name in how:
            (tmp_path / name).write_text(how[name])
            how = how | {name: tmp_path / name}
    if "against" in how:
        how = how | {"against": tmp_path / how["against"]}
    with pytest.raises(LucyteError, match=told.replace("(", r"\(")) as caught:
        validate_files(good, true, "classification", tmp_path / "out", question=ask(**how))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["alive", "dead", "dead"], "the states have no name in common: alive, dead in"),
        (
            ["Fed", "starved", "fed"],
            "'Fed' and 'fed' differ in case only. Give the classes the same",
        ),
    ],
)
def test_other_class_names_are_refused(said: list[str], told: str, tmp_path: Path) -> None:
    for name, state in (("mine", said), ("true", ["fed", "starved", "fed"])):
        table = pd.DataFrame({"image": ["a", "b", "c"], "state": state})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(UsageError, match=told):
        validate_files(
            tmp_path / "mine.csv", tmp_path / "true.csv", "classification", tmp_path / "out"
        )


def test_a_state_that_is_never_true_is_said(tmp_path: Path) -> None:
    for name, state in (("mine", ["fed", "dead", "fed"]), ("true", ["fed", "starved", "fed"])):
        table = pd.DataFrame({"image": ["a", "b", "c"], "state": state})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    text = validate_files(
        tmp_path / "mine.csv", tmp_path / "true.csv", "classification", tmp_path / "out"
    )
    assert "1 answers name a state that is never true: dead." in text
    assert "With 3 images there is no interval: 6 are needed" in text


def test_a_share_needs_groups_and_tracks_no_second_prediction(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["a", "b"], "state": ["fed", "starved"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    one = tmp_path / "t.csv"
    with pytest.raises(UsageError, match=r"needs several images in a unit, .* Give --group-regex"):
        validate_files(one, one, "classification", tmp_path / "out",
                       question=ask(readouts=("fraction:fed",)))  # fmt: skip
    with pytest.raises(UsageError, match="--costs are for --task classification, not instance"):
        truth = write(tmp_path / "truth", TRUE)
        validate_files(truth, truth, "instance", tmp_path / "out", question=ask(costs=one))
