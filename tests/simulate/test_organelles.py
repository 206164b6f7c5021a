"""World ``organelles``: what differs between the lines is what was planted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.stats import f_oneway

from lucyte.schema.errors import InputError, UsageError
from lucyte.simulate.organelle_design import ceiling, culture_levels
from lucyte.simulate.organelle_settings import (
    LINES,
    ORGANELLE_CHANNELS,
    OrganelleSettings,
    tiny_organelles,
)
from lucyte.simulate.organelle_stack import OrganelleStack
from lucyte.simulate.organelle_write import write_organelles
from lucyte.simulate.organelles import simulate_organelles


def changed(settings: OrganelleSettings, **values: object) -> OrganelleSettings:
    return settings.model_copy(update=values)


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    """Truth and stack means of 6 lines x 4 cultures."""
    rows = []
    for each in simulate_organelles(changed(tiny_organelles(4), culture_sd=0.02), 7).stacks:
        counts, truth = each.render()
        means = counts.mean(axis=(0, 2, 3))
        named = {f"mean_{c}": means[k] for k, c in enumerate(ORGANELLE_CHANNELS)}
        whole = truth.drop(columns="label").mean().to_dict()
        size = {"cells": len(truth), "state": each.line, "group": each.group}
        rows.append({**whole, **named, **size})
    return pd.DataFrame(rows)


def test_same_seed_same_counts_other_seed_other_counts() -> None:
    one, again, other = (simulate_organelles(tiny_organelles(), seed) for seed in (1, 1, 2))
    first = one.stacks[3].render()[0]
    assert first.shape == (6, 4, 128, 128) and first.dtype == np.uint16
    assert np.array_equal(first, again.stacks[3].render()[0])
    assert not np.array_equal(first, other.stacks[3].render()[0])


def test_brightness_size_and_number_do_not_tell_the_line(cells: pd.DataFrame) -> None:
    alike = [f"mean_{name}" for name in ORGANELLE_CHANNELS]
    for column in [*alike, "area_px", "cells", "endosomes_count"]:
        p = f_oneway(*(part[column] for _, part in cells.groupby("state"))).pvalue
        assert p > 0.01, column


def test_planted_differences_are_there(cells: pd.DataFrame) -> None:
    mean = cells.groupby("state").mean(numeric_only=True)
    length = mean["mitochondria_length_um"]
    assert length["line_A"] < 2 < length["line_B"] < length["line_C"]
    assert length["line_D"] < 2 < length["line_E"] < length["line_F"]
    part = mean["endosomes_part"]
    assert part[["line_A", "line_B", "line_C"]].max() < 0.4
    assert part[["line_D", "line_E", "line_F"]].min() > 0.6


@pytest.mark.parametrize("line", ["line_A", "line_C", "line_F"])
def test_a_line_moves_light_and_adds_none(line: str) -> None:
    # The same cells, grown once as the line does and once with nothing planted.
    means = []
    for carrier in ("organelles", "nothing"):
        settings = changed(tiny_organelles(), carrier=carrier, noise=False, nuisance_sd=0.0)
        stacks = [OrganelleStack(settings, 3, line, 1, k).render()[0] for k in (1, 2, 3)]
        means.append(np.mean(stacks, axis=(0, 1, 3, 4)) - 112)
    planted, sham = means
    # Cells cut by the edge of the stack may have more or less of their light inside.
    assert planted == pytest.approx(sham, rel=0.1)
    assert planted[2:] == pytest.approx(sham[2:], rel=1e-6), "recycling and nucleus do not differ"
    assert planted.min() > 0.5, "test invalid: nothing shines"


def test_contacts_are_a_relation_that_leaves_distances_alone() -> None:
    found = {}
    for line in ("line_A", "line_D"):
        settings = changed(tiny_organelles(), carrier="contacts", nuisance_sd=0.0)
        truth = OrganelleStack(settings, 5, line, 1, 1).render()[1]
        found[line] = truth.mean()
    assert found["line_A"]["endosomes_touching"] < 0.3
    assert found["line_D"]["endosomes_touching"] > 0.6
    assert abs(found["line_A"]["endosomes_part"] - found["line_D"]["endosomes_part"]) < 0.15


def test_ceilings_of_every_view() -> None:
    assert ceiling("organelles", ["mitochondria"]) == 3 / 6
    assert ceiling("organelles", ["early_endosomes"]) == 2 / 6
    assert ceiling("organelles", ["recycling"]) == 1 / 6
    assert ceiling("organelles", ["mitochondria", "early_endosomes"]) == 1
    assert ceiling("contacts", ["mitochondria", "early_endosomes"]) == 1
    assert ceiling("contacts", ["mitochondria", "early_endosomes"], contacts=False) == 3 / 6
    assert ceiling("mixed", ["mitochondria", "early_endosomes"], contacts=False) == 4 / 6
    assert ceiling("nothing", ORGANELLE_CHANNELS) == 1 / 6
    world = simulate_organelles(tiny_organelles())
    assert world.planted == ("mitochondria", "early_endosomes")
    table = world.ceilings().set_index("channels")["balanced_accuracy"]
    assert table["mitochondria+early_endosomes+recycling"] == 1
    assert simulate_organelles(changed(tiny_organelles(), effect=0.0)).planted == ()


def test_levels_of_a_culture_stay_near_its_line_where_planted() -> None:
    settings = OrganelleSettings()
    levels = [culture_levels(settings, "line_B", k, 0) for k in range(1, 200)]
    mitochondria = np.array([each.mitochondria for each in levels])
    recycling = np.array([each.recycling for each in levels])
    assert mitochondria.mean() == pytest.approx(0.5, abs=0.02)
    assert mitochondria.std() == pytest.approx(settings.culture_sd, rel=0.2)
    assert recycling.std() == pytest.approx(settings.nuisance_sd, rel=0.2)


def test_written_world_has_a_table_a_folder_per_line_and_truth(tmp_path: Path) -> None:
    world = simulate_organelles(tiny_organelles(1), 4)
    write_organelles(world, tmp_path / "w")
    table = pd.read_csv(tmp_path / "w" / "images.csv")
    assert list(table.columns) == ["image", "state", "group"]
    assert table["state"].tolist() == list(LINES) and table["group"].nunique() == 6
    path = tmp_path / "w" / table["image"][0]
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "ZCYX"
        assert 'Name="early_endosomes"' in file.ome_metadata
        assert 'PhysicalSizeZ="0.7"' in file.ome_metadata
        assert np.array_equal(file.asarray(), world.stacks[0].render()[0])
    truth = pd.read_csv(tmp_path / "w" / "truth" / "cells.csv")
    labels = tifffile.imread(tmp_path / "w" / "truth" / "cells" / f"{path.name[:-8]}.tif")
    mine = truth[truth["image"] == table["image"][0]]
    assert set(mine["label"]) == set(np.unique(labels)) - {0}
    assert mine["area_px"].sum() == (labels > 0).sum()
    write_organelles(world, tmp_path / "w")
    with pytest.raises(InputError, match="holds another simulated plate"):
        write_organelles(simulate_organelles(tiny_organelles(1), 5), tmp_path / "w")


def test_refusals_name_what_to_do() -> None:
    with pytest.raises(UsageError, match="write a whole number from 0"):
        simulate_organelles(seed=-1)
    with pytest.raises(UsageError, match=r"a cell of 18 um is 9 px wide.*smaller pixel_size_um"):
        simulate_organelles(OrganelleSettings(pixel_size_um=2.0))
    with pytest.raises(UsageError, match="line_A_culture01_stack1"):
        simulate_organelles(tiny_organelles()).stack("line_A_culture01_stack2")
