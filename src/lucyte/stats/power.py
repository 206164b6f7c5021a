"""How many independent units a question needs before it is asked."""

from __future__ import annotations

import math

from scipy.stats import nct
from scipy.stats import t as student

from lucyte.schema.errors import UsageError
from lucyte.stats.permutation import Alternative, smallest_p

MOST = 100_000
FAR = 30.0
"""Beyond this many standard errors the noncentral t loses its digits, and power is 1."""


def fewest_for_permutation(alpha: float = 0.05, alternative: Alternative = "two-sided") -> int:
    """Units per group below which a permutation test of two equal groups cannot reach alpha.

    At 0.05 two-sided: 4 against 4 (3 against 3 reaches 0.10 at best).
    """
    _check_alpha(alpha)
    n = 1
    while smallest_p([0] * n + [1] * n, alternative) > alpha:
        n += 1
    return n


def t_power(effect: float, units: tuple[int, int], alpha: float = 0.05) -> float:
    """Power of the two-sided two-sample t test over units.

    Parameters
    ----------
    effect : float
        Difference of the group means in standard deviations **between units** (Cohen's d).
    units : (int, int)
        Independent units in each group.
    alpha : float

    References
    ----------
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    _check_alpha(alpha)
    a, b = units
    df = a + b - 2
    if min(a, b) < 1 or df < 1:
        raise UsageError(f"power needs at least 3 units, got {a} and {b}.")
    shift = abs(effect) * math.sqrt(a * b / (a + b))
    q = float(student.ppf(1 - alpha / 2, df))
    if shift > FAR + q:
        return 1.0
    return float(nct.sf(q, df, shift) + nct.cdf(-q, df, shift))


def one_sample_power(effect: float, units: int, alpha: float = 0.05) -> float:
    """Power of the two-sided t test that one number per unit differs from a stated value.

    Parameters
    ----------
    effect : float
        Distance from that value in standard deviations **between units**.
    units : int
    alpha : float

    References
    ----------
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    _check_alpha(alpha)
    if units < 2:
        raise UsageError(f"power needs at least 2 units, got {units}.")
    shift = abs(effect) * math.sqrt(units)
    q = float(student.ppf(1 - alpha / 2, units - 1))
    if shift > FAR + q:
        return 1.0
    return float(nct.sf(q, units - 1, shift) + nct.cdf(-q, units - 1, shift))


def units_for_power(effect: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Units per group with which the t test over units finds ``effect`` with this power.

    Raises
    ------
    UsageError
        No effect to find, or more than 100,000 units would be needed.
    """
    if not 0 < power < 1:
        raise UsageError(f"power lies between 0 and 1, got {power:g}.")
    low, high = 2, 2
    while high < MOST and (effect == 0 or t_power(effect, (high, high), alpha) < power):
        low, high = high, high * 2
    if high >= MOST:
        raise UsageError(
            f"an effect of {effect:g} standard deviations cannot be found in practice."
        )
    while low < high:
        middle = (low + high) // 2
        if t_power(effect, (middle, middle), alpha) >= power:
            high = middle
        else:
            low = middle + 1
    return high


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise UsageError(f"alpha lies between 0 and 1, got {alpha:g}.")
