from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.states import States
from lucyte.screen.quality import z_prime
from lucyte.screen.wells import feature_table, fraction_table, well_table


def cells():
    rows = []
    for well, condition, dose in (("A10", "starved", 2.0), ("A2", "fed", 1.0)):
        for time in (0, 1):
            for k in range(4):
                rows.append(
                    {
                        "object_id": f"{well}/{time}/{k}",
                        "field_id": f"{well}_s{k % 2}",
                        "plate": "P",
                        "well": well,
                        "condition": condition,
                        "time_index": time,
                        "kind": "cell",
                        "dose": dose,
                        "lane": k,
                        "area_px": 10.0 * k + time,
                    }
                )
    return pd.DataFrame(rows)


def states(table):
    at = np.arange(len(table))
    state = np.where(at % 4 == 3, "", np.where(at % 4 == 0, "fed", "starved"))
    margin = np.where(state == "", np.nan, at.astype(float))
    frame = pd.DataFrame({"object_id": table["object_id"], "state": state, "margin": margin})
    return States(frame, ("fed", "starved"), "condition", "well", 2)


def test_wells_are_counted_as_a_plate_is_read():
    table = cells()
    wells = well_table(table, states(table), ["area_px"], ["dose", "lane"])
    assert wells["well"].tolist() == ["A2", "A10"]
    assert wells["condition"].tolist() == ["fed", "starved"]
    assert wells["dose"].tolist() == [1.0, 2.0]
    assert wells["lane"].isna().all()
    assert wells["n_fields"].tolist() == [2, 2]
    assert wells["n_cells"].tolist() == [8, 8]
    assert wells["n_states"].tolist() == [6, 6]
    assert np.allclose(wells["fraction_fed"], 2 / 6)
    assert np.allclose(wells[["fraction_fed", "fraction_starved"]].sum(axis=1), 1)
    margins = states(table).table["margin"]
    assert wells["margin_mean"].tolist() == [margins[8:].mean(), margins[:8].mean()]
    assert wells["median_area_px"].tolist() == [15.5, 15.5]


def test_wells_without_states_are_counted_too():
    wells = well_table(pd.concat([cells(), cells().assign(kind="spot")]))
    assert wells.columns.tolist() == ["plate", "well", "condition", "n_fields", "n_cells"]
    assert wells["n_cells"].tolist() == [8, 8]


def test_fractions_over_time():
    table = cells()
    found = fraction_table(table, states(table))
    assert found.columns.tolist() == [
        "plate",
        "well",
        "condition",
        "time_index",
        "state",
        "fraction",
        "n_cells",
    ]
    assert len(found) == 8
    assert (found["n_cells"] == 3).all()
    assert found["well"].tolist()[:4] == ["A2", "A2", "A10", "A10"]
    wide = found.pivot(index=["well", "time_index"], columns="state", values="fraction")
    assert np.allclose(wide["fed"], 1 / 3)
    assert np.allclose(wide.sum(axis=1), 1)


def test_feature_means_over_time():
    found = feature_table(cells(), ["area_px"], "cell")
    assert found["value"].tolist() == [15.0, 16.0, 15.0, 16.0]
    assert found["well"].tolist() == ["A2", "A2", "A10", "A10"]
    assert feature_table(cells(), [], "cell").columns.tolist()[-2:] == ["feature", "value"]


def test_states_of_other_objects_are_refused():
    table = cells()
    with pytest.raises(UsageError, match="4 of 16 states are of objects that are not in"):
        well_table(table[4:], states(table))
    with pytest.raises(UsageError, match="column 'dosage' of the plate map"):
        well_table(table, None, (), ["dosage"])


def test_z_prime_by_hand():
    first, second = [0.0, 1.0, 2.0], [9.0, 10.0, 11.0]
    found = z_prime(first, [*second, np.nan])
    assert found.mean == pytest.approx(1 - 3 * (1 + 1) / 9)
    assert found.robust == pytest.approx(1 - 3 * 2 * 1.482602218505602 / 9)
    assert (found.n_first, found.n_second, found.why) == (3, 3, "")


def test_z_prime_is_undefined_with_a_reason():
    few = z_prime([1.0, 2.0], [5.0, 6.0, 7.0])
    assert math.isnan(few.mean)
    assert math.isnan(few.robust)
    assert "2 and 3 wells; a spread needs at least 3" in few.why
    assert "the same mean" in z_prime([1, 2, 3], [1, 2, 3]).why
