"""How far apart two kinds of well are, in units of their spread: Z'."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAD_OF_NORMAL = 0.6744897501960817
FEWEST_WELLS = 3
"""Wells of a kind below which a spread says nothing."""


@dataclass(frozen=True)
class ZPrime:
    """Z' between two kinds of well.

    Attributes
    ----------
    mean, robust : float
        With means and standard deviations, and with medians and median absolute deviations;
        at most 1, above 0.5 is an excellent assay. nan where undefined.
    n_first, n_second : int
        Wells of each kind.
    why : str
        Why it is undefined, or an empty string.
    """

    mean: float
    robust: float
    n_first: int
    n_second: int
    why: str = ""


def z_prime(first: npt.ArrayLike, second: npt.ArrayLike) -> ZPrime:
    r"""Z' of one number per well (the mean logit margin) between two kinds of well.

    .. math:: Z' = 1 - 3 (\sigma_1 + \sigma_2) / |\mu_1 - \mu_2|

    Parameters
    ----------
    first, second : array
        One value per well; nan is left out.

    References
    ----------
    Zhang, Chung and Oldenburg 1999, doi 10.1177/108705719900400206.
    """
    a, b = (_known(values) for values in (first, second))
    if min(len(a), len(b)) < FEWEST_WELLS:
        why = (
            f"{len(a)} and {len(b)} wells; a spread needs at least {FEWEST_WELLS} wells of each "
            "kind."
        )
        return ZPrime(math.nan, math.nan, len(a), len(b), why)
    mean = _ratio(a.mean() - b.mean(), a.std(ddof=1) + b.std(ddof=1))
    robust = _ratio(float(np.median(a) - np.median(b)), _mad(a) + _mad(b))
    why = "" if math.isfinite(mean) else "both kinds of well have the same mean."
    return ZPrime(mean, robust, len(a), len(b), why)


def _ratio(distance: float, spread: float) -> float:
    return float(1 - 3 * spread / abs(distance)) if distance else math.nan


def _mad(values: npt.NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values - np.median(values))) / MAD_OF_NORMAL)


def _known(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]
