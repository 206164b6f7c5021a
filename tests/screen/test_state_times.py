"""States over time, from tables: n counts wells, rates come back, words are plain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.state_looks import StateTimesSettings
from lucyte.screen.state_times import StateTimes, state_times

RATES = {"control": (0.1, 0.3), "treated": (0.5, 0.3)}
CLASSES = ("rest", "active")


def plate(wells: int, cells: int = 30, seed: int = 0) -> pd.DataFrame:
    """Founders that all divide half way; sisters begin in their mother's state."""
    rng = np.random.default_rng(seed)
    rows = []
    for condition, (on, off) in RATES.items():
        for well in range(wells):
            name = f"{condition[0].upper()}{well + 1:02d}"
            for cell in range(1, cells + 1):
                mother = _path(rng, 0, on, off)
                rows += _rows(name, condition, cell, 0, 0, mother)
                for twin in (0, 1):
                    track = cells + 2 * cell + twin
                    daughter = _path(rng, mother[-1], on, off)
                    rows += _rows(name, condition, track, cell, 12, daughter)
    return pd.DataFrame(rows)


def _path(rng: np.random.Generator, state: int, on: float, off: float) -> list[int]:
    share, stay = on / (on + off), np.exp(-(on + off) * 0.5)
    path = [state]
    for _ in range(11):
        path.append(int(rng.random() < share + (path[-1] - share) * stay))
    return path


def _rows(
    well: str, condition: str, track: int, parent: int, first: int, path: list[int]
) -> list[dict[str, object]]:
    return [
        {
            "object_id": f"{well}/t{first + k:03d}/cell/{track}",
            "field_id": well,
            "plate": "P",
            "well": well,
            "condition": condition,
            "time_index": first + k,
            "track_id": track,
            "parent_track_id": parent,
            "state": CLASSES[state],
        }
        for k, state in enumerate(path)
        if first + k != 5
    ]


SETTINGS = StateTimesSettings(classes=CLASSES, interval_s=1800, permutations=199)


@pytest.fixture(scope="module")
def told() -> StateTimes:
    """Six wells of each condition."""
    return state_times(plate(6), SETTINGS)


def test_rates_of_each_condition_within_their_intervals(told: StateTimes) -> None:
    assert (told.rates["n"] == 6).all()
    for row in told.rates.itertuples():
        true = RATES[str(row.condition)][CLASSES.index(str(row.source))]
        assert row.low < row.estimate < row.high
        assert abs(row.estimate - true) < 0.35 * true
    assert len(told.unit_rates) == 12 * 2


def test_conditions_are_compared_by_wells(told: StateTimes) -> None:
    row = told.comparisons.set_index("measure").loc["rest to active per h"]
    assert (row["n"], row["reference"], row["verdict"]) == (12, "control", "differs")
    assert row["difference"] == pytest.approx(0.4, abs=0.15)
    few = state_times(plate(3), SETTINGS).comparisons.iloc[0]
    assert few["smallest_p"] == pytest.approx(0.1)
    assert few["verdict"].startswith("inconclusive: these units cannot give p below 0.1")


def test_few_wells_get_no_interval() -> None:
    rates = state_times(plate(3, cells=10), SETTINGS).rates
    assert rates["low"].isna().all()
    assert set(rates["method"]) == {"no interval: fewer than 6 units"}


def test_curves_of_units_and_their_mean(told: StateTimes) -> None:
    passage = told.curves[told.curves["kind"] == "passage"]
    assert passage["unit"].nunique() == 13
    mean = passage[(passage["unit"] == "") & (passage["condition"] == "treated")]
    at = float(mean.loc[(mean["time_h"] - 2).abs().idxmin(), "survival"])
    assert at == pytest.approx(np.exp(-0.5 * 2), abs=0.15)
    assert (mean["survival"].diff().dropna() <= 1e-12).all()
    assert (mean["low"].dropna() >= 0).all()


def test_sisters_are_alike_at_birth_and_less_so_later(told: StateTimes) -> None:
    own = told.sisters[(told.sisters["what"] == "state")]
    treated = own[own["condition"] == "treated"].sort_values("age_h")
    assert treated["correlation"].iloc[0] > 0.9
    assert treated["p"].iloc[0] == pytest.approx(1 / 200)
    assert treated["correlation"].iloc[-1] < 0.4
    assert treated["pairs"].iloc[0] == 180


def test_gaps_and_light_are_reported(told: StateTimes) -> None:
    assert (told.covariates["gaps"] == 1).all()
    assert (told.covariates["longest_gap_h"] == 1.0).all()
    assert (told.covariates["exposures"] == 23).all()
    assert set(told.light["n"]) == {6}
    assert any("12 of 12 units have gaps" in note for note in told.notes)
    assert any("With 2 % of errors" in note for note in told.notes)


def test_bad_tables() -> None:
    table = plate(1, cells=2)
    with pytest.raises(UsageError, match="need the column 'track_id'"):
        state_times(table.drop(columns="track_id"), SETTINGS)
    with pytest.raises(UsageError, match="give interval_s"):
        state_times(table)
    with pytest.raises(UsageError, match="no object is in a track"):
        state_times(table.assign(track_id=0), SETTINGS)
    with pytest.raises(UsageError, match="holds more than one condition"):
        state_times(table, StateTimesSettings(interval_s=60, unit=("plate",)))
    with pytest.raises(UsageError, match="two objects in one frame"):
        state_times(pd.concat([table, table]), SETTINGS)
    with pytest.raises(UsageError, match="target 'gone' is no state here"):
        state_times(table, StateTimesSettings(interval_s=60, target="gone"))
