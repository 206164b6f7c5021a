"""A run folder to a page: tables of a run are made up, so that nothing is segmented."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucyte.io.write_table import read_parquet
from lucyte.pipeline.screen import screen_run
from lucyte.schema.errors import UsageError
from lucyte.screen.settings import ScreenSettings

SETTINGS = ScreenSettings(disease="ill", wild_type="well", permutations=99)


def make_run(folder: Path, plates: int = 2) -> Path:
    """Objects of two kinds, states of one, a plate map's dose, and a well that was emptied."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    objects, wells, flags = [], [], []
    doses = (0.1, 0.3, 1.0, 3.0)
    for plate in (f"P{k}" for k in range(plates)):
        todo = [("ill", 0.0)] * 5 + [("well", 0.0)] * 5 + [("cure <b>", d) for d in doses] * 2
        for at, (name, dose) in enumerate(todo):
            well = f"{'ABCDEFGH'[at % 8]}{at // 8 + 1:02d}"
            field = f"{plate}_{well}_s1"
            place = {"plate": plate, "well": well, "condition": name}
            flags.append({**place, "field_id": field})
            level = {"ill": 0.0, "well": 1.0}.get(name, dose / (dose + 0.4))
            wells.append({**place, "dose_um": dose, "n_cells": 6, "margin_mean": 0.0})
            well_noise = rng.normal(0, 0.3)
            for label in range(6):
                margin = -2 + 4 * level + well_noise + rng.normal(0, 0.5)
                p = 1 / (1 + np.exp(-margin))
                common = {**place, "field_id": field, "label": label}
                objects.append({
                    **common, "object_id": f"{field}/cell/{label}", "kind": "cell",
                    "p_ill": 1 - p, "p_well": p, "fold": -1 if dose else label % 2,
                    "area_px": 900 + rng.normal(0, 50), "solidity": rng.normal(0.9, 0.02),
                })  # fmt: skip
                objects.append({**common, "object_id": f"{field}/nucleus/{label}",
                                "kind": "nucleus", "area_px": 200.0})  # fmt: skip
    flags.append({"plate": "P0", "well": "H12", "condition": "cure <b>", "field_id": "gone"})
    pd.DataFrame(objects).to_parquet(folder / "objects.parquet")
    pd.DataFrame(wells).to_parquet(folder / "wells.parquet")
    pd.DataFrame(flags).to_parquet(folder / "flags.parquet")
    return folder


def test_run_to_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    told = screen_run(run, SETTINGS)
    assert told.startswith("Screened 37 wells on 2 plates; ")
    assert "cure <b> at 3: rescue " in told
    hits = pd.read_csv(run / "screen" / "hits.csv")
    assert hits["call"].iloc[0] == "rescue" and hits["n_wells"].iloc[0] == 4
    wells = read_parquet(run / "screen" / "wells.parquet")
    gone = wells[wells["n_cells"] == 0]
    assert list(gone["well"]) == ["H12"] and np.isnan(gone["margin"].iloc[0])
    assert wells.groupby("role")["rescue"].mean()["disease"] == pytest.approx(0, abs=1e-9)
    doses = pd.read_csv(run / "screen" / "doses.csv")
    assert 0.2 < doses["ec50"].iloc[0] < 0.8
    found = {each["name"] for each in json.loads((run / "screen" / "evidence.json").read_text())}
    assert {"screen.rescue", "screen.separation", "screen.plates"} <= found
    page = (run / "screen" / "screen.html").read_text(encoding="utf-8")
    assert "cure &lt;b&gt;" in page and "cure <b>" not in page
    assert "bring diseased cells towards health" in page.split("</header>")[0]
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script src" not in page
    for words in ("Dose response", "Towards health, or elsewhere?", "Separation of the controls"):
        assert words in page
    again = page
    screen_run(run, SETTINGS)
    assert (run / "screen" / "screen.html").read_text(encoding="utf-8") == again


def test_states_beside_the_objects(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    objects = pd.read_parquet(run / "objects.parquet")
    names = ["object_id", "p_ill", "p_well"]
    cells = objects["kind"] == "cell"
    objects.loc[cells, names].to_parquet(run / "states.parquet")
    objects.drop(columns=["p_ill", "p_well", "fold"]).to_parquet(run / "objects.parquet")
    with pytest.raises(UsageError, match="if it saw none of these wells, say so with --unseen"):
        screen_run(run, SETTINGS)
    assert not (run / "screen").exists(), "something was half written"
    told = screen_run(run, SETTINGS.model_copy(update={"unseen": True}))
    assert "rescue" in told


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no objects\.parquet; make a run with: lucyte run"):
        screen_run(tmp_path, SETTINGS)


def test_wells_that_are_not_known(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    objects = pd.read_parquet(run / "objects.parquet").assign(well="")
    objects.to_parquet(run / "objects.parquet")
    with pytest.raises(UsageError, match="objects have no well; a screen needs"):
        screen_run(run, SETTINGS)
