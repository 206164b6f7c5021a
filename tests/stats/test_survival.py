"""Survival curves against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.survival import kaplan_meier, turnbull
from reference.survival import kaplan_meier_at


def test_by_hand() -> None:
    curve = kaplan_meier([1, 2, 2, 3, 4], [True, True, False, True, False])
    assert curve.times.tolist() == [1, 2, 3]
    np.testing.assert_allclose(curve.survival, [0.8, 0.6, 0.3])
    np.testing.assert_allclose(curve.at([0, 1, 2.5, 9]), [1, 0.8, 0.6, 0.3])
    assert curve.median() == 3
    assert curve.restricted_mean(3) == pytest.approx(1 + 0.8 + 0.6)
    assert (curve.n, curve.n_events) == (5, 3)


def test_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    entries = rng.integers(0, 3, 60).astype(float)
    durations = entries + rng.integers(1, 12, 60)
    events = rng.random(60) < 0.6
    curve = kaplan_meier(durations, events, entries)
    for k, time in enumerate(curve.times):
        survival, greenwood = kaplan_meier_at(durations, events, entries, time)
        assert curve.survival[k] == pytest.approx(survival)
        if 0 < survival < 1:
            width = 1.959964 * np.sqrt(greenwood) / np.log(survival)
            assert curve.low[k] == pytest.approx(survival ** np.exp(-width), rel=1e-5)
            assert curve.high[k] == pytest.approx(survival ** np.exp(width), rel=1e-5)
            assert curve.low[k] < survival < curve.high[k]


def test_turnbull_is_the_product_limit_when_ends_are_known() -> None:
    rng = np.random.default_rng(1)
    durations = rng.integers(1, 9, 50).astype(float)
    events = rng.random(50) < 0.7
    exact = kaplan_meier(durations, events)
    upper = np.where(events, durations, np.inf)
    lower = np.where(events, durations - 1e-6, durations)
    found = turnbull(lower, upper, tolerance=1e-10)
    np.testing.assert_allclose(found.at(exact.times), exact.survival, atol=1e-4)


def test_turnbull_with_looks_far_apart_finds_an_exponential() -> None:
    rng = np.random.default_rng(2)
    time = rng.exponential(4.0, 4000)
    lower = np.floor(time)
    upper = np.where(lower >= 8, np.inf, lower + 1)
    lower = np.minimum(lower, 8)
    found = turnbull(lower, upper)
    np.testing.assert_allclose(found.at([1, 4, 8]), np.exp([-0.25, -1, -2]), atol=0.02)


def test_nothing_and_everything_censored() -> None:
    assert kaplan_meier([], []).n == 0
    censored = kaplan_meier([3.0, 4.0], [False, False])
    assert censored.at([10]).tolist() == [1.0]
    assert np.isnan(censored.median())
    assert turnbull([], []).n == 0
    assert turnbull([1.0, 2.0], [np.inf, np.inf]).at([5]).tolist() == [1.0]


def test_refusals() -> None:
    with pytest.raises(UsageError, match="cannot end before it was first watched"):
        kaplan_meier([1.0], [True], [2.0])
    with pytest.raises(UsageError, match="finite and not negative"):
        kaplan_meier([np.nan], [True])
    with pytest.raises(UsageError, match="0 <= lower < upper"):
        turnbull([2.0], [2.0])
    with pytest.raises(UsageError, match="one of each per spell"):
        kaplan_meier([1.0, 2.0], [True])
