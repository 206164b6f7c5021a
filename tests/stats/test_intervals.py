"""Intervals follow the charter: none below 6 units, t to 30, bootstrap above."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from lucyte.schema.errors import UsageError
from lucyte.stats.intervals import (
    cluster_interval,
    grouped_jackknife,
    inside,
    unit_difference_interval,
    unit_mean_interval,
    unit_means,
    unit_proportion_interval,
    unit_score_interval,
)
from lucyte.stats.roc import auroc_interval, unit_pairs
from reference.intervals import clustered_auroc, mean_and_error


def cells(count: int, per_unit: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    units = np.repeat([f"w{k:02d}" for k in range(count)], per_unit)
    return rng.normal(size=count)[np.repeat(np.arange(count), per_unit)] + rng.normal(
        size=len(units)
    ), units


def test_unit_means_count_each_unit_once() -> None:
    names, means = unit_means([1, 1, 1, 1, 5, np.nan], ["b", "b", "b", "b", "a", "a"])
    assert names == ("a", "b")
    assert means.tolist() == [5.0, 1.0]
    assert unit_mean_interval([1, 1, 1, 1, 5], ["b", "b", "b", "b", "a"]).estimate == 3.0


def test_five_units_give_no_interval() -> None:
    interval = unit_mean_interval(*cells(5))
    assert (interval.low, interval.high, interval.n) == (None, None, 5)
    assert interval.method == "no interval: fewer than 6 units"


@pytest.mark.parametrize("count", [6, 30])
def test_mean_is_t_on_unit_means(count: int) -> None:
    values, units = cells(count)
    centre, error = mean_and_error(values.tolist(), units.tolist())
    interval = unit_mean_interval(values, units)
    q = student.ppf(0.975, count - 1)
    assert interval.method == "t on unit means"
    assert interval.estimate == pytest.approx(centre, abs=1e-9)
    assert interval.low == pytest.approx(centre - q * error, abs=1e-9)
    assert interval.high == pytest.approx(centre + q * error, abs=1e-9)


def test_cells_do_not_narrow_an_interval() -> None:
    values, units = cells(8)
    once = unit_mean_interval(values, units)
    often = unit_mean_interval(np.tile(values, 50), np.tile(units, 50))
    assert often.n == once.n == 8
    assert often.low == pytest.approx(once.low)


def test_many_units_bootstrap_and_repeat() -> None:
    values, units = cells(40)
    first, second = unit_mean_interval(values, units), unit_mean_interval(values, units)
    centre, error = mean_and_error(values.tolist(), units.tolist())
    assert first == second
    assert first.method == "bootstrap-t over units"
    assert first.low == pytest.approx(centre - 2.02 * error, abs=0.4 * error)
    assert first.high == pytest.approx(centre + 2.02 * error, abs=0.4 * error)


def test_a_proportion_stays_inside_and_keeps_a_width() -> None:
    units = np.repeat(list("abcdefg"), 30)
    certain = unit_proportion_interval(np.ones(210), units)
    assert certain.high == 1.0
    assert certain.low is not None
    assert certain.low < 0.7
    mixed = unit_proportion_interval(np.random.default_rng(1).random(210) < 0.2, units)
    assert mixed.low is not None
    assert 0 < mixed.low < 0.2 < (mixed.high or 0)
    with pytest.raises(UsageError, match="values from 0 to 1"):
        unit_proportion_interval([0, 2], ["a", "b"])


def test_difference_is_welch_over_units_and_refuses_mixed_units() -> None:
    from scipy.stats import ttest_ind

    values, units = cells(9)
    second = np.isin(units, ["w00", "w01", "w02"])
    interval = unit_difference_interval(values, units, second)
    means = unit_means(values, units)[1]
    wanted = ttest_ind(means[:3], means[3:], equal_var=False).confidence_interval(0.95)
    assert interval.low == pytest.approx(wanted.low, abs=1e-9)
    assert interval.high == pytest.approx(wanted.high, abs=1e-9)
    with pytest.raises(UsageError, match="unit 'w00' lies in both groups"):
        unit_difference_interval(values, units, np.arange(len(units)) % 2 == 0)


def test_general_interval_equals_t_for_a_mean() -> None:
    values, units = cells(12)
    general = cluster_interval(lambda rows: float(values[rows].mean()), units)
    mean = unit_mean_interval(values, units)
    assert general.low == pytest.approx(mean.low, abs=1e-9)
    more, names = cells(40)
    many = cluster_interval(lambda rows: float(np.median(more[rows])), names)
    assert many.method == "BCa bootstrap over units"
    assert many.low is not None
    assert many.low < many.estimate < (many.high or -1)


@pytest.mark.parametrize("nested", [True, False])
def test_auroc_and_its_variance_follow_obuchowski(nested: bool) -> None:
    rng = np.random.default_rng(3)
    units = rng.integers(0, 8, 90)
    positive = units % 2 == 0 if nested else rng.random(90) < 0.4
    scores = np.round(rng.normal(size=90) + positive + units / 8, 1)
    assert len(np.unique(scores)) < 90, "the test needs ties"
    theta, variance = clustered_auroc(scores.tolist(), positive.tolist(), units.tolist())
    interval = auroc_interval(scores, positive, units, weight="cells")
    q = student.ppf(0.975, 8 - (2 if nested else 1))
    logit = np.log(theta / (1 - theta))
    error = np.sqrt(variance) / (theta * (1 - theta))
    assert interval.estimate == pytest.approx(theta, abs=1e-9)
    assert interval.low == pytest.approx(1 / (1 + np.exp(-(logit - q * error))), abs=1e-9)
    assert interval.high == pytest.approx(1 / (1 + np.exp(-(logit + q * error))), abs=1e-9)
    assert interval.n == 8


def test_units_weigh_the_same_whatever_they_hold() -> None:
    scores = np.r_[np.full(100, 1.0), 3.0, 2.0, 2.0]
    units = ["a"] * 100 + ["b", "c", "d"]
    positive = np.r_[np.ones(101, bool), False, False]
    assert auroc_interval(scores, positive, units, "cells").estimate == pytest.approx(1 / 101)
    assert auroc_interval(scores, positive, units, "units").estimate == 0.5
    assert unit_pairs(scores, positive, units).rates()[1, 2] == 1.0


def test_perfect_separation_keeps_a_width() -> None:
    units = np.repeat(list("abcdefgh"), 10)
    positive = np.isin(units, list("abcd"))
    for sign in (1, -1):
        interval = auroc_interval(sign * positive.astype(float), positive, units)
        assert interval.method == "Newcombe score with t over units"
        assert interval.low is not None
        assert interval.high is not None
        assert 0.3 < interval.high - interval.low < 0.7
    equal = auroc_interval(np.zeros(80), positive, units)
    assert equal.estimate == 0.5
    assert (equal.low or 1) < 0.3


def test_auroc_over_many_units_is_bootstrapped() -> None:
    values, units = cells(40)
    positive = np.isin(units, [f"w{k:02d}" for k in range(20)])
    interval = auroc_interval(values + 0.7 * positive, positive, units)
    assert interval.method == "bootstrap-t over units on the logit"
    assert 0 < (interval.low or 0) < interval.estimate < (interval.high or 0) < 1


def test_one_class_is_undefined_with_a_reason() -> None:
    interval = auroc_interval([1, 2], [True, True], ["a", "b"])
    assert np.isnan(interval.estimate)
    assert interval.method == "undefined: only one class is there"
    units = [f"w{k:02d}" for k in range(20)]
    lone = auroc_interval(np.arange(20.0), np.arange(20) == 19, units)
    assert (lone.low, lone.method) == (None, "no interval: fewer than 2 units of a class")
    few = auroc_interval([1, 2, 3, 4], [True, True, False, False], list("abcd"))
    assert few.method == "no interval: fewer than 6 units"
    with pytest.raises(UsageError, match="nan or infinite"):
        auroc_interval([np.nan, 2], [True, False], ["a", "b"])


def test_one_that_failed_of_many_alike_is_not_certainty() -> None:
    """A third of the resamples hold no spread; leaving those out put the lower end at the mean."""
    scores = np.array([0.0, *np.ones(30)])
    names = [f"image {k:02d}" for k in range(31)]
    plain = unit_mean_interval(scores, names)
    assert plain.method == "t on unit means" and plain.low < 0.93
    kept = unit_score_interval(scores, names, (0, 1))
    assert kept.low < 0.87 and 0.99 < kept.high <= 1
    assert kept.estimate == pytest.approx(scores.mean())
    halves = np.array([*np.ones(31), *np.zeros(31)], dtype=bool)
    both = unit_difference_interval(
        [*scores, *scores[::-1]], [*names, *(f"b{name}" for name in names)], halves
    )
    assert both.low < -0.06 and both.high > 0.06


@pytest.mark.parametrize("count", [12, 30, 31, 60])
def test_scores_that_are_mostly_perfect_are_covered(count: int) -> None:
    rng = np.random.default_rng(count)
    names = [f"{k:03d}" for k in range(count)]
    bad = rng.random((400, count)) < 0.05
    values = np.where(bad, rng.uniform(0, 0.6, bad.shape), 1.0)
    mean = 0.05 * 0.3 + 0.95
    held = [
        found.low <= mean <= found.high
        for found in (unit_score_interval(row, names, (0, 1)) for row in values)
    ]
    assert np.mean(held) >= 0.93


def test_a_score_between_other_bounds_or_none() -> None:
    values, names = np.linspace(-0.5, 0.7, 9), [str(k) for k in range(9)]
    wide = unit_score_interval(values, names, (-1, 1))
    assert -1 <= wide.low < values.mean() < wide.high <= 1
    free = unit_score_interval(values, names, (0, np.inf))
    assert free == unit_mean_interval(values, names)


def test_many_units_are_left_out_by_groups() -> None:
    rng = np.random.default_rng(0)
    units = [f"{k:04d}" for k in range(1000) for _ in range(3)]
    wells = np.repeat(rng.normal(0, 1, 1000), 3) + rng.normal(0, 0.2, 3000)
    found = grouped_jackknife(lambda rows: float(wells[rows].mean()), units)
    exact = unit_mean_interval(wells, units)
    assert found.n == 1000 and found.estimate == pytest.approx(exact.estimate)
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.2)
    lost = grouped_jackknife(lambda rows: np.nan, units)
    assert lost.low is None and lost.n == 1000


def test_a_share_that_is_perfect_everywhere_has_a_width() -> None:
    names = [f"w{k}" for k in range(8)]
    perfect = inside(cluster_interval(lambda rows: 1.0, names))
    assert perfect.estimate == perfect.high == 1
    assert perfect == unit_proportion_interval(np.ones(8), names)
    wide = inside(unit_mean_interval([0.9, 1, 1, 0.7, 1, 1], names[:6]))
    assert wide.high == 1 and 0.7 < wide.low < 0.9
    assert inside(unit_mean_interval([0.9, 1], names[:2])).low is None


def test_an_auroc_that_few_units_spoil_is_covered() -> None:
    """Resamples without the units that fail have no spread; without them 0.67 was covered."""
    names = np.repeat([f"u{k:02d}" for k in range(40)], 3)
    positive = np.repeat(np.arange(40) < 20, 3)
    held = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = 5 * positive + 0.3 * rng.normal(size=120)
        scores[np.repeat((rng.random(40) < 0.06) & (np.arange(40) < 20), 3)] -= 10
        found = auroc_interval(scores, positive, names)
        held.append(found.low <= 0.94 <= found.high)
    assert np.mean(held) >= 0.93
