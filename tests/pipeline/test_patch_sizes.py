"""The same training at several patch sizes, from the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.cli import main


def run(*words: Any) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, four cultures each: fine grain or coarse; 2 planes of 96 px."""
    folder = tmp_path_factory.mktemp("stacks")
    rng = np.random.default_rng(0)
    for state, grain in (("fine", 2), ("coarse", 8)):
        (folder / state).mkdir()
        for culture in range(4):
            small = rng.poisson(40, (2, 96 // grain, 96 // grain))
            stack = small.repeat(grain, 1).repeat(grain, 2).astype(np.uint16)
            path = folder / state / f"culture{culture}.tif"
            tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


def test_a_curve_over_patch_sizes(
    stacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--group-regex", "(culture[0-9])", "--folds", 2, "--epochs", 1, "--quiet")
    out = tmp_path / "grid"
    assert run("train", "classify", stacks, "-o", out, "--patch-sizes", "32,48,200", *words) == 0
    told = capsys.readouterr().out
    assert "200 px  left out:" in told and "hold groups out to test it" in told
    table = pd.read_csv(out / "patch_sizes.csv")
    assert list(table["patch_px"]) == [32, 48]
    assert list(table["patches"]) == [8 * 2 * 9, 8 * 2 * 4]
    assert table["balanced_accuracy"].between(0, 1).all() and set(table["n"]) == {4}
    assert (out / "patch_sizes.png").is_file() and (out / "32px" / "model.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--patch-sizes", "350"), "needs two patch sizes or more"),
        (("--patch-sizes", "small,large"), "write sides in px"),
        (("--rotate-deg", "30"), "are of stacks; give --patch-px"),
    ],
)
def test_wrong_wishes(
    stacks: Path, tmp_path: Path, words: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "classify", stacks, "-o", tmp_path / "x", *words) == 2
    assert message in capsys.readouterr().err
