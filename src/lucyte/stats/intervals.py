"""Intervals over independent units: none below 6, small-sample to 30, cluster bootstrap above."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Names = Sequence[str] | npt.NDArray[Any]

FEWEST = 6
"""Fewer independent units than this: show the points, no interval."""
FEWEST_TO_REASSURE = 4
"""Units that, all on one side, are evidence although they allow no interval."""
SMALL = 30
"""Up to this many units: a small-sample interval; above: cluster bootstrap."""
RESAMPLES = 1999


@dataclass(frozen=True)
class Interval:
    """An estimate and how far it may be believed.

    Attributes
    ----------
    estimate : float
        nan where undefined.
    low, high : float or None
        None where there are too few units for an interval.
    n : int
        Independent units.
    method : str
        How the interval was made, or why there is none.
    """

    estimate: float
    low: float | None
    high: float | None
    n: int
    method: str


def unit_means(values: npt.ArrayLike, units: Names) -> tuple[tuple[str, ...], Floats]:
    """The mean of the values of each unit, units in sorted order.

    Parameters
    ----------
    values : array N
        One value per cell (or field); nan is left out.
    units : sequence of N names
        The independent unit of each.

    Raises
    ------
    UsageError
        Lengths differ, or no value is known.
    """
    x, names = _check(values, units)
    known = np.isfinite(x)
    if not known.any():
        raise UsageError("no value is known in any unit; nothing to average.")
    found, inverse = np.unique(names[known], return_inverse=True)
    means = np.bincount(inverse, weights=x[known]) / np.bincount(inverse)
    return tuple(str(name) for name in found), means


def unit_mean_interval(
    values: npt.ArrayLike, units: Names, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean over units of the unit means: every unit counts once, however many cells it holds.

    6 to 30 units: Student's t on the unit means. More: bootstrap-t over units, unless resamples
    without any spread occur (nearly all units alike), of which nothing can be said: t again.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 12.
    """
    _, means = unit_means(values, units)
    n, estimate = len(means), float(means.mean())
    if n < FEWEST:
        return _too_few(estimate, n)
    error = float(means.std(ddof=1)) / math.sqrt(n)
    draws = spread = np.zeros(0)
    if n > SMALL and error > 0:
        draws = means[np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))]
        spread = draws.std(axis=1, ddof=1) / math.sqrt(n)
    if not (spread.size and spread.all()):
        q = float(student.ppf(0.5 + level / 2, n - 1))
        return Interval(estimate, estimate - q * error, estimate + q * error, n, "t on unit means")
    low, high = studentised(estimate, error, draws.mean(axis=1), spread, level)
    return Interval(estimate, low, high, n, "bootstrap-t over units")


def unit_proportion_interval(
    successes: npt.ArrayLike, units: Names, level: float = 0.95
) -> Interval:
    """Mean over units of the unit proportions, with a Wilson interval on the effective sample.

    The effective sample size is what independent draws would need for the spread seen between
    units, so the interval stays inside 0 to 1 and has a width when every unit says 0 or 1; a t
    quantile replaces the normal one. No bootstrap is needed at any number of units.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24:193. Wilson 1927,
    doi 10.1080/01621459.1927.10502953.
    """
    _, shares = unit_means(successes, units)
    if shares.min() < 0 or shares.max() > 1:
        raise UsageError("a proportion is made of values from 0 to 1.")
    n, p = len(shares), float(shares.mean())
    if n < FEWEST:
        return _too_few(p, n)
    variance = float(shares.var(ddof=1)) / n
    effective = p * (1 - p) / variance if variance > 0 else float(n)
    q2 = float(student.ppf(0.5 + level / 2, n - 1)) ** 2
    centre = (p + q2 / (2 * effective)) / (1 + q2 / effective)
    half = math.sqrt(q2 * p * (1 - p) / effective + (q2 / (2 * effective)) ** 2)
    half /= 1 + q2 / effective
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(p, low, high, n, "Wilson with t on the effective number of units")


