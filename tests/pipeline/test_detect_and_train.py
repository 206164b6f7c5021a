"""``lucyte detect``, ``segment --model``, ``train`` and ``models`` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.cli import main
from lucyte.io.write_boxes import write_yolo_boxes
from worlds.tiny_onnx import bright_blocks, write


def run(*words: object) -> int:
    """The exit code of a command."""
    try:
        main([str(word) for word in words])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of discs with label images and boxes; image 5 is of nothing."""
    folder = tmp_path_factory.mktemp("annotated")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    y, x = np.mgrid[:128, :160]
    for k in range(6):
        rng = np.random.default_rng(k)
        labels = np.zeros((128, 160), np.uint16)
        for label, (cy, cx) in enumerate(rng.uniform(15, 113, (8, 2)), 1):
            labels[(np.hypot(y - cy, x - cx) < 9) & (labels == 0)] = label
        if k == 5:
            labels[:] = 0
        image = 100 + 1000 * (labels > 0) + rng.normal(0, 30, labels.shape)
        tifffile.imwrite(folder / "images" / f"f{k}.tif", np.clip(image, 0, None).astype(np.uint16))
        tifffile.imwrite(folder / "labels" / f"f{k}.tif", labels)
    return folder


def test_segment_with_the_shipped_nuclei(annotated, tmp_path, capsys):
    assert run("segment", annotated / "images", "-o", tmp_path, "--model", "nuclei", "-q") == 0
    table = pd.read_parquet(tmp_path / "objects.parquet")
    assert set(table["kind"]) == {"nucleus"} and table["score"].between(0.2, 1).all()
    found = tifffile.imread(tmp_path / "labels" / "f0.tif")
    truth = tifffile.imread(annotated / "labels" / "f0.tif")
    assert ((found > 0) == (truth > 0)).mean() > 0.97
    assert not tifffile.imread(tmp_path / "labels" / "f5.tif").any()
    assert (tmp_path / "overview.png").stat().st_size > 5000
    assert "overview.png" in capsys.readouterr().out


def test_detect_writes_boxes_in_px_of_the_image(annotated, tmp_path):
    words = ("detect", annotated / "images", "-o", tmp_path, "--model", "nuclei", "-q")
    assert run(*words) == 0
    table = pd.read_parquet(tmp_path / "boxes.parquet")
    assert {"image", "x0_px", "y0_px", "x1_px", "y1_px", "score"} <= set(table.columns)
    own = table[table["image"] == "f1.tif"]
    truth = tifffile.imread(annotated / "labels" / "f1.tif")
    assert len(own) >= 5
    middle = own[["y0_px", "y1_px"]].mean(axis=1), own[["x0_px", "x1_px"]].mean(axis=1)
    assert (truth[middle[0].astype(int), middle[1].astype(int)] > 0).mean() > 0.9


def test_detect_without_a_model_takes_the_classical_way(annotated, tmp_path):
    assert run("detect", annotated / "images" / "f0.tif", "-o", tmp_path, "-q") == 0
    table = pd.read_parquet(tmp_path / "boxes.parquet")
    assert len(table) >= 5 and table["score"].isna().all()


def test_detect_with_ones_own_yolo(tmp_path, annotated, capsys):
    model = write(tmp_path / "best.onnx", bright_blocks("v8"))
    out = tmp_path / "out"
    assert run("detect", annotated / "images" / "f0.tif", "-o", out, "--model", model, "-q") == 0
    assert "class" in pd.read_parquet(out / "boxes.parquet").columns
    words = ("detect", annotated / "images" / "f0.tif", "-o", out, "--model", model, "-q")
    assert run(*words, "--engine", "torch") == 2 and run(*words, "--tta") == 2
    shown = capsys.readouterr().err
    assert "runs in OpenVINO on the CPU" in shown and "(tta) are not for it" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "nuclie"), "unknown model 'nuclie', did you mean 'nuclei'?"),
        (("--model", "no/such/folder"), "is not there"),
        (("--model", "nuclei", "--channel", "GFP"), "unknown channel 'GFP'. Allowed: none."),
        (("--confidence", "0.5"), "--confidence is of a trained model"),
        (("--tta",), "--tta is of a trained model"),
        (("--model", "nuclei", "--engine", "tpu"), "unknown engine 'tpu'"),
        (("--model", "nuclei", "--device", "cuda"), "sees no GPU here"),
        (("--model", "cellular"), "looks at EGFP, mRFP, TL; the image has no named channels"),
    ],
)
def test_mistakes_are_one_line(words, told, annotated, tmp_path, capsys):
    code = run("segment", annotated / "images" / "f0.tif", "-o", tmp_path, "-q", *words)
    shown = capsys.readouterr().err
    assert code in (1, 2) and told in shown
    assert "Traceback" not in shown


