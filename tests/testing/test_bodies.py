"""Benchmark bodies at a size that takes a moment; what they refuse."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.io.write_table import write_parquet
from lucyte.pipeline.starter import starter_plan
from lucyte.schema.errors import LucyteError
from lucyte.simulate.layout import well_names
from lucyte.simulate.settings import tiny_settings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular
from lucyte.testing.benchmarks import demo, features, memory, track


def test_features_are_compared_before_they_are_timed() -> None:
    outcome = features.measure(side_px=200)
    assert [row[""] for row in outcome.table][-1] == "regionprops_table"
    assert outcome.notes[0].startswith("16 nuclei; 32 columns that both define alike agree")


def test_a_feature_that_differs_fails() -> None:
    ones = np.ones(3)
    mine = dict.fromkeys(features.SAME.values(), ones)
    mine |= {
        f"{name}_{channel}": ones
        for name in features.SAME_PER_CHANNEL.values()
        for channel in features.CHANNELS
    }
    theirs = dict.fromkeys(features.SAME, ones)
    theirs |= {f"{name}-{c}": ones for name in features.SAME_PER_CHANNEL for c in range(3)}
    assert features.agree(mine, theirs) == 32, "premise: equal columns pass"
    with pytest.raises(LucyteError, match="column area_px differs from scikit-image's area by"):
        features.agree(mine | {"area_px": ones + 0.01}, theirs)


def test_linkers_are_graded_on_the_same_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "CUTOFF_PX", (25.0,))
    monkeypatch.setattr(track, "SPLIT_PX", (30.0,))
    outcome = track.measure(cells=12, frames=6)
    names = [row[""] for row in outcome.table]
    assert names[0] == "lucyte"
    assert names[1].startswith("laptrack")
    assert {"seconds", "edge F1", "division F1"} <= set(outcome.table[0])


def test_without_the_peer_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "skipped", lambda peer: f"skipped: {peer} is not installed")
    outcome = track.measure(cells=12, frames=6)
    assert outcome.met is None
    assert outcome.table[1][""] == "laptrack: skipped: laptrack is not installed"


def write_demo(folder: Path, size_px: int) -> None:
    rows = [
        {"condition": c, "well": f"{c}{w}", "field_id": f"{c}{w}{s}", "time_index": t}
        for c in "ab"
        for w in range(6)
        for s in range(2)
        for t in range(5)
    ]
    write_parquet(pd.DataFrame(rows), folder / "flags.parquet")
    (folder / "plate").mkdir()
    world = {"settings": {"layout": {"size_px": size_px}}}
    (folder / "plate" / "world.json").write_text(json.dumps(world))


def test_a_smaller_demo_does_not_reach_the_goal(tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    write_demo(tmp_path / "right", 512)
    demo.check_plate(tmp_path / "right")
    (tmp_path / "small").mkdir()
    write_demo(tmp_path / "small", 256)
    with pytest.raises(LucyteError, match=r"the demo plate is \{.*'size_px': 256\}, its goal"):
        demo.check_plate(tmp_path / "small")


def write_names(folder: Path) -> None:
    """200 fields under the names that the simulator gives them, with hardly a pixel."""
    (folder / "images").mkdir(parents=True)
    wells = [(well_names(k, memory.WELLS), name) for k, name in enumerate(("fed", "starved"))]
    rows = [{"well": well, "condition": name} for names, name in wells for well in names]
    pd.DataFrame(rows).to_csv(folder / "platemap.csv", index=False)
    plane = folder / "plane.tif"
    tifffile.imwrite(plane, np.zeros((8, 8), np.uint16))
    for row in rows:
        for site in range(1, memory.SITES + 1):
            for channel in (1, 2, 3):
                name = f"Timepoint_000_260101-ST_{row['well']}_s{site}_w{channel}.tif"
                (folder / "images" / name).hardlink_to(plane)


def test_twenty_fields_of_the_two_hundred(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    write_names(large)
    memory.take_some(large, small)
    counts = {}
    for folder in (large, small):
        plate = starter_plan(folder / "images", tmp_path)[1]
        wells = {(each.condition, each.well) for each in plate.fields}
        per_condition = Counter(condition for condition, _ in wells)
        counts[folder.name] = (len(plate.fields), dict(per_condition))
    assert counts == {
        "large": (200, {"fed": 10, "starved": 10}),
        "small": (20, {"fed": 5, "starved": 5}),
    }


def test_the_names_are_those_that_the_simulator_writes(tmp_path: Path) -> None:
    settings = tiny_settings(wells_per_condition=1, frames=1)
    write_cellular(simulate("autophagy", settings, 0), tmp_path / "plate", merged=False)
    written = {path.name for path in (tmp_path / "plate" / "images").iterdir()}
    write_names(tmp_path / "names")
    assert written < {path.name for path in (tmp_path / "names" / "images").iterdir()}