def unit_score_interval(
    values: npt.ArrayLike,
    units: Names,
    bounds: tuple[float, float],
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over units of a score that keeps to bounds.

    Between two finite bounds the interval of a proportion, brought to the score's range: most
    images of a good model score 1, and a few that fail say nearly all of the uncertainty. A t or
    bootstrap interval of such scores covers a half to three quarters of what it claims. Otherwise
    that of `unit_mean_interval`. Failures of which none was seen widen it only where all units
    score the bound itself; scores just below it give no hint of them.

    Parameters
    ----------
    values, units : as in `unit_mean_interval`
    bounds : (float, float)
        Of the score; infinite where there is none.
    """
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high)):
        return unit_mean_interval(values, units, level, seed)
    share = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    found = unit_proportion_interval(np.clip(share, 0, 1), units, level)
    ends = [None if end is None else low + end * (high - low) for end in (found.low, found.high)]
    _, means = unit_means(values, units)
    return Interval(float(means.mean()), ends[0], ends[1], found.n, found.method)


def unit_difference_interval(
    values: npt.ArrayLike,
    units: Names,
    second: npt.ArrayLike,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of the second group's units minus mean of the first's; each unit is in one group.

    Up to 30 units: Welch's t on unit means. More: bootstrap-t over units within each group.

    Parameters
    ----------
    values, units : as in `unit_mean_interval`
    second : bool array N
        True where the row belongs to the second group.

    Raises
    ------
    UsageError
        A unit lies in both groups, or a group has no unit.

    References
    ----------
    Welch 1947, doi 10.1093/biomet/34.1-2.28.
    """
    x, names = _check(values, units)
    side = np.asarray(second, dtype=np.bool_)
    if side.all() or not side.any():
        raise UsageError("a difference needs units in both groups; one group is empty.")
    both = sorted(set(names[side]) & set(names[~side]))
    if both:
        raise UsageError(
            f"unit {str(both[0])!r} lies in both groups; compare within units instead."
        )
    a = unit_means(x[~side], names[~side])[1]
    b = unit_means(x[side], names[side])[1]
    n, estimate = len(a) + len(b), float(b.mean() - a.mean())
    if n < FEWEST or min(len(a), len(b)) < 2:
        return _too_few(estimate, n)
    va, vb = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    error = math.sqrt(va + vb)
    spread = da = db = np.zeros(0)
    if n > SMALL and error > 0:
        rng = np.random.default_rng(seed)
        da = a[rng.integers(0, len(a), (RESAMPLES, len(a)))]
        db = b[rng.integers(0, len(b), (RESAMPLES, len(b)))]
        spread = np.sqrt(da.var(axis=1, ddof=1) / len(a) + db.var(axis=1, ddof=1) / len(b))
    if not (spread.size and spread.all()):
        df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if error else n - 2
        q = float(student.ppf(0.5 + level / 2, df))
        return Interval(
            estimate, estimate - q * error, estimate + q * error, n, "Welch t on unit means"
        )
    low, high = studentised(estimate, error, db.mean(axis=1) - da.mean(axis=1), spread, level)
    return Interval(estimate, low, high, n, "bootstrap-t over units")


def cluster_interval(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    units: Names,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 999,
) -> Interval:
    """Interval for any statistic of rows, whole units drawn together.

    6 to 30 units: delete-one-unit jackknife with a t quantile. More: BCa cluster bootstrap.

    Parameters
    ----------
    statistic : callable
        Takes row positions (a unit may come twice) and returns a number; nan where undefined.
    units : sequence of N names

    References
    ----------
    Efron 1987, doi 10.1080/01621459.1987.10478410.
    """
    names = np.asarray(units, dtype=str)
    rows = [np.flatnonzero(names == name) for name in np.unique(names)]
    n, estimate = len(rows), float(statistic(np.arange(len(names))))
    if n < FEWEST:
        return _too_few(estimate, n)
    left_out = np.array(
        [float(statistic(np.concatenate(rows[:k] + rows[k + 1 :]))) for k in range(n)]
    )
    if not (math.isfinite(estimate) and np.isfinite(left_out).all()):
        return Interval(estimate, None, None, n, "undefined when a unit is left out")
    pull = left_out.mean() - left_out
    if n <= SMALL:
        error = math.sqrt((n - 1) / n * float((pull**2).sum()))
        q = float(student.ppf(0.5 + level / 2, n - 1))
        return Interval(
            estimate, estimate - q * error, estimate + q * error, n, "jackknife t over units"
        )
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            float(statistic(np.concatenate([rows[k] for k in rng.integers(0, n, n)])))
            for _ in range(resamples)
        ]
    )
    low, high = _bca(estimate, draws[np.isfinite(draws)], pull, level)
    return Interval(estimate, low, high, n, "BCa bootstrap over units")


