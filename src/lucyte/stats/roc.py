"""AUROC over independent units: cells of one unit resemble each other, n counts units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import t as student

from lucyte.schema.errors import UsageError, unknown
from lucyte.stats.intervals import FEWEST, RESAMPLES, SMALL, Interval, Names, studentised

Floats = npt.NDArray[np.float64]
Weight = Literal["cells", "units"]


@dataclass(frozen=True)
class UnitPairs:
    """How often a positive of one unit outscores a negative of another.

    Attributes
    ----------
    names : tuple of U str
        Units, sorted.
    wins : array U U
        ``wins[i, j]``: pairs of a positive of i and a negative of j where the positive scores
        higher; a tie counts one half.
    positives, negatives : array U
        Cells of each class in each unit.
    """

    names: tuple[str, ...]
    wins: Floats
    positives: Floats
    negatives: Floats

    def rates(self) -> Floats:
        """``U U`` AUROC between the positives of i and the negatives of j; nan where none."""
        pairs = np.outer(self.positives, self.negatives)
        return np.divide(self.wins, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def unit_pairs(scores: npt.ArrayLike, positive: npt.ArrayLike, units: Names) -> UnitPairs:
    """Count wins between every pair of units.

    Parameters
    ----------
    scores : array N
        Larger means more likely positive.
    positive : bool array N
    units : sequence of N names
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    found, at = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    if not len(s) == len(y) == len(at):
        raise UsageError(f"got {len(s)} scores, {len(y)} truths and {len(at)} units.")
    if not np.isfinite(s).all():
        raise UsageError("scores hold nan or infinite values; leave those cells out first.")
    wins = np.zeros((len(found), len(found)))
    for j in range(len(found)):
        low = np.sort(s[~y & (at == j)])
        if len(low):
            beaten = np.searchsorted(low, s[y], "left") + np.searchsorted(low, s[y], "right")
            wins[:, j] = np.bincount(at[y], weights=beaten / 2.0, minlength=len(found))
    count = len(found)
    return UnitPairs(
        tuple(str(name) for name in found),
        wins,
        np.bincount(at[y], minlength=count).astype(np.float64),
        np.bincount(at[~y], minlength=count).astype(np.float64),
    )


def auroc_interval(
    scores: npt.ArrayLike,
    positive: npt.ArrayLike,
    units: Names,
    weight: Weight = "units",
    seed: int = 0,
) -> Interval:
    """AUROC with a 95 % interval over units, whether units hold one class or both.

    The variance is Obuchowski's (placement values summed per unit); 6 to 30 units: a t quantile
    on the logit scale; more: bootstrap-t over units on the logit scale. Where the classes are
    perfectly apart no variance can be seen, and Newcombe's score interval with the number of
    units as sample size stands in. A single class gives nan.

    Parameters
    ----------
    scores, positive, units : as in `unit_pairs`
    weight : {"units", "cells"}
        ``units``: each unit counts once (its cells share its weight). ``cells``: the ordinary
        AUROC over all cells.
    seed : int

    References
    ----------
    Obuchowski 1997, doi 10.2307/2533958. DeLong 1988, doi 10.2307/2531595.
    Newcombe 2006, doi 10.1002/sim.2324.
    """
    if weight not in ("cells", "units"):
        raise unknown("weight", weight, ["units", "cells"])
    pairs = unit_pairs(scores, positive, units)
    m, n, wins = pairs.positives, pairs.negatives, pairs.wins
    if weight == "units":
        wins = np.nan_to_num(pairs.rates())
        m, n = (m > 0).astype(np.float64), (n > 0).astype(np.float64)
    units_m, units_n, total = int(np.count_nonzero(m)), int(np.count_nonzero(n)), len(m)
    if not (units_m and units_n):
        return Interval(math.nan, None, None, total, "undefined: only one class is there")
    ones = np.ones((1, total))
    theta, variance = (float(x[0]) for x in _auroc_of(wins, m, n, ones))
    if total < FEWEST or min(units_m, units_n) < 2:
        few = f"{FEWEST} units" if total < FEWEST else "2 units of a class"
        return Interval(theta, None, None, total, f"no interval: fewer than {few}")
    nested = not np.any((m > 0) & (n > 0))
    df = total - (2 if nested else 1)
    if total <= SMALL or _degenerate(theta, variance):
        return auroc_limits(theta, variance, (units_m, units_n), df, total)
    logit = math.log(theta / (1 - theta))
    error = math.sqrt(variance) / (theta * (1 - theta))
    draws, spread = _resample(wins, m, n, seed)
    if len(draws) < RESAMPLES:  # leaving out those that tell all would forget the units that fail
        return auroc_limits(theta, variance, (units_m, units_n), df, total)
    low, high = studentised(logit, error, draws, spread, 0.95)
    method = "bootstrap-t over units on the logit"
    return Interval(theta, _expit(low), _expit(high), total, method)


