"""Sister pairs: the correlation and what exchange gives."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.inheritance import pair_correlation, sister_test


def pairs(n: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared, a, b = rng.normal(size=(3, n))
    return (np.sqrt(rho) * shared + np.sqrt(1 - rho) * each for each in (a, b))  # type: ignore[return-value]


def test_by_hand_and_by_double_entry() -> None:
    assert pair_correlation([1, 0], [1, 0]) == 1
    assert pair_correlation([1, 0], [0, 1]) == -1
    a, b = pairs(50, 0.4, 0)
    double = np.corrcoef(np.concatenate([a, b]), np.concatenate([b, a]))[0, 1]
    assert pair_correlation(a, b) == pytest.approx(double)
    assert np.isnan(pair_correlation([2, 2], [2, 2]))


def test_a_known_correlation_is_found() -> None:
    a, b = pairs(4000, 0.5, 1)
    told = sister_test(a, b, np.arange(4000) % 8, permutations=199)
    assert told.correlation == pytest.approx(0.5, abs=0.05)
    assert told.p == 1 / 200
    assert (told.n_pairs, told.n_strata) == (4000, 8)


def test_what_a_well_has_in_common_is_no_inheritance() -> None:
    rng = np.random.default_rng(2)
    wells = np.repeat(np.arange(20), 15)
    common = rng.normal(0, 5, 20)[wells]
    a, b = common + rng.normal(size=300), common + rng.normal(size=300)
    assert pair_correlation(a, b) > 0.9, "test invalid"
    told = sister_test(a, b, wells, permutations=499)
    assert abs(told.correlation) < 0.15
    assert told.p > 0.02


def test_p_is_fair_under_the_null() -> None:
    rng = np.random.default_rng(3)
    p = [
        sister_test(*rng.integers(0, 2, (2, 30)), np.repeat([0, 1, 2], 10), 99, seed).p
        for seed in range(200)
    ]
    assert np.mean(np.array(p) <= 0.1) < 0.17


def test_few_pairs_cannot_reach_significance_and_say_so() -> None:
    told = sister_test([0, 1], [0, 1], ["a", "a"], permutations=99)
    assert told.smallest_p == pytest.approx(1 / 3)
    alone = sister_test([0.0], [1.0], ["a"])
    assert alone.n_pairs == 0
    assert np.isnan(alone.p)
    with pytest.raises(UsageError, match="strata"):
        sister_test([1], [1, 2], ["a"])
