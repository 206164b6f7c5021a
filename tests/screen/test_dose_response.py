"""Curves whose EC50 is known, and those that have none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.dose_response import _flat_p, _log, _turning, fit_dose_response
from reference import screening

DOSES = np.array([0.03, 0.1, 0.3, 1.0, 3.0, 10.0])


def series(
    rng: np.random.Generator, ec50: float, top: float = 1.0, noise: float = 0.1, n: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    x = np.concatenate([np.zeros(6), np.repeat(DOSES, n)])
    y = np.array([screening.four_parameters(d, 0.0, top, ec50, 1.5) for d in x])
    return x, y + rng.normal(0, noise, len(x))


def test_exact_curve_is_found_again() -> None:
    x, y = series(np.random.default_rng(0), 0.7, noise=0.0)
    found = fit_dose_response(x, y, permutations=99)
    assert found.ec50 == pytest.approx(0.7, rel=1e-3)
    assert (found.bottom, found.top, found.hill) == pytest.approx((0, 1, 1.5), abs=1e-2)
    assert found.inside and found.why == "" and found.p == 0.01
    expected = [screening.four_parameters(d, 0.0, 1.0, 0.7, 1.5) for d in (0, 0.2, 5)]
    np.testing.assert_allclose(found.at([0, 0.2, 5]), expected, atol=1e-3)


def test_falling_curves_too() -> None:
    x, y = series(np.random.default_rng(1), 2.0, top=-3.0, noise=0.05)
    found = fit_dose_response(x, y, permutations=99)
    assert found.top < found.bottom and found.ec50 == pytest.approx(2.0, rel=0.15)


def test_best_fit_is_scipys() -> None:
    from scipy.optimize import curve_fit

    x, y = series(np.random.default_rng(2), 0.5, noise=0.15)

    def curve(d: np.ndarray, b: float, t: float, log_ec50: float, h: float) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return b + (t - b) / (1 + (10**log_ec50 / d) ** h)

    theirs, _ = curve_fit(curve, x, y, p0=(0, 1, -0.3, 1.5))
    found = fit_dose_response(x, y, permutations=99)
    assert math.log10(found.ec50) == pytest.approx(theirs[2], abs=0.01)


def test_profile_interval_covers() -> None:
    rng = np.random.default_rng(3)
    held = 0
    trials = 40
    for _ in range(trials):
        found = fit_dose_response(*series(rng, 0.6, noise=0.15), permutations=19)
        low = found.low if found.low is not None else 0
        high = found.high if found.high is not None else math.inf
        held += low <= 0.6 <= high
    assert 0.85 <= held / trials <= 1


def test_flat_has_no_ec50() -> None:
    rng = np.random.default_rng(4)
    found = fit_dose_response(*series(rng, 1.0, top=0.0), permutations=199)
    assert math.isnan(found.ec50) and found.low is None
    assert found.why.startswith("no dependence on the dose shown (p = ")
    assert math.isnan(found.at([1.0])[0])


def test_flat_is_called_dose_dependent_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(5)
    grid = np.arange(-3.5, 3.0, 0.05)
    told = []
    for seed in range(200):
        x, y = series(rng, 1.0, top=0.0)
        told.append(_flat_p(_log(x), y, grid, 39, seed) <= 0.05)
    assert np.mean(told) < 0.09


def test_outside_the_tested_doses() -> None:
    rng = np.random.default_rng(6)
    found = fit_dose_response(*series(rng, 60.0, top=4.0, noise=0.03), permutations=99)
    assert not found.inside
    assert found.why == "EC50 outside the tested doses, above 10"


def test_a_curve_that_turns_back_has_no_single_ec50() -> None:
    rng = np.random.default_rng(7)
    x = np.repeat(DOSES, 4)
    y = np.repeat([0.0, 0.5, 1.0, 1.0, 0.3, -0.2], 4) + rng.normal(0, 0.05, 24)
    found = fit_dose_response(x, y, permutations=199)
    assert found.monotone_p < 0.01 and math.isnan(found.ec50)
    assert found.why.startswith("means turn back as the dose rises")


def test_nearest_order_is_pool_adjacent_violators() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        means, n = rng.normal(0, 1, 6), rng.integers(1, 5, 6).astype(float)
        near = np.array(screening.isotonic(means.tolist(), n.tolist()))
        expected = float((n * (means - near) ** 2).sum())
        assert _turning(means[None], n, True)[0] == pytest.approx(expected)


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"needs at least 4 doses above 0, got 3 \(0.1, 1, 10\)"):
        fit_dose_response([0, 0.1, 1, 10] * 3, range(12))
    with pytest.raises(UsageError, match="dose -1: doses are 0"):
        fit_dose_response([-1, 1, 2, 3, 4, 5], range(6))
    with pytest.raises(UsageError, match="at least 6 wells, got 4"):
        fit_dose_response([1, 2, 3, 4], range(4))
    with pytest.raises(UsageError, match="one dose per well"):
        fit_dose_response([1, 2], [1])
