"""Z': is the gap between two kinds of well wide against their spreads?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.screen.separation import Floats, Separation, separation


def z_primes(
    first: npt.ArrayLike, second: npt.ArrayLike, level: float = 0.95, seed: int = 0
) -> tuple[Separation, ...]:
    r"""Z' by means, by medians, and with the spread of the difference.

    .. math::

        Z' = 1 - 3 (\sigma_1 + \sigma_2) / |\mu_1 - \mu_2| \qquad
        Z'_{pooled} = 1 - 3 \sqrt{\sigma_1^2 + \sigma_2^2} / |\mu_1 - \mu_2|

    At most 1; above 0.5 the assay is called excellent; at 0 the bands of three standard deviations
    touch. The pooled form asks for the spread of a difference, is never smaller, and must not be
    held to the same marks.

    Parameters
    ----------
    first, second : array
        One value per well; nan is left out.

    Returns
    -------
    tuple of Separation
        ``Z'``, ``robust Z'`` (median and scaled MAD), ``pooled Z'``.

    References
    ----------
    Zhang, Chung and Oldenburg 1999, doi 10.1177/108705719900400206.
    """
    return (
        separation("Z'", _summed, first, second, level=level, seed=seed),
        separation("robust Z'", _summed, first, second, robust=True, level=level, seed=seed),
        separation("pooled Z'", _pooled, first, second, level=level, seed=seed),
    )


def _summed(m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    return np.asarray(1 - 3 * (s1 + s2) / np.abs(m1 - m2))


def _pooled(m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    return np.asarray(1 - 3 * np.sqrt(s1**2 + s2**2) / np.abs(m1 - m2))
