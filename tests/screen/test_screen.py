"""A whole screen from wells whose causes are known, and the refusals on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.analyse import ScreenResult, screen_wells
from lucyte.screen.readout import cell_margins, well_readouts
from lucyte.screen.settings import ScreenSettings

SETTINGS = ScreenSettings(
    disease="ill", wild_type="well", treatment="drug", features=("glow",), permutations=199
)
DOSES = (0.1, 0.3, 1.0, 3.0, 10.0)


def make_wells(seed: int = 0, plates: int = 2, edge: float = 0.0) -> pd.DataFrame:
    """Two plates: 7 wells of each control; ``cure`` rescues with EC50 0.5, ``poison`` leaves the
    axis, ``water`` does nothing."""
    rng = np.random.default_rng(seed)
    rows = []
    for plate in range(plates):
        todo = [("ill", 0.0)] * 7 + [("well", 0.0)] * 7
        todo += [(name, dose) for name in ("cure", "poison", "water") for dose in DOSES] * 2
        places = rng.permutation(96)[: len(todo)]
        for at, (drug, dose) in zip(places, todo, strict=True):
            row, column = divmod(int(at), 12)
            level = {"well": 1.0, "cure": dose / (dose + 0.5) if dose else 0}.get(drug, 0.0)
            hurt = dose / (dose + 0.5) if drug == "poison" else 0.0
            outer = edge * (row in (0, 7) or column in (0, 11))
            other = {f"f{k}": rng.normal(8 * hurt * (k == 3), 1) for k in range(6)}
            rows.append(
                {
                    "plate": f"P{plate}",
                    "well": f"{'ABCDEFGH'[row]}{column + 1:02d}",
                    "drug": drug,
                    "dose": dose,
                    "n_fields": 1,
                    "n_cells": int(rng.poisson(40 * (1 - 0.9 * hurt))),
                    "margin": -2 + 4 * level + plate + outer + rng.normal(0, 0.4),
                    "glow": 100 - 40 * level + rng.normal(0, 4),
                    **other,
                }
            )
    return pd.DataFrame(rows)


PROFILE = ("glow", *(f"f{k}" for k in range(6)))


@pytest.fixture(scope="module")
def result() -> ScreenResult:
    return screen_wells(make_wells(), SETTINGS, PROFILE)


def test_rescuers_are_told_from_poisons_and_water(result: ScreenResult) -> None:
    calls = result.hits.set_index(["treatment", "dose"])["call"]
    assert (calls["cure"].loc[[0.3, 1.0, 3.0, 10.0]] == "rescue").all()
    assert calls["poison"].loc[1.0] == "changed otherwise"
    assert calls["poison"].loc[10.0] == "few cells left"
    assert "rescue" not in set(calls["water"])
    assert list(result.hits["call"][:4]) == ["rescue"] * 4
    top = result.hits.iloc[0]
    assert top["low"] < top["rescue"] < top["high"] and top["n_wells"] == 4
    assert top["rescue_glow"] == pytest.approx(top["rescue"], abs=0.3)


def test_dose_response_of_the_rescue(result: ScreenResult) -> None:
    cure = result.doses["cure"]
    assert cure.low is not None and cure.high is not None
    assert cure.low < 0.5 < cure.high
    assert result.doses["water"].why.startswith("no dependence on the dose")


def test_findings(result: ScreenResult) -> None:
    by = {each.name: each for each in result.findings}
    assert by["screen.rescue"].verdict == "pass"
    assert "of 15 treatments and doses bring diseased cells towards health" in (
        by["screen.rescue"].why
    )
    assert "the methods were validated on simulated screens only" in by["screen.rescue"].assumed
    assert by["screen.off_axis"].verdict == "pass"
    assert by["screen.separation"].statistic_name == "Z'"
    assert by["screen.separation"].low is not None
    assert by["screen.plates"].verdict == "inconclusive"
    assert "plates were not" in by["screen.plates"].why
    assert by["screen.position.edge"].verdict != "fail"


def test_perfect_accuracy_on_one_plate_is_a_warning() -> None:
    told = screen_wells(make_wells(plates=1), SETTINGS, PROFILE).findings
    plates = next(each for each in told if each.name == "screen.plates")
    assert plates.statistic == 1, "test invalid: not perfect"
    assert plates.verdict == "fail"
    assert "without a single error, but on the only plate (P0)" in plates.why


def test_whole_plates_held_out_speak_for_new_ones() -> None:
    told = screen_wells(make_wells(), SETTINGS, PROFILE, plates_held_out=True).findings
    assert next(each for each in told if each.name == "screen.plates").verdict == "pass"


def test_edge_effect_is_a_warning_and_can_be_taken_off() -> None:
    wells = make_wells(seed=1, edge=1.5)
    by = {e.name: e for e in screen_wells(wells, SETTINGS, PROFILE).findings}
    assert by["screen.position.edge"].verdict == "fail"
    polished = SETTINGS.model_copy(update={"position": "median_polish"})
    found = screen_wells(wells, polished, PROFILE)
    by = {e.name: e for e in found.findings}
    assert by["screen.b_score"].verdict == "fail"
    assert by["screen.b_score"].why.endswith("The scores were corrected by it.")
    assert found.notes[0].startswith("Row and column effects of every plate were taken off")


def test_few_wells_are_no_hits() -> None:
    wells = make_wells()
    cure = wells["drug"].eq("cure") & wells["dose"].eq(10.0)
    few = wells.drop(index=wells.index[cure][:2])
    hits = screen_wells(few, SETTINGS, PROFILE).hits.set_index(["treatment", "dose"])
    row = hits.loc[("cure", 10.0)]
    assert row["call"] == "too few wells" and np.isnan(row["q"]) and row["n_wells"] == 2


def test_only_controls() -> None:
    wells = make_wells()
    found = screen_wells(wells[wells["drug"].isin(["ill", "well"])], SETTINGS, PROFILE)
    assert not len(found.hits)
    assert found.findings[0].why == "There are only controls, so there is nothing to test."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disease": "iil"}, "unknown disease control 'iil', did you mean 'ill'?"),
        ({"wild_type": "ill"}, "disease and wild type are both 'ill'"),
        ({"treatment": "compound"}, "unknown column 'compound'"),
        ({"sham": ("ill",)}, "'ill' cannot be sham and a control at once"),
        ({"sham": ("watr",)}, "unknown sham treatment 'watr', did you mean 'water'?"),
    ],
)
def test_controls_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as told:
        screen_wells(make_wells(), SETTINGS.model_copy(update=change))
    assert message in str(told.value) and "\n" not in str(told.value)


def test_a_plate_without_controls_is_refused() -> None:
    wells = make_wells()
    gone = wells[~(wells["plate"].eq("P1") & wells["drug"].eq("well"))]
    with pytest.raises(UsageError, match="plate P1 has no well of 'well': what is disease"):
        screen_wells(gone, SETTINGS)
    apart = gone[~(gone["plate"].eq("P0") & gone["drug"].eq("ill"))]
    with pytest.raises(UsageError, match="No plate holds both, so the plate alone tells them"):
        screen_wells(apart, SETTINGS)


def test_a_plate_that_was_trained_on_is_refused() -> None:
    wells = make_wells()
    wells.loc[wells["plate"].eq("P1") & wells["drug"].eq("ill"), "margin"] = np.nan
    with pytest.raises(UsageError, match="every well of 'ill' was trained on and has no out-of-"):
        screen_wells(wells, SETTINGS)


def cells(**more: object) -> pd.DataFrame:
    healthy = np.array([0.2, 0.4, 0.9, 0.8])
    table = {
        "plate": "P", "well": ["A01", "A01", "A02", "A10"], "field_id": ["a", "a", "b", "c"],
        "drug": ["ill", "ill", "well", "cure"], "dose": [0.0, 0.0, 0.0, 2.0],
        "p_well": healthy, "p_ill": 1 - healthy, "fold": [0, 0, 1, -1], "glow": [1.0, 3, 5, 7],
    }  # fmt: skip
    return pd.DataFrame({**table, **more})


def test_margin_of_two_classes_is_the_logit_and_of_more_the_difference() -> None:
    table = cells()
    p = table["p_well"].to_numpy()
    np.testing.assert_allclose(cell_margins(table, "ill", "well"), np.log(p / (1 - p)))
    three = table.assign(p_well=p * 0.7, p_ill=(1 - p) * 0.7, p_cure=0.3)
    np.testing.assert_allclose(cell_margins(three, "ill", "well"), np.log(p / (1 - p)))
    with pytest.raises(UsageError, match="unknown class of the model 'welll'"):
        cell_margins(table, "ill", "welll")
    with pytest.raises(UsageError, match="the run has no states"):
        cell_margins(table[["plate"]], "ill", "well")


def test_wells_from_cells_leave_trained_cells_out() -> None:
    wells = well_readouts(cells(), SETTINGS, ["glow"])
    assert list(wells["well"]) == ["A01", "A02", "A10"]
    assert list(wells["n_cells"]) == [2, 1, 1] and list(wells["glow"]) == [2, 5, 7]
    trained = well_readouts(cells(trained=[True, False, True, False]), SETTINGS)
    assert list(trained["n_scored"]) == [1, 0, 1]
    assert trained["margin"].iloc[0] == pytest.approx(np.log(0.4 / 0.6))
    assert np.isnan(trained["margin"].iloc[1])
    plain = cells().drop(columns="fold")
    with pytest.raises(UsageError, match="do not say which cells the model was fitted on"):
        well_readouts(plain, SETTINGS)
    word = SETTINGS.model_copy(update={"unseen": True})
    assert well_readouts(plain, word)["margin"].notna().all()


def test_readout_refusals() -> None:
    with pytest.raises(UsageError, match=r"unknown feature 'glov', did you mean 'glow'\?"):
        well_readouts(cells(), SETTINGS, ["glov"])
    mixed = cells(drug=["ill", "well", "well", "cure"])
    with pytest.raises(UsageError, match="well A01 of plate P has 2 values of 'drug'"):
        well_readouts(mixed, SETTINGS)
    words = SETTINGS.model_copy(update={"dose": "field_id"})
    with pytest.raises(UsageError, match="column 'field_id' holds no numbers"):
        well_readouts(cells(), words)
