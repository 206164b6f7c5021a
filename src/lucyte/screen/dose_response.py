"""Dose response: a four-parameter logistic, its EC50 with an interval, and what it may not say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import f as fisher

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]

FEWEST_DOSES = 4
BEYOND = 2.0
"""Decades beyond the tested doses in which an EC50 is looked for."""
_HILLS = np.geomspace(0.3, 6.0, 25)
_STEP = 0.05


@dataclass(frozen=True)
class DoseResponse:
    """A fitted curve.

    Attributes
    ----------
    bottom, top : float
        Without compound, and at the highest effect.
    hill : float
        Steepness, searched from 0.3 to 6.
    ec50 : float
        Dose of half the effect; nan where there is none to be had (``why``).
    low, high : float or None
        Profile interval of the EC50; None where the doses do not bound that side.
    p : float
        That the values do not depend on the dose: doses exchanged over wells.
    monotone_p : float
        That the means rise (or fall) with the dose throughout; small: they turn back. nan without
        replicates.
    inside : bool
        Whether the EC50 lies within the tested doses.
    doses, n : int
        Doses above 0, and wells.
    why : str
        What must be said beside the EC50, or instead of it.
    """

    bottom: float
    top: float
    hill: float
    ec50: float
    low: float | None
    high: float | None
    p: float
    monotone_p: float
    inside: bool
    doses: int
    n: int
    why: str

    def at(self, doses: npt.ArrayLike) -> Floats:
        """The curve; nan where nothing was fitted."""
        where = math.log10(self.ec50) if math.isfinite(self.ec50) else math.nan
        x = _log(np.asarray(doses, dtype=np.float64))
        return self.bottom + (self.top - self.bottom) * _rise(x, where, self.hill)


def fit_dose_response(
    doses: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    alpha: float = 0.05,
    permutations: int = 999,
    seed: int = 0,
) -> DoseResponse:
    r"""Fit the four-parameter logistic over wells.

    .. math:: y = b + (t - b) / (1 + (EC50 / x)^h)

    Given EC50 and h the curve is linear in b and t, so the search runs over the other two only and
    cannot get lost. The interval holds every EC50 at which the best curve is not significantly
    worse (profile, F test). The p-value exchanges doses over wells and takes the best fit anew.

    Parameters
    ----------
    doses : array N
        One per well; 0 is vehicle, which says where the curve starts.
    values : array N
    alpha : float
    permutations : int
    seed : int

    Raises
    ------
    UsageError
        Fewer than 4 doses above 0, a negative dose, or fewer than 6 wells.

    References
    ----------
    Bates and Watts 1988, Nonlinear Regression Analysis, chapter 6 (profiles). Robertson, Wright and
    Dykstra 1988, Order Restricted Statistical Inference (the test of order).
    """
    x, y = _checked(doses, values)
    logs = _log(x)
    given = np.unique(logs[np.isfinite(logs)])
    grid = np.arange(given[0] - BEYOND, given[-1] + BEYOND + _STEP / 2, _STEP)
    p = _flat_p(logs, y, grid, permutations, seed)
    middle, hill, bottom, top, squares = _best(logs, y, grid)
    turn_p = _monotone_p(x, y, top >= bottom, permutations, seed)
    inside = bool(given[0] <= middle <= given[-1])
    low, high = _profile(logs, y, (middle, squares), grid, alpha)
    ec50 = 10**middle
    why = _why(p, turn_p, alpha, (10 ** given[0], 10 ** given[-1]), ec50, (low, high))
    if p > alpha or turn_p <= alpha:
        ec50, low, high, inside = math.nan, None, None, False
    return DoseResponse(
        bottom, top, hill, ec50, low, high, p, turn_p, inside, len(given), len(y), why
    )


def _checked(doses: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(doses, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise UsageError(f"got {x.shape} doses for {y.shape} values; give one dose per well.")
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if (x < 0).any():
        raise UsageError(f"dose {x.min():g}: doses are 0 (vehicle) or more, in plain units.")
    tested = np.unique(x[x > 0])
    if len(tested) < FEWEST_DOSES:
        shown = ", ".join(f"{each:g}" for each in tested) or "none"
        raise UsageError(
            f"a dose response needs at least {FEWEST_DOSES} doses above 0, got {len(tested)} "
            f"({shown})."
        )
    if len(y) < FEWEST_DOSES + 2:
        raise UsageError(f"a dose response needs at least {FEWEST_DOSES + 2} wells, got {len(y)}.")
    return x, y


def _log(doses: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(doses))


def _rise(logs: Floats, middle: float | Floats, hill: float | Floats) -> Floats:
    """0 far below the EC50 (and at dose 0), 1 far above."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + 10 ** (hill * (middle - logs))))


def _shapes(logs: Floats, grid: Floats) -> Floats:
    """Centred and scaled curves of every EC50 and Hill slope, ``E H N``; 0 where one is flat."""
    rise = _rise(logs[None, None], grid[:, None, None], _HILLS[None, :, None])
    rise -= rise.mean(axis=2, keepdims=True)
    length = np.sqrt((rise**2).sum(axis=2, keepdims=True))
    return np.where(length > 1e-9, rise / np.maximum(length, 1e-9), 0.0)


def _flat_p(logs: Floats, y: Floats, grid: Floats, permutations: int, seed: int) -> float:
    shapes = _shapes(logs, grid[::2])[:, ::3].reshape(-1, len(y))
    rng = np.random.default_rng(seed)
    drawn = np.tile(y - y.mean(), (permutations + 1, 1))
    drawn[1:] = rng.permuted(drawn[1:], axis=1)
    best = ((drawn @ shapes.T) ** 2).max(axis=1)
    return float(np.count_nonzero(best >= best[0] * (1 - 1e-12))) / len(best)


