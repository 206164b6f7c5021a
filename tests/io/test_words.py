from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lucyte.io.platemap import read_platemap
from lucyte.io.words import STANDARD, read_csv_words


def test_words_stay_words_and_numbers_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,state,area,site\na,None,1.5,001\nb,NA,NA,002\nc,,None,003\n")
    found = read_csv_words(path, ("state", "image", "absent", "site"))
    assert found["state"].fillna("?").tolist() == ["None", "NA", "?"]
    assert found["site"].tolist() == ["001", "002", "003"]
    assert found["area"].tolist()[0] == 1.5 and found["area"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("word", STANDARD)
def test_what_pandas_takes_for_missing(tmp_path: Path, word: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"state,area\n{word},{word}\nb,2\n")
    pd.testing.assert_series_equal(
        read_csv_words(path, ("state",))["area"], pd.read_csv(path)["area"]
    )
    assert read_csv_words(path, ("state",))["state"].fillna("")[0] == word


def test_a_treatment_may_be_called_none(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("well,condition\nA01,None\nA02,null\nA03,NA\n")
    assert read_platemap(path)["condition"].tolist() == ["None", "null", None]
