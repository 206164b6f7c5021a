"""Intervals for numbers that say how far two kinds of well are apart (Z', SSMD)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.stats.intervals import FEWEST, SMALL, cluster_interval

Floats = npt.NDArray[np.float64]
Formula = Callable[[Floats, Floats, Floats, Floats], Floats]
"""From means and spreads of both kinds (m1, s1, m2, s2) to the statistic, array by array."""

FEWEST_WELLS = 3
"""Wells of a kind below which a spread says nothing."""
MAD_OF_NORMAL = 0.6744897501960817
DRAWS = 10_000


@dataclass(frozen=True)
class Separation:
    """How far two kinds of well are apart.

    Attributes
    ----------
    name : str
    value : float
        nan where undefined.
    low, high : float or None
        None where the wells allow no interval.
    n_first, n_second : int
        Wells of each kind.
    method : str
        How the interval was made, or why there is none.
    why : str
        Why the value is undefined, or empty.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n_first: int
    n_second: int
    method: str
    why: str = ""


def separation(
    name: str,
    formula: Formula,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    robust: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Separation:
    """A statistic of two means and two spreads, with an interval over wells.

    Below 6 wells none. 6 to 30: generalised pivots, exact up to simulation for each normal mean
    and variance: ``s* = s sqrt((n - 1) / chi2)``, ``m* = m + s* z / sqrt(n)``. More: BCa bootstrap
    over wells. Medians have no pivot, so the robust form has an interval only above 30.

    Parameters
    ----------
    name : str
    formula : callable
    first, second : array
        One value per well; nan is left out.
    robust : bool
        Medians and median absolute deviations instead of means and standard deviations.

    References
    ----------
    Weerahandi 1993, doi 10.1080/01621459.1993.10476355.
    """
    a, b = (_known(values) for values in (first, second))
    n = len(a) + len(b)
    if min(len(a), len(b)) < FEWEST_WELLS:
        why = (
            f"{len(a)} and {len(b)} wells; a spread needs at least {FEWEST_WELLS} wells of each "
            "kind."
        )
        return Separation(name, math.nan, None, None, len(a), len(b), "", why)
    value = _value(formula, a, b, robust)
    if not math.isfinite(value):
        why = "both kinds of well have the same middle, or no spread."
        return Separation(name, math.nan, None, None, len(a), len(b), "", why)
    low, high, method = None, None, f"no interval: fewer than {FEWEST} wells"
    if n > SMALL:
        low, high, method = _bootstrap(formula, a, b, robust, level, seed)
    elif n >= FEWEST and robust:
        method = f"no interval for medians below {SMALL + 1} wells"
    elif n >= FEWEST:
        low, high = _pivots(formula, a, b, level, seed)
        method = "generalised pivots of normal well means"
    return Separation(name, value, low, high, len(a), len(b), method)


def middle_and_spread(values: Floats, robust: bool) -> tuple[float, float]:
    """Mean and SD, or median and MAD scaled to the SD of a normal distribution."""
    if robust:
        middle = float(np.median(values))
        return middle, float(np.median(np.abs(values - middle)) / MAD_OF_NORMAL)
    return float(values.mean()), float(values.std(ddof=1))


def _value(formula: Formula, a: Floats, b: Floats, robust: bool) -> float:
    parts = (*middle_and_spread(a, robust), *middle_and_spread(b, robust))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(formula(*(np.asarray(each, dtype=np.float64) for each in parts)))


def _pivots(formula: Formula, a: Floats, b: Floats, level: float, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn: list[Floats] = []
    for values in (a, b):
        n = len(values)
        spread = values.std(ddof=1) * np.sqrt((n - 1) / rng.chisquare(n - 1, DRAWS))
        drawn += [values.mean() + spread * rng.standard_normal(DRAWS) / math.sqrt(n), spread]
    told = formula(*drawn)
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _bootstrap(
    formula: Formula, a: Floats, b: Floats, robust: bool, level: float, seed: int
) -> tuple[float | None, float | None, str]:
    values = np.concatenate([a, b])
    first = np.arange(len(values)) < len(a)

    def statistic(rows: npt.NDArray[np.int64]) -> float:
        mine, theirs = values[rows][first[rows]], values[rows][~first[rows]]
        if min(len(mine), len(theirs)) < FEWEST_WELLS:
            return math.nan
        told = _value(formula, mine, theirs, robust)
        return told if math.isfinite(told) else math.nan

    names = [f"{at:06d}" for at in range(len(values))]
    found = cluster_interval(statistic, names, level, seed)
    return found.low, found.high, found.method.replace("units", "wells")


def _known(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]
