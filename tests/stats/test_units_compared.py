"""Agreement and paired differences over units: twins, coverage of the idea, few units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lucyte.schema.errors import UsageError
from lucyte.stats.classification import auroc
from lucyte.stats.paired import fewest_for_sign_flip, paired_means, paired_score
from lucyte.stats.unit_agreement import agreement_over_units
from reference import decisions as twin


def measured(n: int = 12, bias: float = 2.0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(3)
    truth = rng.uniform(20, 80, n)
    return truth + bias + rng.normal(0, 3, n), truth, [f"w{k:02d}" for k in range(n)]


def test_bias_and_limits() -> None:
    mine, truth, units = measured()
    found = agreement_over_units(mine, truth, units)
    gap = mine - truth
    half = stats.t.ppf(0.975, 11) * gap.std(ddof=1)
    assert found.bias.estimate == pytest.approx(gap.mean())
    assert found.bias.high == pytest.approx(gap.mean() + half / math.sqrt(12))
    assert found.high.estimate == pytest.approx(gap.mean() + 1.96 * gap.std(ddof=1))
    far = half * math.sqrt(1 / 12 + 1.96**2 / 22)
    assert found.low.low == pytest.approx(found.low.estimate - far)
    assert found.concordance.estimate == pytest.approx(twin.concordance(truth, mine), abs=1e-9)
    assert found.concordance.low is not None and found.concordance.high is not None
    assert -1 < found.concordance.low < found.concordance.estimate < found.concordance.high < 1


def test_rows_of_a_unit_count_once() -> None:
    mine, truth, units = measured(6)
    twice = agreement_over_units(np.tile(mine, 5), np.tile(truth, 5), units * 5)
    once = agreement_over_units(mine, truth, units)
    assert twice.bias.n == 6
    assert (twice.bias.low, twice.bias.high) == pytest.approx((once.bias.low, once.bias.high))


def test_few_or_perfect_or_nothing() -> None:
    mine, truth, units = measured(5)
    found = agreement_over_units(mine, truth, units)
    assert (found.bias.low, found.low.high, found.concordance.low) == (None, None, None)
    assert found.concordance.method == "no interval: fewer than 6 units"
    same = agreement_over_units([1.0] * 7, [1.0] * 7, list("abcdefg"))
    assert math.isnan(same.concordance.estimate)
    with pytest.raises(UsageError, match="no unit has the readout in both"):
        agreement_over_units([1.0, math.nan], [math.nan, 2.0], ["a", "b"])


def test_paired_means_equal_the_twin() -> None:
    rng = np.random.default_rng(5)
    first, gain = rng.random(8), rng.normal(0.05, 0.05, 8)
    second = first + gain
    units = [f"u{k}" for k in range(8)]
    found = paired_means(first, second, units)
    assert found.test is not None and found.test.exact
    assert found.test.p == pytest.approx(twin.paired_exchange(first, second))
    assert found.difference.estimate == pytest.approx(gain.mean())
    told = stats.ttest_rel(second, first).confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx((told.low, told.high))
    assert stats.wilcoxon(gain).pvalue < 0.5  # the premise: most units gain


def test_a_score_over_rows_that_is_a_mean_agrees_with_paired_means() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.random(7), rng.random(7)
    units = list("abcdefg")

    def mean(rows: np.ndarray, turned: np.ndarray) -> float:
        return float(np.where(turned, second[rows], first[rows]).mean())

    pooled, plain = paired_score(mean, units), paired_means(first, second, units)
    assert pooled.test is not None and plain.test is not None
    assert pooled.test.p == pytest.approx(plain.test.p)
    # the jackknife of a mean is its t interval
    assert pooled.difference.low == pytest.approx(plain.difference.low)
    assert (pooled.first, pooled.second) == pytest.approx((first.mean(), second.mean()))


def test_auroc_of_two_models() -> None:
    rng = np.random.default_rng(7)
    n = 200
    y = np.arange(n) % 2 == 1
    units = [f"w{k // 20}" for k in range(n)]
    good, poor = rng.normal(y * 2.0, 1), rng.normal(y * 0.2, 1)

    def score(rows: np.ndarray, turned: np.ndarray) -> float:
        return auroc(np.where(turned, poor[rows], good[rows]), y[rows])

    found = paired_score(score, units)
    assert found.difference.high is not None and found.difference.high < 0
    assert found.test is not None and found.test.exact and found.test.p <= 0.01


def test_undefined_and_few() -> None:
    nothing = paired_means([math.nan], [1.0], ["a"])
    assert nothing.test is None and nothing.difference.n == 0
    assert fewest_for_sign_flip() == 6
    with pytest.raises(UsageError, match="pair them"):
        paired_means([1.0], [1.0, 2.0], ["a"])
