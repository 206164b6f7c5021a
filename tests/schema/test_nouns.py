"""Plates, objects and findings keep what they promise."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.objects import FrameObjects, check_labels
from lucyte.schema.plate import Field, Plate, well_sort_key


class Nowhere:
    paths = ("nowhere.tif",)


def one(well: str, site: str = "1") -> Field:
    return Field("P1", well, site, Nowhere(), ("GFP",), (0,), (8, 8))  # type: ignore[arg-type]


def test_two_fields_never_share_an_identity() -> None:
    assert len(Plate((one("A01"), one("A02")), "plain").table()) == 2
    with pytest.raises(UsageError, match="share the identity 'P1_A01_s1'"):
        Plate((one("A01"), one("A01")), "plain")


def test_field_ids_are_safe_file_names() -> None:
    assert one("A 01/ä", "../2").field_id == "P1_A_01_s.._2"
    assert "/" not in one("A/../..").field_id


def test_wells_sort_as_a_plate_is_read() -> None:
    wells = ["AA1", "B1", "A10", "control", "A2", "A01"]
    assert sorted(wells, key=well_sort_key) == ["A01", "A2", "A10", "B1", "AA1", "control"]


def test_labels_are_whole_numbers() -> None:
    assert check_labels(np.array([[0.0, 2.0]])).dtype == np.int32
    with pytest.raises(UsageError, match="fractions"):
        check_labels(np.array([[0.5]]))
    with pytest.raises(UsageError, match="negative"):
        check_labels(np.array([[-1]]))
    with pytest.raises(UsageError, match="one shape"):
        FrameObjects({"cell": np.zeros((2, 2), np.int32), "spot": np.zeros((2, 3), np.int32)})


def test_findings_survive_json() -> None:
    made = Finding(
        "a.b", "Is it so?", "inconclusive", math.nan, None, None, 3, "well", ("x",), "too few",
        details={"curve": np.array([1.0, math.nan]).tolist()},
    )  # fmt: skip
    back = Finding.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))
    assert math.isnan(back.statistic)
    assert back.details["curve"] == [1.0, None]
    assert (back.name, back.n, back.unit, back.assumed) == ("a.b", 3, "well", ("x",))
    with pytest.raises(UsageError, match="unknown verdict 'maybe'"):
        Finding("a", "?", "maybe", 0.0, None, None, 0, "well", (), "")  # type: ignore[arg-type]


def test_errors_cross_process_borders() -> None:
    error = pickle.loads(pickle.dumps(InputError("a.tif", "is empty.", "Delete it.")))
    assert (str(error), error.path) == ("a.tif: is empty. Delete it.", "a.tif")
