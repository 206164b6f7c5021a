"""The examples run as they stand and stay short."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def main_of(name: str) -> Any:
    """The main function of an example."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_examples_are_short_and_all_executed_here() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"simulate_and_run", "read_a_run", "twin"}
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 40, path.name


@pytest.mark.slow
def test_a_plate_becomes_a_report_and_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_of("simulate_and_run")(str(tmp_path / "example"))
    told = capsys.readouterr().out
    assert "4 fields of channels EGFP, mRFP, TL" in told
    assert "report.html" in told
    run = tmp_path / "example" / "run"
    assert (run / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    main_of("read_a_run")(str(run))
    read = capsys.readouterr().out
    assert "starved" in read and "C03" in read
    assert "Is it the cells that tell fed from starved" in read
    assert "(4 wells)" in read
    check_columns(run, (ROOT / "docs" / "files.md").read_text("utf-8"))


def check_columns(run: Path, page: str) -> None:
    """Every column and file that the run wrote is on the page about files."""
    import pandas as pd

    from lucyte.measure.columns import parse
    from lucyte.schema.objects import BOX, OBJECT_IDENTITY

    objects = list(pd.read_parquet(run / "objects.parquet").columns)
    assert objects[: len(OBJECT_IDENTITY) + 4] == [*OBJECT_IDENTITY, *BOX]
    added = ["state", "margin", "fold", "p_fed", "p_starved", "track_id", "parent_track_id"]
    added += ["flag_border", "flag_saturated", "flag_out_of_focus"]
    assert objects[-10:] == added
    strange = [c for c in objects[len(OBJECT_IDENTITY) + 4 : -10] if parse(c) is None]
    assert strange == []
    for path in sorted(run.iterdir()):
        assert path.name in page, path.name


def test_a_twin_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np
    from PIL import Image

    out = tmp_path / "twin.png"
    main_of("twin")(str(out))
    assert f"Wrote {out}" in capsys.readouterr().out
    with Image.open(out) as picture:
        fed, starved, changed = np.split(np.asarray(picture).astype(int), 3, axis=1)
    assert (fed != starved).any()
    same = np.abs(fed - starved).max(axis=2) == 0
    assert same.mean() > 0.5, "the twins share noise and surroundings"
    assert changed[same].mean() < changed[~same].mean()
