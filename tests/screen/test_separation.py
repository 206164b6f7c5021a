"""Z' and SSMD against their definitions; intervals against worlds whose value is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lucyte.screen.quality import z_prime
from lucyte.screen.separation import separation
from lucyte.screen.ssmd import _ssmd, ssmds
from lucyte.screen.z_prime import _summed, z_primes
from reference import screening


@pytest.fixture
def wells() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(-2, 0.4, 9), rng.normal(3, 0.7, 7)


def test_as_defined(wells: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = (values.tolist() for values in wells)
    mean, robust, pooled = z_primes(a, b)
    assert mean.value == pytest.approx(screening.z_prime(a, b))
    assert robust.value == pytest.approx(screening.z_prime(a, b, robust=True))
    spread = math.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))
    assert pooled.value == pytest.approx(1 - 3 * spread / abs(np.mean(a) - np.mean(b)))
    assert pooled.value > mean.value
    told = ssmds(a, b)
    assert told[0].value == pytest.approx(screening.ssmd(a, b))
    assert ssmds(b, a)[0].value == pytest.approx(-told[0].value)


def test_agrees_with_the_older_z_prime(wells: tuple[np.ndarray, np.ndarray]) -> None:
    old, new = z_prime(*wells), z_primes(*wells)
    assert (new[0].value, new[1].value) == pytest.approx((old.mean, old.robust))


def test_intervals_follow_the_number_of_wells(wells: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = wells
    mean, robust, _ = z_primes(a, b)
    assert mean.low is not None and mean.high is not None
    assert mean.low < mean.value < mean.high
    assert mean.method == "generalised pivots of normal well means"
    assert robust.low is None and robust.method == "no interval for medians below 31 wells"
    few = z_primes(a[:3], b[:2])[0]
    assert math.isnan(few.value)
    assert few.why == "3 and 2 wells; a spread needs at least 3 wells of each kind."
    rng = np.random.default_rng(0)
    many = z_primes(rng.normal(0, 1, 30), rng.normal(9, 1, 30))
    assert many[1].low is not None and many[1].method == "BCa bootstrap over wells"
    assert z_primes([1, 1, 1], [1, 1, 1])[0].why.startswith("both kinds of well have the same")


def test_interval_covers() -> None:
    """95 % intervals of 6 against 6 wells hold the true value in 95 of 100 cases."""
    rng = np.random.default_rng(1)
    true_z, true_b = 1 - 3 * (0.5 + 1.0) / 8, 8 / math.hypot(0.5, 1.0)
    held = np.zeros(2)
    trials = 120
    for _ in range(trials):
        a, b = rng.normal(0, 0.5, 6), rng.normal(8, 1.0, 6)
        told = (separation("Z'", _summed, a, b), separation("SSMD", _ssmd, a, b))
        for at, (found, truth) in enumerate(zip(told, (true_z, true_b), strict=True)):
            assert found.low is not None and found.high is not None
            held[at] += found.low <= truth <= found.high
    assert (held / trials > 0.90).all() and (held / trials < 0.995).all()