def test_training_ends_in_a_model_that_can_be_used(annotated, tmp_path, capsys):
    model = tmp_path / "mine"
    words = ("--steps", 20, "--batch", 2, "--crop-px", 64, "--quiet")
    code = run("train", "segment", annotated, "-o", model, "--from", "nuclei", *words)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "unseen groups" in shown and "AP@0.5" in shown
    names = {path.name for path in model.iterdir()}
    assert {"model.json", "weights.safetensors", "validation.png", "training.png"} <= names
    card = json.loads((model / "model.json").read_text())["card"]
    assert card["metrics"]["AP@0.5"]["value"] > 0.6, "refining does not forget"
    assert not model.with_name("mine.training").exists(), "a later training starts anew"
    assert card["metrics"]["AP@0.5"]["low"] is None, "one image allows no interval"
    assert run("models", model, "--json") == 0
    facts = json.loads(capsys.readouterr().out)[str(model)]
    assert facts["channels"] == ["nucleus"] and facts["config"]["has_masks"]
    assert facts["config"]["finds"] == "nucleus", "refining keeps what it finds"
    out = tmp_path / "out"
    assert run("segment", annotated / "images", "-o", out, "--model", model, "-q") == 0


def test_boxes_train_the_same_network(annotated, tmp_path, capsys):
    data = tmp_path / "boxed"
    (data / "images").mkdir(parents=True)
    (data / "boxes").mkdir()
    for path in sorted((annotated / "images").iterdir())[:4]:
        (data / "images" / path.name).write_bytes(path.read_bytes())
        labels = tifffile.imread(annotated / "labels" / path.name)
        rows = []
        for k in np.unique(labels[labels > 0]):
            y, x = np.nonzero(labels == k)
            rows.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        write_yolo_boxes(data / "boxes" / f"{path.stem}.txt", np.array(rows, float), (128, 160))
    words = ("--steps", 6, "--batch", 2, "--crop-px", 64, "--quiet")
    assert run("train", "segment", data, "-o", tmp_path / "m", *words) == 2
    assert "segmenting is learned from masks" in capsys.readouterr().err
    assert run("train", "detect", data, "-o", tmp_path / "m", *words) == 0
    assert "mAP50" in capsys.readouterr().out
    config = json.loads((tmp_path / "m" / "model.json").read_text())["config"]
    assert config["has_masks"] is False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("paint",), "unknown command 'paint'"),
        (("segment", "--validation-groups", "f9"), "unknown group 'f9'"),
        (("segment", "--use", "GFP"), "GFP"),
        (("segment", "--loss", "dise=1"), "unknown loss 'dise'"),
        (("segment", "--loss", "votes"), "write NAME=NUMBER"),
        (("segment", "--validation", "1.5"), "a share between 0 and 1"),
    ],
)
def test_mistakes_in_training_are_one_line(words, told, annotated, tmp_path, capsys):
    code = run("train", words[0], annotated, "-o", tmp_path / "m", "--quiet", *words[1:])
    shown = capsys.readouterr().err
    assert code == 2 and told in shown, shown
    assert "Traceback" not in shown and not (tmp_path / "m").exists()


def test_models_tell_what_they_expect(capsys):
    assert run("models") == 0
    shown = capsys.readouterr().out
    for word in ("nuclei", "cellular", "EGFP, mRFP, TL", "CC0", "CC BY 4.0", "n =", "limit"):
        assert word in shown


def test_shipped_models_are_small_and_whole():
    from lucyte.networks.model_folder import read_folder
    from lucyte.networks.shipped import SHIPPED, model_path

    size = 0
    for row in SHIPPED:
        read_folder(model_path(row.name))
        size += sum(path.stat().st_size for path in model_path(row.name).iterdir())
    assert size < 20e6
