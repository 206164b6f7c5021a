"""The most alike real cell: held against a search written out plainly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.explain.counterfactual.nearest_real import FAR, nearest_real
from lucyte.schema.errors import UsageError


def plain_search(values: np.ndarray, row: int, candidates: list[int]) -> int:
    best, nearest = np.inf, -1
    for k in candidates:
        steps = []
        for j in range(values.shape[1]):
            own, other = values[row, j], values[k, j]
            spread = np.std([v for v in values[:, j] if np.isfinite(v)])
            if np.isfinite(own) and np.isfinite(other) and spread > 0:
                steps.append(min(abs(own - other) / spread, FAR) ** 2)
        if steps and np.mean(steps) < best:
            best, nearest = np.mean(steps), k
    return nearest


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_is_found_whatever_the_units_of_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(40, 6)) * 10.0 ** rng.integers(-3, 4, 6)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 5] = 7
    table = pd.DataFrame(values).assign(name="x")
    groups = [f"w{k % 4}" for k in range(40)]
    for row in range(8):
        candidates = [k for k in range(20, 40) if groups[k] != groups[row]]
        found = nearest_real(table, row, range(20, 40), groups)
        assert found == plain_search(values, row, candidates)


def test_its_own_unit_is_taken_only_where_no_other_has_one() -> None:
    table = pd.DataFrame({"area": [1.0, 1.1, 5.0, 3.0]})
    groups = ["a", "a", "b", "a"]
    assert nearest_real(table, 0, [0, 1, 2], groups) == 2, "the nearer one shares its well"
    assert nearest_real(table, 0, [0, 1, 3], groups) == 1, "and is never itself"
    assert nearest_real(table, 0, [0], groups) is None
    with pytest.raises(UsageError, match="holds no feature"):
        nearest_real(table[[]], 0, [1], groups)
