"""Scaling reads a table in one step, or column by column where it must, with one answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.learn.scaling import fit_scaling, numbers
from lucyte.schema.errors import UsageError


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(41, 6)), columns=list("abcdef"))
    made["constant"] = 3.0
    made["rare"] = (np.arange(41) > 38).astype(float)
    made["whole"] = np.arange(41)
    made.loc[4, "b"] = np.nan
    made.loc[5, "c"] = np.inf
    return made


@pytest.mark.parametrize("kind", ["robust", "standard"])
def test_a_column_of_words_beside_them_changes_nothing(kind: str) -> None:
    plain, mixed = table(), table().assign(word="S2")
    names = list(plain.columns)
    one, other = fit_scaling(plain, names, kind), fit_scaling(mixed, names, kind)
    assert one.features == other.features
    assert "constant" in one.refused
    assert np.array_equal(one.apply(plain), other.apply(mixed))


def test_centre_and_scale_are_those_of_each_column_by_itself() -> None:
    found = fit_scaling(table(), ["a", "b", "rare", "whole"])
    for at, name in enumerate(found.features):
        values = table()[name].dropna().to_numpy(dtype=float)
        low, middle, high = np.percentile(values, [25, 50, 75])
        assert found.centre[at] == middle
        assert found.scale[at] == (
            (high - low) / 1.3489795003921634 if high > low else values.std()
        )
    assert found.missing == {"b": 1}


def test_infinite_is_missing_and_columns_come_as_asked() -> None:
    found = numbers(table(), ["c", "a"])
    assert np.isnan(found[5, 0]) and np.isfinite(found[5, 1])
    assert np.array_equal(found[:, 1], table()["a"].to_numpy())


def test_a_column_that_is_not_there_or_holds_words_is_named() -> None:
    with pytest.raises(UsageError, match="feature column"):
        numbers(table(), ["a", "nuclei"])
    with pytest.raises(UsageError, match="'word' does not hold numbers \\(for example 'S2'\\)"):
        numbers(table().assign(word="S2"), ["word"])
