"""Rank correlation over units, its interval and its power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.stats.association import (
    rank_correlation,
    rank_correlation_interval,
    rank_correlation_power,
)
from lucyte.stats.power import one_sample_power, t_power
from reference.association import spearman


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_rank_correlation_equals_its_slow_twin(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    fast, slow = rank_correlation(a, b), spearman(a, b)
    assert fast == pytest.approx(slow, abs=1e-9) or (math.isnan(fast) and math.isnan(slow))


def test_rank_correlation_agrees_with_scipy() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 40), rng.normal(size=40)
    assert rank_correlation(a, b) == pytest.approx(float(spearmanr(a, b).statistic), abs=1e-12)


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"a correlation needs pairs, got \(2,\) and \(3,\)"):
        rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="needs known numbers"):
        rank_correlation([1, math.nan], [1, 2])
    with pytest.raises(UsageError, match="at least 4 units, got 3"):
        rank_correlation_power(0.5, 3)
    with pytest.raises(UsageError, match="at least 2 units, got 1"):
        one_sample_power(0.5, 1)
    assert math.isnan(rank_correlation([1], [2]))


def test_interval_by_hand() -> None:
    """r = 0.5 over 12 units: atanh(r) +- 1.96 sqrt(1.125 / 9)."""
    x = np.arange(12.0)
    y = np.array([2, 0, 5, 1, 11, 3, 4, 9, 6, 10, 7, 8.0])
    found = rank_correlation_interval(x, y)
    r = spearman(list(x), list(y))
    half = 1.959963984540054 * math.sqrt((1 + r * r / 2) / 9)
    assert found.estimate == pytest.approx(r)
    assert found.low == pytest.approx(math.tanh(math.atanh(r) - half))
    assert found.high == pytest.approx(math.tanh(math.atanh(r) + half))
    assert found.n == 12


def test_edges_of_the_interval() -> None:
    few = rank_correlation_interval([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert (few.low, few.estimate, few.method) == (None, 1.0, "no interval: fewer than 6 units")
    flat = rank_correlation_interval([1.0] * 8, list(range(8)))
    assert flat.low is None
    assert flat.method == "undefined: one side does not vary"
    whole = rank_correlation_interval(list(range(8)), list(range(8)))
    assert whole.high == 1.0
    assert whole.low is not None
    assert 0.8 < whole.low < 0.95


def test_power_against_known_values() -> None:
    # G*Power: one-sample t, d = 0.5, n = 34, two-sided 0.05
    assert one_sample_power(0.5, 34) == pytest.approx(0.8077775, abs=1e-6)
    assert one_sample_power(0.0, 10) == pytest.approx(0.05, abs=1e-9)
    assert one_sample_power(1e6, 6) == t_power(1e6, (3, 3)) == 1.0
    # Fisher's z: atanh(0.5) sqrt(26) = 2.8009; 1.95996 lies 0.8409 below
    assert rank_correlation_power(0.5, 29) == pytest.approx(0.79981, abs=1e-4)
    assert rank_correlation_power(0.0, 20) == pytest.approx(0.05, abs=1e-9)