def _best(logs: Floats, y: Floats, grid: Floats) -> tuple[float, float, float, float, float]:
    """EC50 (log10), slope, bottom, top and the sum of squares that is left."""
    from scipy.optimize import minimize

    explained = (_shapes(logs, grid) @ (y - y.mean())) ** 2
    at = np.unravel_index(int(explained.argmax()), explained.shape)
    ends = [(float(grid[0]), float(grid[-1])), (float(_HILLS[0]), float(_HILLS[-1]))]

    def remaining(q: npt.NDArray[np.float64]) -> float:
        return _left(logs, y, float(q[0]), float(q[1]))[2]

    found = minimize(
        remaining,
        [float(grid[at[0]]), float(_HILLS[at[1]])],
        method="L-BFGS-B",
        bounds=ends,
    )
    start = _left(logs, y, float(grid[at[0]]), float(_HILLS[at[1]]))
    if found.fun <= start[2]:
        middle, hill = float(found.x[0]), float(found.x[1])
    else:
        middle, hill = float(grid[at[0]]), float(_HILLS[at[1]])
    return middle, hill, *_left(logs, y, middle, hill)


def _left(logs: Floats, y: Floats, middle: float, hill: float) -> tuple[float, float, float]:
    """Bottom, top and remaining squares of the best curve with this EC50 and slope."""
    rise = _rise(logs, middle, hill)
    spread = rise - rise.mean()
    size = float((spread**2).sum())
    slope = float(spread @ y) / size if size > 1e-18 else 0.0
    bottom = float(y.mean() - slope * rise.mean())
    return bottom, bottom + slope, float(((y - bottom - slope * rise) ** 2).sum())


def _profile(
    logs: Floats, y: Floats, best: tuple[float, float], grid: Floats, alpha: float
) -> tuple[float | None, float | None]:
    """Ends of the interval around the EC50; None where it runs out of the searched doses."""
    n = len(y)
    middle, squares = best
    limit = squares * (1 + float(fisher.ppf(1 - alpha, 1, n - 4)) / (n - 4))

    def remaining(at: Floats) -> Floats:
        centred = y - y.mean()
        explained = ((_shapes(logs, at) @ centred) ** 2).max(axis=1)
        return np.asarray(float(centred @ centred) - explained)

    fine = np.arange(grid[0], grid[-1] + 1e-9, _STEP / 2)
    over = remaining(fine) > limit
    below, above = fine[over & (fine < middle)], fine[over & (fine > middle)]
    low = 10 ** float(below[-1]) if len(below) else None
    high = 10 ** float(above[0]) if len(above) else None
    return low, high


def _monotone_p(x: Floats, y: Floats, rising: bool, draws: int, seed: int) -> float:
    """How often means that do not depend on the dose turn back as far as these do.

    The least favourable case of the order is that of equal means, so the test is conservative.
    """
    doses, at = np.unique(x, return_inverse=True)
    n = np.bincount(at).astype(np.float64)
    free = len(y) - len(doses)
    if free < 2:
        return math.nan
    means = np.bincount(at, weights=y) / n
    within = float(((y - means[at]) ** 2).sum()) / free
    if within <= 1e-20 * float(y.var()):
        return math.nan  # no noise: a test against it means nothing
    seen = _turning(means[None], n, rising)[0] / within
    rng = np.random.default_rng(seed + 1)
    noise = rng.standard_normal((draws, len(doses))) / np.sqrt(n)
    chance = _turning(noise, n, rising) / (rng.chisquare(free, draws) / free)
    return float(np.count_nonzero(chance >= seen) + 1) / (draws + 1)


def _turning(means: Floats, n: Floats, rising: bool) -> Floats:
    """Weighted squares between the means and the nearest means in order, row by row."""
    ordered = means if rising else -means
    total = np.concatenate([[0.0], np.cumsum(n)])
    sums = np.concatenate(
        [np.zeros((len(ordered), 1)), np.cumsum(ordered * n, axis=1)], axis=1
    )  # fmt: skip
    k = ordered.shape[1]
    nearest = np.empty_like(ordered)
    for i in range(k):  # max over j <= i of min over m >= i of the mean of j .. m
        ends = [
            ((sums[:, i + 1 :] - sums[:, j : j + 1]) / (total[i + 1 :] - total[j])).min(axis=1)
            for j in range(i + 1)
        ]
        nearest[:, i] = np.max(ends, axis=0)
    return np.asarray((n * (ordered - nearest) ** 2).sum(axis=1))


def _why(
    p: float,
    turn_p: float,
    alpha: float,
    tested: tuple[float, float],
    ec50: float,
    ends: tuple[float | None, float | None],
) -> str:
    if p > alpha:
        return f"no dependence on the dose shown (p = {p:.2g}), so no EC50"
    if turn_p <= alpha:
        return f"means turn back as the dose rises (p = {turn_p:.2g}), so no single EC50"
    if ec50 > tested[1]:
        return f"EC50 outside the tested doses, above {tested[1]:g}"
    if ec50 < tested[0]:
        return f"EC50 outside the tested doses, below {tested[0]:g}"
    open_ends = [name for name, end in zip(("below", "above"), ends, strict=True) if end is None]
    return f"the doses do not bound the EC50 {' or '.join(open_ends)}" if open_ends else ""
