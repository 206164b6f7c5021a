"""One grey channel without a name, two conditions: the whole path, challenges included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from lucyte.cli import main


def grey(rng: np.random.Generator, bright: float) -> np.ndarray:
    """Six round cells on a dim, noisy ground."""
    image = rng.normal(100, 3, (160, 160))
    y, x = np.mgrid[:160, :160]
    for row in (40, 80, 120):
        for column in (50, 110):
            image += bright * (np.hypot(y - row, x - column) < 13)
    return gaussian_filter(image, 1).astype(np.uint16)


def call(*arguments: str) -> None:
    try:
        main(list(arguments))
    except SystemExit as done:
        assert not done.code, done.code


def test_a_channel_without_a_name_goes_all_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for condition, bright in (("control", 200.0), ("drug", 400.0)):
        for number in range(4):
            path = tmp_path / "plate" / condition / f"image{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, grey(rng, bright))
    plan = tmp_path / "plan.toml"
    call("init", str(tmp_path / "plate"), "-o", str(plan))
    call("run", str(plan), "-o", str(tmp_path / "run"), "--workers", "1", "-q")
    assert "Found 48 cells in 8 frames of 8 fields." in capsys.readouterr().out
    names = {each["name"] for each in json.loads((tmp_path / "run/evidence.json").read_text())}
    assert {"background.model_relies", "occlusion.deletion", "accuracy.classification"} <= names
    card = json.loads((tmp_path / "run/models/states/model.json").read_text())
    assert card["channels"] == ["light", "mask:cell"]
