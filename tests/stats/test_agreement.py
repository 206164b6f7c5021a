"""Agreement of two measurements or two people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.agreement import (
    concordance,
    kappa,
    limits_of_agreement,
    why_no_concordance,
)


def test_bias_and_limits_by_hand() -> None:
    got = limits_of_agreement([2, 4, 6, np.nan], [1, 2, 3, 4])
    assert (got.bias, got.sd, got.n) == (2.0, 1.0, 3)
    assert (got.low, got.high) == pytest.approx((0.04, 3.96))
    assert math.isnan(limits_of_agreement([1], [2]).sd)
    with pytest.raises(UsageError, match="pair one to one"):
        limits_of_agreement([1, 2], [1])


def test_concordance_punishes_shift_and_scale() -> None:
    x = np.arange(10.0)
    assert concordance(x, x) == pytest.approx(1)
    assert np.corrcoef(x, 2 * x + 5)[0, 1] == pytest.approx(1)
    slow = 2 * np.mean((x - 4.5) * (2 * x - 9)) / (x.var() + 4 * x.var() + (9.5) ** 2)
    assert concordance(x, 2 * x + 5) == pytest.approx(slow, abs=1e-9)
    assert math.isnan(concordance([1, 1], [1, 1]))


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([], [], "fewer than 2 pairs"),
        ([5], [3], "fewer than 2 pairs"),
        ([5, math.nan], [3, 4], "fewer than 2 pairs"),
        ([5, 5], [3, 3], "neither of both varies"),
        ([5, 5], [3, 4], ""),
    ],
)
def test_concordance_needs_pairs_that_vary(a: list[float], b: list[float], why: str) -> None:
    assert why_no_concordance(a, b) == why
    assert math.isnan(concordance(a, b)) == bool(why)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_equals_sklearn(weights: str) -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 80).tolist()
    b = [int(x) if rng.random() < 0.6 else int(rng.integers(0, 4)) for x in a]
    wanted = cohen_kappa_score(a, b, weights=None if weights == "none" else weights)
    assert kappa(a, b, weights=weights) == pytest.approx(wanted, abs=1e-9)  # type: ignore[arg-type]
    assert math.isnan(kappa(["x"], ["x"]))