def auroc_limits(
    theta: float, variance: float, units: tuple[int, int], df: float, total: int
) -> Interval:
    """95 % interval of an AUROC from its variance over units: t on the logit scale.

    Parameters
    ----------
    theta, variance : float
        The AUROC and its estimated variance.
    units : (int, int)
        Units that hold positives, and negatives; used where no variance can be seen.
    df : float
        Degrees of freedom of the variance.
    total : int
        Independent units, for the answer's n.
    """
    quantile = float(student.ppf(0.975, df))
    if _degenerate(theta, variance):
        low, high = _newcombe(theta, *units, quantile)
        return Interval(theta, low, high, total, "Newcombe score with t over units")
    logit = math.log(theta / (1 - theta))
    error = math.sqrt(variance) / (theta * (1 - theta))
    low, high = _expit(logit - quantile * error), _expit(logit + quantile * error)
    return Interval(theta, low, high, total, "clustered ROC, t on the logit")


def _degenerate(theta: float, variance: float) -> bool:
    return variance <= 1e-12 or not 1e-9 < theta < 1 - 1e-9


def _auroc_of(wins: Floats, m: Floats, n: Floats, times: Floats) -> tuple[Floats, Floats]:
    """AUROC and Obuchowski's variance for each row of unit multiplicities ``B U``."""
    p, q = (times * m).sum(axis=1), (times * n).sum(axis=1)
    x = times @ wins.T / q[:, None]
    y = times @ wins / p[:, None]
    theta = (times * x).sum(axis=1) / p
    dx = np.where(m > 0, x - m * theta[:, None], 0.0) / p[:, None]
    dy = np.where(n > 0, y - n * theta[:, None], 0.0) / q[:, None]

    def corrected(held: npt.NDArray[np.bool_], product: Floats) -> Floats:
        count = (times * held).sum(axis=1)
        scale = np.divide(count, count - 1, out=np.zeros_like(count), where=count > 1)
        return np.asarray(scale * (times * product).sum(axis=1))

    variance = (
        corrected(m > 0, dx**2)
        + corrected(n > 0, dy**2)
        + 2 * corrected((m > 0) | (n > 0), dx * dy)
    )
    return theta, variance


def _resample(wins: Floats, m: Floats, n: Floats, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    kinds = (m > 0).astype(int) + 2 * (n > 0).astype(int)
    times = np.zeros((RESAMPLES, len(m)))
    for kind in np.unique(kinds):
        at = np.flatnonzero(kinds == kind)
        times[:, at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at)), RESAMPLES)
    theta, variance = _auroc_of(wins, m, n, times)
    fine = (theta > 1e-9) & (theta < 1 - 1e-9) & (variance > 0)
    theta, variance = theta[fine], variance[fine]
    return np.log(theta / (1 - theta)), np.sqrt(variance) / (theta * (1 - theta))


def _newcombe(theta: float, m: int, n: int, quantile: float) -> tuple[float, float]:
    half = (m + n) / 2 - 1

    def off(t: float) -> float:
        inner = 1 + half * (1 - t) / (2 - t) + half * t / (1 + t)
        return (t - theta) ** 2 - quantile**2 * t * (1 - t) * inner / (m * n)

    edge = 1e-12
    low = float(brentq(off, 0.0, min(theta, 1 - edge))) if theta > edge else 0.0
    high = float(brentq(off, max(theta, edge), 1.0)) if theta < 1 - edge else 1.0
    return low, high


def _expit(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))
