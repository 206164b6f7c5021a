from __future__ import annotations

import pandas as pd
import pytest

from lucyte.classify.guards import confounding, level, unit_table
from lucyte.schema.errors import UsageError


def design(rows):
    """Cells of (plate, well, condition), three per well."""
    table = pd.DataFrame(
        [row for row in rows for _ in range(3)], columns=["plate", "well", "condition"]
    )
    return table.assign(batch="", day="", field_id=table["plate"] + table["well"])


def verdicts(rows):
    return {each.name: each for each in confounding(design(rows))}


def test_a_class_on_a_plate_of_its_own_is_announced():
    found = verdicts(
        [(p, w, c) for p, c in (("P1", "fed"), ("P2", "starved")) for w in ("A1", "B2", "C3")]
    )["data.acquisition"]
    assert (found.verdict, found.statistic, found.n, found.unit) == ("fail", 1.0, 6, "well")
    assert "Each plate holds one class of condition only" in found.why
    assert found.group == "data"


def test_classes_spread_over_plates_and_places_pass():
    rows = [
        (plate, f"{row}{column}", ("fed", "starved")[(k + column + (plate == "P2")) % 2])
        for plate in ("P1", "P2")
        for k, row in enumerate("AB")
        for column in (1, 2)
    ]
    found = verdicts(rows)
    assert found["data.acquisition"].verdict == "pass"
    assert found["data.position"].verdict == "pass"
    assert found["data.position"].details["levels"] == {
        "row": 0.0,
        "column": 0.0,
        "well position": 0.0,
    }


def test_a_class_in_a_row_of_its_own_is_announced():
    wells = [("A1", "fed"), ("A2", "fed"), ("A3", "fed"), ("B1", "s"), ("B2", "s"), ("B3", "s")]
    found = verdicts([("P1", *each) for each in wells])
    assert found["data.position"].verdict == "fail"
    assert "Each row holds one class" in found["data.position"].why
    assert found["data.acquisition"].verdict == "inconclusive"
    assert "one plate only" in found["data.acquisition"].why


def test_wells_in_rows_of_their_own_cannot_tell():
    wells = [("A1", "fed"), ("B1", "s"), ("C2", "fed"), ("D2", "s")]
    found = verdicts([("P1", *each) for each in wells])["data.position"]
    assert found.verdict == "inconclusive"
    assert "Every well has a row of its own" in found.why


def test_the_same_control_well_on_every_plate_is_announced():
    wells = [("B2", "dmso"), ("B3", "drug"), ("C2", "drug"), ("C3", "dmso")]
    rows = [(f"P{k}", well, c) for k in range(3) for well, c in wells]
    units = unit_table(design(rows), "condition")
    assert level(units, "well position").purity == 1.0
    assert level(units, "row").purity == 0.0
    found = verdicts(rows)["data.position"]
    assert found.verdict == "fail"
    assert "Each well position holds one class" in found.why


def test_one_well_of_a_class_is_that_class():
    rows = [("P1", "A1", "dmso"), ("P1", "A2", "drug"), ("P1", "B1", "drug")]
    found = verdicts(rows)["data.acquisition"]
    assert found.verdict == "fail"
    assert "Class 'dmso' is in one well only" in found.why
    assert found.details["units_per_class"] == {"dmso": 1, "drug": 2}


def test_part_of_the_design_is_said_with_its_share():
    rows = [("P1", "A1", "a"), ("P1", "A2", "b"), ("P2", "B1", "a"), ("P2", "B2", "a")]
    rows += [("P3", "C1", "b"), ("P3", "C2", "b")]
    found = verdicts(rows)["data.acquisition"]
    assert found.verdict == "inconclusive"
    assert "67% of the wells share their plate with no other class" in found.why


def test_refuses_a_column_that_is_not_there():
    with pytest.raises(UsageError, match="unknown column 'conditon', did you mean 'condition'"):
        confounding(design([("P1", "A1", "a")]), "conditon")
