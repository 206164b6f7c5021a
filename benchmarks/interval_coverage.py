"""Coverage of the 95 % intervals over units, and false alarms of the permutation tests.

    python benchmarks/interval_coverage.py [data sets] [row ...]

Cells of a unit resemble each other (unit and cell deviations are drawn apart). The truth is
known, so each interval covers it or not; under the null each p <= alpha is a false alarm.
The tables of docs/intervals.md. Nothing here is asserted; the tables are read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import norm, rankdata

from lucyte.stats.association import rank_correlation_interval
from lucyte.stats.intervals import (
    Interval,
    unit_difference_interval,
    unit_mean_interval,
    unit_proportion_interval,
)
from lucyte.stats.permutation import permutation_test, sign_flip_test
from lucyte.stats.roc import auroc_interval

UNITS = (6, 10, 20, 50)
WORLDS = (
    "mean",
    "skewed mean",
    "proportion .3",
    "proportion .05",
    "AUROC .71",
    "AUROC .94",
    "mixed AUROC .71",
    "difference",
    "rank correlation 0",
    "rank correlation .45",
    "rank correlation .76",
)
TESTS = ("exchange of two groups", "sign flip", "rank correlation")
ALPHA = 0.05
PERMUTATIONS = 199


def draw(world: str, count: int, rng: np.random.Generator, seed: int) -> tuple[Interval, float]:
    """One data set of one world: its interval and the truth."""
    sizes = rng.poisson(20, count) + 3
    at = np.repeat(np.arange(count), sizes)
    units = at.astype(str)
    kind, size = " ".join(world.split()[:-1]) or world, world.split()[-1]
    if world == "mean":
        values = 2 + rng.normal(size=count)[at] + rng.normal(size=len(at))
        return unit_mean_interval(values, units, seed=seed), 2.0
    if world == "skewed mean":
        values = rng.gamma(4.0, 0.25, count)[at] * rng.gamma(2.0, 0.5, len(at))
        return unit_mean_interval(values, units, seed=seed), 1.0
    if kind == "proportion":
        p = float(size)
        own = rng.beta(p * 10, (1 - p) * 10, count)[at]
        return unit_proportion_interval(rng.random(len(at)) < own, units), p
    if world == "difference":
        second = at % 3 == 0  # groups of unequal size and spread
        values = np.where(second, 1.0 + 2 * rng.normal(size=count)[at], rng.normal(size=count)[at])
        return unit_difference_interval(values + rng.normal(size=len(at)), units, second), 1.0
    if kind == "rank correlation":
        rank = float(size)
        linear = 2 * np.sin(np.pi * rank / 6)  # the normal pair with this rank correlation
        pair = rng.normal(size=(2, count))
        other = linear * pair[0] + np.sqrt(1 - linear**2) * pair[1]
        return rank_correlation_interval(pair[0], other), rank
    truth, spread = float(size), 0.5
    shift = float(norm.ppf(truth)) * np.sqrt(2 * (1 + spread**2))
    own = spread * rng.normal(size=count)
    # A well is fed or starved; a field can hold both, and then units share their deviation.
    positive = at % 2 == 0 if kind == "AUROC" else rng.random(len(at)) < 0.4
    scores = shift * positive + own[at] + rng.normal(size=len(at))
    return auroc_interval(scores, positive, units, seed=seed), truth


def null_p(test: str, count: int, rng: np.random.Generator, seed: int) -> float:
    """p of one test on one data set in which there is nothing to find."""
    means = rng.gamma(2.0, 1.0, count)  # skewed: exchange asks for no normal units
    if test == "sign flip":
        return sign_flip_test(means * rng.choice((-1.0, 1.0), count), PERMUTATIONS, seed).p
    if test == "rank correlation":
        ranks, other = (
            rankdata(each) - (count + 1) / 2 for each in (means, rng.normal(size=count))
        )

        def agreement(dealt: np.ndarray) -> float:
            return float(dealt @ other)

        return permutation_test(agreement, ranks.tolist(), "two-sided", PERMUTATIONS, seed).p
    sides = np.arange(count) % 2

    def difference(dealt: np.ndarray) -> float:
        return float(means[dealt == 1].mean() - means[dealt == 0].mean())

    return permutation_test(difference, sides.tolist(), "two-sided", PERMUTATIONS, seed).p


def table(rows: Sequence[str], cell: Callable[[str, int], str]) -> None:
    """Print one row per world or test, one column per number of units, as Markdown."""
    print("| | " + " | ".join(f"{n} units" for n in UNITS) + " |")
    print("| --- " * (len(UNITS) + 1) + "|")
    for row in rows:
        print(f"| {row} | " + " | ".join(cell(row, n) for n in UNITS) + " |", flush=True)


def main(sets: int = 1000, rows: Sequence[str] = (*WORLDS, *TESTS)) -> None:
    """Print the share of intervals that hold the truth (mean width), and of p <= 0.05."""

    def coverage(world: str, count: int) -> str:
        rng = np.random.default_rng([count, WORLDS.index(world)])
        got = [draw(world, count, rng, k) for k in range(sets)]
        inside = np.mean([i.low <= t <= i.high for i, t in got])  # type: ignore[operator]
        width = np.mean([i.high - i.low for i, _ in got])  # type: ignore[operator]
        return f"{inside:.3f} ({width:.2f})"

    def alarms(test: str, count: int) -> str:
        rng = np.random.default_rng([count, 100 + TESTS.index(test)])
        return f"{np.mean([null_p(test, count, rng, k) <= ALPHA for k in range(sets)]):.3f}"

    table([row for row in WORLDS if row in rows], coverage)
    print()
    table([row for row in TESTS if row in rows], alarms)


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(int(asked[0]) if asked else 1000, asked[1:] or (*WORLDS, *TESTS))
