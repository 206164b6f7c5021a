"""Two ways to a number, unit by unit: bias, limits of agreement and concordance with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from lucyte.schema.errors import UsageError
from lucyte.stats.agreement import (
    LIMIT,
    Agreement,
    concordance,
    limits_of_agreement,
    why_no_concordance,
)
from lucyte.stats.intervals import (
    FEWEST,
    Floats,
    Interval,
    Names,
    cluster_interval,
    unit_mean_interval,
)


@dataclass(frozen=True)
class UnitAgreement:
    """Bland and Altman over independent units.

    Attributes
    ----------
    units : tuple of U str
        Sorted; those in which both are known.
    reference, prediction : float array U
        Means of a unit's values.
    limits : Agreement
        Bias and limits over units.
    bias, low, high, concordance : Interval
        Bias, the two limits and Lin's concordance, each with its interval.
    """

    units: tuple[str, ...]
    reference: Floats
    prediction: Floats
    limits: Agreement
    bias: Interval
    low: Interval
    high: Interval
    concordance: Interval


def agreement_over_units(
    prediction: npt.ArrayLike, reference: npt.ArrayLike, units: Names
) -> UnitAgreement:
    """Compare the unit means of two measurements; rows with a nan are left out of both.

    Limits of agreement get ``+- t_(n-1) s sqrt(1/n + 1.96^2 / (2 (n - 1)))``. Concordance gets a
    cluster interval on the scale of ``atanh``, and none where it is 1 or -1.

    Raises
    ------
    UsageError
        Lengths differ, or no row knows both.

    References
    ----------
    Bland and Altman 1999, doi 10.1177/096228029900800204; Lin 1989, doi 10.2307/2532051.
    """
    a, b = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    names = np.asarray(units, dtype=str)
    if not a.shape == b.shape == names.shape or a.ndim != 1:
        raise UsageError(f"got {a.shape} predictions, {b.shape} truths and {names.shape} units.")
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        raise UsageError("no unit has the readout in both prediction and truth.")
    found, at = np.unique(names[known], return_inverse=True)
    count = np.bincount(at)
    mine, true = np.bincount(at, weights=a[known]) / count, np.bincount(at, b[known]) / count
    limits = limits_of_agreement(mine, true)
    low, high = _limit(limits, limits.low), _limit(limits, limits.high)
    return UnitAgreement(
        tuple(str(each) for each in found),
        true,
        mine,
        limits,
        unit_mean_interval(mine - true, found),
        low,
        high,
        _concordance(mine, true, found),
    )


def _limit(limits: Agreement, at: float) -> Interval:
    n = limits.n
    if n < FEWEST:
        return Interval(at, None, None, n, f"no interval: fewer than {FEWEST} units")
    half = float(student.ppf(0.975, n - 1)) * limits.sd
    half *= math.sqrt(1 / n + LIMIT**2 / (2 * (n - 1)))
    return Interval(at, at - half, at + half, n, "t for limits of agreement")


def _concordance(mine: Floats, true: Floats, names: npt.NDArray[np.str_]) -> Interval:
    value, n = concordance(mine, true), len(names)
    if not math.isfinite(value):
        return Interval(value, None, None, n, f"undefined: {why_no_concordance(mine, true)}")
    if n < FEWEST or abs(value) >= 1 - 1e-12:
        why = f"fewer than {FEWEST} units" if n < FEWEST else "agreement is perfect"
        return Interval(value, None, None, n, f"no interval: {why}")

    def scaled(rows: npt.NDArray[np.int64]) -> float:
        one = concordance(mine[rows], true[rows])
        return math.atanh(one) if abs(one) < 1 else math.nan

    told = cluster_interval(scaled, names)
    if told.low is None or told.high is None:
        return Interval(value, None, None, n, told.method)
    return Interval(value, math.tanh(told.low), math.tanh(told.high), n, told.method)