def inside(interval: Interval, level: float = 0.95) -> Interval:
    """The interval of a share: between 0 and 1, and never without a width.

    Where leaving units out changes nothing (all are perfect, say), it is that of a proportion of as
    many units alike.
    """
    if interval.low is None or interval.high is None:
        return interval
    if interval.low == interval.high and 0 <= interval.estimate <= 1:
        names = [str(k) for k in range(interval.n)]
        return unit_proportion_interval([interval.estimate] * interval.n, names, level)
    return replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))


def grouped_jackknife(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    units: Names,
    groups: int = 100,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval for a statistic of the rows of many units, a hundredth of which is left out at once.

    Parameters
    ----------
    statistic : callable
        As in `cluster_interval`.
    units : sequence of N names
        More than ``groups`` of them.
    groups : int

    References
    ----------
    Kott 2001, The delete-a-group jackknife, Journal of Official Statistics 17:521.
    """
    found, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    block = np.random.default_rng(seed).permutation(len(found)) % groups
    own = block[unit]
    estimate = float(statistic(np.arange(len(unit))))
    left_out = np.array([float(statistic(np.flatnonzero(own != k))) for k in range(groups)])
    if not (math.isfinite(estimate) and np.isfinite(left_out).all()):
        return Interval(estimate, None, None, len(found), "undefined when units are left out")
    error = math.sqrt((groups - 1) / groups * float(((left_out - left_out.mean()) ** 2).sum()))
    q = float(student.ppf(0.5 + level / 2, groups - 1))
    return Interval(
        estimate, estimate - q * error, estimate + q * error, len(found),
        f"jackknife t, {groups} groups of units",
    )  # fmt: skip


def studentised(
    estimate: float, error: float, draws: Floats, errors: Floats, level: float
) -> tuple[float, float]:
    """Bootstrap-t limits from resampled estimates and their own standard errors, all above 0."""
    pivots = (draws - estimate) / errors
    tail = (1 - level) / 2
    upper, lower = np.quantile(pivots, [1 - tail, tail])
    return float(estimate - upper * error), float(estimate - lower * error)


def _bca(estimate: float, draws: Floats, pull: Floats, level: float) -> tuple[float, float]:
    below = (np.count_nonzero(draws < estimate) + 0.5 * np.count_nonzero(draws == estimate)) / len(
        draws
    )
    shift = float(norm.ppf(np.clip(below, 1e-6, 1 - 1e-6)))
    square = float((pull**2).sum())
    skew = float((pull**3).sum()) / (6 * square**1.5) if square else 0.0
    z = np.asarray(norm.ppf([(1 - level) / 2, (1 + level) / 2]))
    at = np.asarray(norm.cdf(shift + (shift + z) / (1 - skew * (shift + z))))
    low, high = np.quantile(draws, at)
    return float(low), float(high)


def _check(values: npt.ArrayLike, units: Names) -> tuple[Floats, npt.NDArray[np.str_]]:
    x, names = np.asarray(values, dtype=np.float64), np.asarray(units, dtype=str)
    if x.ndim != 1 or len(x) != len(names):
        raise UsageError(f"got {x.shape} values for {len(names)} units; give one unit per value.")
    return x, names


def _too_few(estimate: float, n: int) -> Interval:
    return Interval(estimate, None, None, n, f"no interval: fewer than {FEWEST} units")


def why_open(n: int, unit: str) -> str:
    """Why nothing is sure, as the end of a sentence: too few units, or units that differ."""
    if n < FEWEST_TO_REASSURE:
        few = f"1 {unit} is" if n == 1 else f"{n} {unit}s are"
        return f"; {few} too few to say, {FEWEST_TO_REASSURE} are needed."
    return "; units differ too much to say."
