"""Readouts of wells: columns that are not there are named before anything is worked out."""

from __future__ import annotations

import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.readout import well_readouts
from lucyte.screen.settings import ScreenSettings


def test_an_unknown_column_of_treatments_is_named_with_those_there_are() -> None:
    cells = pd.DataFrame(
        {
            "plate": ["P1", "P1"],
            "well": ["A01", "A02"],
            "field_id": ["f1", "f2"],
            "condition": ["ill", "well"],
            "fold": [0, 1],
            "p_ill": [0.9, 0.2],
            "p_well": [0.1, 0.8],
        }
    )
    told = well_readouts(cells, ScreenSettings(disease="ill", wild_type="well"))
    assert told["condition"].tolist() == ["ill", "well"]

    wrong = ScreenSettings(disease="ill", wild_type="well", treatment="compound")
    with pytest.raises(
        UsageError, match=r"unknown column 'compound'\. Allowed: plate, well, field_id, condition"
    ):
        well_readouts(cells, wrong)
