"""Coverage of the 95 % intervals over units: python benchmarks/interval_coverage.py [data sets].

Cells of a unit resemble each other (unit and cell deviations are drawn apart). The truth is
known, so each interval covers it or not. Nothing here is asserted; the table is read.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import norm

from lucyte.stats.intervals import Interval, unit_mean_interval, unit_proportion_interval
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
)


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
    truth, spread = float(size), 0.5
    shift = float(norm.ppf(truth)) * np.sqrt(2 * (1 + spread**2))
    own = spread * rng.normal(size=count)
    # A well is fed or starved; a field can hold both, and then units share their deviation.
    positive = at % 2 == 0 if kind == "AUROC" else rng.random(len(at)) < 0.4
    scores = shift * positive + own[at] + rng.normal(size=len(at))
    return auroc_interval(scores, positive, units, seed=seed), truth


def main(sets: int = 2000) -> None:
    """Print the share of intervals that hold the truth and their mean width."""
    print(f"{'':18s}" + "".join(f"{n:>5d} units     " for n in UNITS))
    for world in WORLDS:
        cells = []
        for count in UNITS:
            rng = np.random.default_rng([count, WORLDS.index(world)])
            got = [draw(world, count, rng, k) for k in range(sets)]
            inside = np.mean([i.low <= t <= i.high for i, t in got])  # type: ignore[operator]
            width = np.mean([i.high - i.low for i, _ in got])  # type: ignore[operator]
            cells.append(f"{inside:7.3f} ({width:.2f}) ")
        print(f"{world:18s}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
