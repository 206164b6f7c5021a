"""Tables to Parquet and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import empty_objects


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "object_id": ["a/1", "a/2", None],
            "label": np.array([1, 2, 3], np.int32),
            "area_px": [1.5, np.nan, 3.0],
            "in": [True, False, True],
            "nothing": [None, None, None],
        }
    )


def test_values_and_types_come_back(tmp_path: Path) -> None:
    write_parquet(table(), tmp_path / "t.parquet")
    back = read_parquet(tmp_path / "t.parquet")
    assert list(back.columns) == list(table().columns)
    assert back["label"].dtype == np.int32
    assert back["object_id"].isna().tolist() == [False, False, True]
    assert back["nothing"].isna().all()
    assert_frame_equal(back[["label", "area_px", "in"]], table()[["label", "area_px", "in"]])
    some = read_parquet(tmp_path / "t.parquet", columns=["area_px", "label"])
    assert list(some.columns) == ["area_px", "label"]


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    one = table()
    other = table().iloc[::-1].iloc[::-1].set_index(pd.Index([7, 8, 9], name="row"))
    other.attrs["made"] = "yesterday"
    write_parquet(one, tmp_path / "one.parquet")
    write_parquet(other, tmp_path / "other.parquet")
    first = (tmp_path / "one.parquet").read_bytes()
    assert first == (tmp_path / "other.parquet").read_bytes()
    assert b"pandas" not in first
    write_parquet(one.assign(label=[1, 2, 4]), tmp_path / "other.parquet")
    assert first != (tmp_path / "other.parquet").read_bytes()


def test_tables_without_rows_or_columns_are_tables(tmp_path: Path) -> None:
    for empty in (pd.DataFrame(), empty_objects(), table().iloc[:0]):
        write_parquet(empty, tmp_path / "t.parquet")
        back = read_parquet(tmp_path / "t.parquet")
        assert (list(back.columns), len(back)) == (list(empty.columns), 0)


def test_mixed_and_doubled_columns_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t.parquet: column 'mix' holds mixed types"):
        write_parquet(pd.DataFrame({"mix": [1, "a"]}), tmp_path / "t.parquet")
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(UsageError, match="column 'a' stands twice"):
        write_parquet(doubled, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_unreadable_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(InputError, match=r"t.parquet: no such table"):
        read_parquet(path)
    write_parquet(table(), path)
    with pytest.raises(UsageError, match="unknown column 'labels', did you mean 'label'"):
        read_parquet(path, columns=["labels"])
    whole = path.read_bytes()
    for part in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-3], b"x" * 500):
        path.write_bytes(part)
        with pytest.raises(InputError, match=r"t.parquet: is not a whole Parquet file"):
            read_parquet(path)


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(-(2**62), 2**62), st.floats())))
@settings(max_examples=30, deadline=None)
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, rows) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    text = [row[0].encode("utf-8", "replace").decode() for row in rows]
    whole = np.array([row[1] for row in rows], np.int64)
    real = np.array([row[2] for row in rows], np.float64)
    write_parquet(pd.DataFrame({"text": text, "whole": whole, "real": real}), path)
    back = read_parquet(path)
    assert list(back["text"]) == text
    assert (back["whole"].to_numpy() == whole).all()
    assert np.array_equal(back["real"].to_numpy(), real, equal_nan=True)
