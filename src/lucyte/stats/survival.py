"""Time until something happens when not all of it was seen: Kaplan-Meier and Turnbull."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SurvivalCurve:
    """The share to which it has not happened yet; a step function, 1 before the first time.

    Attributes
    ----------
    times : float array
        Where the curve steps down, rising.
    survival, low, high : float arrays
        After the step at each time; limits are nan where none are defined.
    at_risk, events : float arrays
        Just before, and at, each time.
    n, n_events : int
        Spells, and those whose end was seen.
    method : str
    """

    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    events: Floats
    n: int
    n_events: int
    method: str

    def at(self, times: npt.ArrayLike) -> Floats:
        """The share at given times."""
        index = np.searchsorted(self.times, np.asarray(times, dtype=np.float64), side="right")
        return np.concatenate([[1.0], self.survival])[index]

    def median(self) -> float:
        """The first time at which half or fewer are left; nan where the curve stays above."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if len(below) else math.nan

    def restricted_mean(self, until: float) -> float:
        """The mean time up to a horizon: the area under the curve."""
        inside = self.times < until
        knots = np.concatenate([[0.0], self.times[inside], [until]])
        heights = np.concatenate([[1.0], self.survival[inside]])
        return float((np.diff(knots) * heights).sum())


def kaplan_meier(
    durations: npt.ArrayLike,
    events: npt.ArrayLike,
    entries: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> SurvivalCurve:
    r"""The product-limit curve, Greenwood's variance, limits on the log-log scale.

    .. math:: S(t) = \prod_{t_i \le t} (1 - d_i / n_i), \quad
        V = \sum_{t_i \le t} \frac{d_i}{n_i (n_i - d_i)}, \quad
        S^{\exp(\pm z \sqrt V / \log S)}

    The limits hold for independent durations. Cells of one well are not: say so, and take wells as
    n for anything claimed of a treatment.

    Parameters
    ----------
    durations : array N
        Time from the start to the end or to the last look.
    events : bool array N
        Whether the end was seen; False is right-censored.
    entries : array N, optional
        From when on each was watched (left truncation); 0 by default.
    level : float

    Raises
    ------
    UsageError
        Lengths differ, a duration is negative or not finite, or ends before its entry.

    References
    ----------
    Kaplan and Meier 1958, doi 10.1080/01621459.1958.10501452. Kalbfleisch and Prentice 2002,
    doi 10.1002/9781118032985 (log-log limits).
    """
    time = np.asarray(durations, dtype=np.float64)
    seen = np.asarray(events, dtype=np.bool_)
    entry = np.zeros_like(time) if entries is None else np.asarray(entries, dtype=np.float64)
    if not time.shape == seen.shape == entry.shape or time.ndim != 1:
        raise UsageError(
            f"got {time.shape} durations, {seen.shape} events and {entry.shape} entries; "
            "give one of each per spell."
        )
    if not np.isfinite(time).all() or (time < 0).any():
        raise UsageError("durations are finite and not negative; leave out what is unknown.")
    if (entry > time).any():
        raise UsageError("a spell cannot end before it was first watched.")
    steps = np.unique(time[seen])
    events_at = np.searchsorted(np.sort(time[seen]), steps, side="right") - np.searchsorted(
        np.sort(time[seen]), steps, side="left"
    )
    left = len(time) - np.searchsorted(np.sort(time), steps, side="left")
    not_yet = len(time) - np.searchsorted(np.sort(entry), steps, side="left")
    at_risk = (left - np.where(steps > 0, not_yet, 0)).astype(np.float64)
    d = events_at.astype(np.float64)
    survival = np.cumprod(1 - d / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(d / (at_risk * (at_risk - d)))
        z = float(norm.ppf(0.5 + level / 2))
        width = z * np.sqrt(variance) / np.log(survival)
        low, high = survival ** np.exp(-width), survival ** np.exp(width)
    undefined = (survival <= 0) | (survival >= 1)
    low, high = (np.where(undefined, np.nan, each).astype(np.float64) for each in (low, high))
    method = "Kaplan-Meier, log-log limits over spells"
    return SurvivalCurve(
        steps,
        np.asarray(survival, np.float64),
        low,
        high,
        at_risk,
        d,
        len(time),
        int(seen.sum()),
        method,
    )


def turnbull(
    lower: npt.ArrayLike, upper: npt.ArrayLike, tolerance: float = 1e-7, most: int = 5000
) -> SurvivalCurve:
    """The curve when each end is only known to lie between two looks: ``lower < T <= upper``.

    Left censoring is ``lower = 0``, right censoring ``upper = inf``. Mass within an innermost
    interval is put at its upper end, where it is known to have happened. No limits are given:
    their usual theory does not hold; wells give them.

    Parameters
    ----------
    lower, upper : array N
    tolerance : float
        Largest change of any probability at which the self-consistency steps end.
    most : int
        Steps at most.

    Raises
    ------
    UsageError
        Lengths differ, or an interval is empty or turned round.

    References
    ----------
    Turnbull 1976, doi 10.1111/j.2517-6161.1976.tb01597.x
    """
    a, b = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise UsageError(f"got {a.shape} lower and {b.shape} upper ends; give one of each.")
    if np.isnan(a).any() or np.isnan(b).any() or (a >= b).any() or (a < 0).any():
        raise UsageError("an interval needs 0 <= lower < upper; inf is right-censored.")
    if not len(a):
        empty = np.empty(0)
        return SurvivalCurve(empty, empty, empty, empty, empty, empty, 0, 0, "Turnbull")
    left, right = _innermost(a, b)
    inside = ((left[None] >= a[:, None]) & (right[None] <= b[:, None])).astype(np.float64)
    inside, counts = np.unique(inside, axis=0, return_counts=True)
    p = np.full(len(left), 1 / len(left))
    for _ in range(most):
        weight = inside * p
        weight *= (counts / weight.sum(axis=1))[:, None]
        following = weight.sum(axis=0) / len(a)
        moved = float(np.abs(following - p).max())
        p = following
        if moved < tolerance:
            break
    finite = np.isfinite(right)
    times, mass = right[finite], p[finite]
    survival = np.clip(1 - np.cumsum(mass), 0, 1)
    unknown = np.full(len(times), np.nan)
    at_risk = len(a) * np.concatenate([[1.0], survival])[:-1]
    return SurvivalCurve(
        times,
        survival,
        unknown,
        unknown,
        at_risk,
        mass * len(a),
        len(a),
        int(np.isfinite(b).sum()),
        "Turnbull, steps where the event is known to have happened",
    )


def _innermost(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Intervals (left end, right end] between which nothing begins or ends: where mass can lie."""
    points = [(value, 1, True) for value in np.unique(lower)]
    points += [(value, 0, False) for value in np.unique(upper)]
    # at one value a right end (closed) comes before a left end (open)
    points.sort(key=lambda each: (each[0], each[1]))
    pairs = [
        (first[0], second[0])
        for first, second in itertools.pairwise(points)
        if first[2] and not second[2]
    ]
    ends = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]
