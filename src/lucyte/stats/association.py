"""Do two numbers of the same units rise together? Ranks, so that no shape is assumed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from lucyte.schema.errors import UsageError
from lucyte.stats.intervals import FEWEST, Interval


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rank correlation, mid-ranks for ties; nan where one side does not vary.

    Parameters
    ----------
    first, second : array N
        Two numbers of each of N rows, all known.

    Raises
    ------
    UsageError
        Lengths differ, or a number is not known.

    References
    ----------
    Spearman 1904, doi 10.2307/1412159.
    """
    a, b = (np.asarray(each, dtype=np.float64) for each in (first, second))
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(f"a correlation needs pairs, got {a.shape} and {b.shape} values.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError("a correlation needs known numbers; leave out the rows without one.")
    if len(a) < 2:
        return math.nan
    a, b = rankdata(a), rankdata(b)
    a, b = a - a.mean(), b - b.mean()
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread > 0 else math.nan


def rank_correlation_interval(
    first: npt.ArrayLike, second: npt.ArrayLike, level: float = 0.95
) -> Interval:
    """Spearman's correlation over units, one pair per unit, with an interval on Fisher's scale.

    ``atanh(r) +- z sqrt((1 + r^2 / 2) / (n - 3))`` with a normal quantile z; ``|r|`` is held below
    ``1 - 1 / n^2``, where no variance could be seen.

    References
    ----------
    Bonett and Wright 2000, doi 10.1007/BF02294183.
    """
    r, n = rank_correlation(first, second), len(np.asarray(first))
    if not math.isfinite(r):
        return Interval(r, None, None, n, "undefined: one side does not vary")
    if n < FEWEST:
        return Interval(r, None, None, n, f"no interval: fewer than {FEWEST} units")
    held = max(-1 + 1 / n**2, min(1 - 1 / n**2, r))
    error = math.sqrt((1 + held**2 / 2) / (n - 3))
    quantile = float(norm.ppf(0.5 + level / 2))
    low, high = (math.tanh(math.atanh(held) + side * quantile * error) for side in (-1, 1))
    return Interval(r, min(low, r), max(high, r), n, "Fisher z of the ranks of units")


def rank_correlation_power(effect: float, units: int, alpha: float = 0.05) -> float:
    """Power to tell a rank correlation from 0, two-sided, on Fisher's scale.

    References
    ----------
    Bonett and Wright 2000, doi 10.1007/BF02294183.
    """
    if units < 4:
        raise UsageError(f"power of a correlation needs at least 4 units, got {units}.")
    shift = math.atanh(min(abs(effect), 1 - 1e-12)) * math.sqrt(units - 3)
    edge = float(norm.ppf(1 - alpha / 2))
    return float(norm.sf(edge - shift) + norm.cdf(-edge - shift))
