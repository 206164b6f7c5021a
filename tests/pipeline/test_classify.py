"""States by a network, through the commands: data in, a tested model and its answers out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.cli import main
from lucyte.networks.model_folder import read_folder
from lucyte.pipeline.fingerprint import hash_samples
from lucyte.schema.samples import Samples

SIDE = 32


def run(*words: Any) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def picture(state: str, rng: np.random.Generator) -> Any:
    """A disc (round) or a bar (long) in noise, two channels; the second tells nothing."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    inside = y**2 + x**2 < 60 if state == "round" else (abs(y) < 4) & (abs(x) < 12)
    light = rng.normal(100, 8, (2, SIDE, SIDE))
    light[0] += 120 * inside
    return np.clip(light, 0, None).astype(np.uint16)


def write_pictures(folder: Path, plates: int = 6, each: int = 8) -> Path:
    rng = np.random.default_rng(0)
    for state in ("round", "long"):
        (folder / state).mkdir(parents=True)
        for plate in range(plates):
            for k in range(each):
                path = folder / state / f"plate{plate}_{k}.tif"
                tifffile.imwrite(path, picture(state, rng), imagej=True, metadata={"axes": "CYX"})
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("classes") / "data")


@pytest.fixture(scope="module")
def model(pictures: Path) -> Path:
    out = pictures.parent / "model"
    words = ("--group-regex", "(plate[0-9]+)", "--folds", 3, "--epochs", 40, "--quiet")
    assert run("train", "classify", pictures, "-o", out, *words) == 0
    return out


def test_a_model_is_tested_on_groups_it_never_saw(model: Path) -> None:
    told = pd.read_csv(model / "predictions.csv")
    assert len(told) == 96 and set(told["fold"]) == {0, 1, 2}
    assert (told.groupby("group")["fold"].nunique() == 1).all()
    scores = pd.read_csv(model / "scores.csv").set_index(["fold", "score"])
    pooled = scores.loc[("pooled", "balanced_accuracy")]
    right = (told["truth"] == told["state"]).groupby(told["truth"]).mean().mean()
    assert pooled["value"] == pytest.approx(right) and right > 0.9
    assert pooled["n"] == 6
    card = read_folder(model).card
    assert card.metrics["balanced_accuracy"]["value"] == pytest.approx(right, abs=1e-4)
    assert "3 folds, whole groups held out" in card.split
    findings = {each["name"] for each in json.loads((model / "evidence.json").read_text())}
    assert {"data.duplicates", "data.border", "accuracy.classification"} <= findings
    page = (model / "report.html").read_text()
    assert "round" in page and "http" not in page.split("<body")[1].split("doi.org")[0]


def test_the_model_answers_new_pictures(model: Path, tmp_path: Path, capsys: Any) -> None:
    rng = np.random.default_rng(9)
    new = tmp_path / "new"
    new.mkdir()
    for k in range(6):
        state = ("round", "long")[k % 2]
        path = new / f"{state}_{k}.tif"
        tifffile.imwrite(path, picture(state, rng), imagej=True, metadata={"axes": "CYX"})
    assert run("classify", new, "--model", model, "-o", tmp_path / "out", "--quiet") == 0
    told = pd.read_parquet(tmp_path / "out" / "states.parquet")
    assert [name.split("_")[0] for name in told["image"]] == told["state"].tolist()
    assert told[["p_long", "p_round"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (tmp_path / "out" / "overview.png").stat().st_size > 1000
    assert "6 pictures: " in capsys.readouterr().out


def test_a_random_split_is_marked_everywhere(pictures: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "leaky"
    words = ("--allow-leakage", "--folds", 2, "--epochs", 1, "--quiet")
    assert run("train", "classify", pictures, "-o", out, *words) == 0
    assert "--allow-leakage" in capsys.readouterr().out
    card = read_folder(out).card
    assert "random split" in card.split and any("random" in each for each in card.limits)
    assert "random" in (out / "report.html").read_text()


def test_fusion_is_compared_under_one_protocol(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    words = ("--group-regex", "(plate[0-9]+)", "--folds", 2, "--epochs", 2, "--compare", "--quiet")
    assert run("train", "classify", pictures, "-o", out, *words) == 0
    table = pd.read_csv(out / "comparison.csv")
    assert {"single", "early", "intermediate", "late"} <= {f.split(":")[0] for f in table["form"]}
    assert (table["n"] == 6).all()


MISTAKES = [
    (("--group-regex", "(nothing)"), "nothing"),
    (("--group-regex", "(plate)[0-9]"), "group"),
    (("--encoder", "resnet51"), "unknown encoder 'resnet51'"),
    (("--form", "single:GFP"), "GFP"),
    (("--patch-overlap", "0.5"), "give --patch-px"),
    (("--fit", "squeeze"), "unknown fit 'squeeze'"),
    (("--group-regex", "(plate[0-9]+)", "--folds", "9"), "9"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_mistakes_are_one_line(
    pictures: Path, tmp_path: Path, capsys: Any, words: tuple[str, ...], told: str
) -> None:
    code = run("train", "classify", pictures, "-o", tmp_path / "m", "--quiet", *words)
    shown = capsys.readouterr().err
    assert code == 2 and told in shown and shown.count("\n") == 1, shown
    assert not (tmp_path / "m").exists()


def test_other_channels_and_other_models_are_refused(
    model: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "grey").mkdir()
    tifffile.imwrite(tmp_path / "grey" / "a.tif", np.zeros((SIDE, SIDE), np.uint16))
    assert run("classify", tmp_path / "grey", "--model", model, "-o", tmp_path / "o", "-q") == 2
    assert "Map names with --channels" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_cells_of_a_run_are_learned_from(lean: Path, tmp_path: Path, capsys: Any) -> None:
    words = ("--folds", 2, "--epochs", 1, "--side-px", 48, "--quiet")
    assert run("train", "classify", lean, "-o", tmp_path / "m", *words) == 0
    told = pd.read_csv(tmp_path / "m" / "predictions.csv")
    objects = pd.read_parquet(lean / "objects.parquet").set_index("object_id")
    mine = objects.loc[told["image"]]
    assert (mine["condition"].to_numpy() == told["truth"].to_numpy()).all()
    assert told["group"].nunique() == mine["well"].nunique()
    stored = read_folder(tmp_path / "m")
    assert stored.input_px == 48 and stored.channels == ("EGFP", "mRFP", "TL")


def test_groups_that_are_held_out_are_not_compared_on(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "held"
    words = ("--group-regex", "(plate[0-9]+)", "--folds", 2, "--epochs", 1, "--compare", "--quiet")
    assert run("train", "classify", pictures, "-o", out, *words, "--held-out", "plate5") == 0
    assert (pd.read_csv(out / "comparison.csv")["n"] == 5).all()
    told = pd.read_csv(out / "predictions.csv")
    assert set(told.loc[told["fold"] < 0, "group"]) == {"plate5"}


def test_the_hash_of_the_data_sees_every_pixel_and_label() -> None:
    images = np.zeros((3, 1, 4, 4), np.uint16)
    names = ("a", "b", "c")
    plain = Samples(images, ("DNA",), names, ("x", "y", "x"), names)
    lit = images.copy()
    lit[2, 0, 3, 3] = 1
    others = [replace(plain, images=lit), replace(plain, labels=("x", "y", "y"))]
    assert hash_samples(plain) == hash_samples(replace(plain, images=images.copy()))
    assert hash_samples(plain) not in [hash_samples(each) for each in others]
