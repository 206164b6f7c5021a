"""World leigh: what is planted is there, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.schema.errors import InputError, UsageError
from lucyte.simulate.leigh import simulate_leigh
from lucyte.simulate.leigh_settings import LeighSettings, tiny_leigh
from lucyte.simulate.leigh_write import write_leigh
from lucyte.simulate.worlds import simulate

QUIET = {"well_sd": 0.0, "plate_sd": 0.0, "cell_sd": 0.0}


def test_same_seed_same_pixels() -> None:
    first, second = (next(simulate_leigh(tiny_leigh(), 4).fields) for _ in range(2))
    np.testing.assert_array_equal(first.image(), second.image())
    other = next(simulate_leigh(tiny_leigh(), 5).fields)
    assert not np.array_equal(first.image(), other.image())


def test_layout_and_plate_map() -> None:
    world = simulate_leigh(tiny_leigh(), 1)
    table = world.platemap()
    assert table.groupby(["plate", "condition"]).size().to_dict() == {
        (plate, name): n
        for plate in ("L1", "L2")
        for name, n in (("disease", 3), ("wild_type", 3), ("rescuer-1", 4), ("toxic-1", 4))
    }
    assert set(table.loc[table["dose_um"] > 0, "control"]) == {""}
    assert not table.duplicated(["plate", "well"]).any()


@pytest.mark.parametrize("potential", [0.5, -0.5])
def test_light_follows_potential_and_rescue(potential: float) -> None:
    settings = tiny_leigh().model_copy(update={**QUIET, "potential": potential})
    wells = simulate_leigh(settings, 0).truth().set_index(["condition", "dose_um"])
    light = np.log(wells["light"])
    assert light.loc[("disease", 0.0)].to_numpy() == pytest.approx(potential)
    assert light.loc[("wild_type", 0.0)].to_numpy() == pytest.approx(0)
    rescue = 1 / (1 + (0.6 / 10) ** 1.4)
    assert light.loc[("rescuer-1", 10.0)].to_numpy() == pytest.approx(potential * (1 - rescue))


def test_poison_kills_and_rounds_and_rescue_does_not() -> None:
    settings = tiny_leigh().model_copy(update={**QUIET, "cells": 12, "size_px": 160})
    fields = list(simulate_leigh(settings, 2).fields)
    count: dict[tuple[str, float], list[int]] = {}
    stretch: dict[tuple[str, float], list[float]] = {}
    for each in fields:
        key = (each.well.condition, each.well.dose_um)
        count.setdefault(key, []).append(len(each.cells))
        stretch.setdefault(key, []).extend(cell.stretch for cell in each.cells)
    poisoned, cured, ill = ("toxic-1", 10.0), ("rescuer-1", 10.0), ("disease", 0.0)
    assert np.mean(count[poisoned]) < 0.6 * np.mean(count[ill])
    assert np.mean(count[cured]) > 0.7 * np.mean(count[ill])
    assert max(stretch[poisoned], default=1.0) < np.mean(stretch[ill])


def test_labels_fit_the_light() -> None:
    field = next(simulate_leigh(tiny_leigh(), 3).fields)
    image, labels = field.image(), field.labels()
    assert image.shape == (2, 96, 96) and image.dtype == np.uint16
    assert set(np.unique(labels)) <= {0, *(cell.label for cell in field.cells)}
    assert image[1][labels > 0].mean() > 1.5 * image[1][labels == 0].mean()


def test_on_disk(tmp_path: Path) -> None:
    world = simulate_leigh(tiny_leigh(), 1)
    assert write_leigh(world, tmp_path / "w") == 28
    one = world.wells[0]
    path = tmp_path / "w" / "images" / f"{one.plate}_{one.well}_s1.tif"
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome and tif.series[0].axes == "CYX"
        assert "TMRM" in (tif.ome_metadata or "")
    compounds = pd.read_csv(tmp_path / "w" / "truth" / "compounds.csv")
    assert list(compounds["kind"]) == ["rescuer", "toxic"]
    assert json.loads((tmp_path / "w" / "world.json").read_text())["world"] == "leigh"
    with pytest.raises(InputError, match="holds another simulated plate"):
        write_leigh(simulate_leigh(tiny_leigh(), 2), tmp_path / "w")


def test_refusals() -> None:
    with pytest.raises(ValueError, match="wells asked for, a plate of 8 x 12 has 96"):
        LeighSettings(replicates=9)
    with pytest.raises(UsageError, match="seed -1"):
        simulate_leigh(tiny_leigh(), -1)
    with pytest.raises(UsageError, match="world 'leigh' is a screen on several plates"):
        simulate("leigh")
