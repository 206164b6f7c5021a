"""SSMD: the difference of two kinds of well over the spread of that difference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.screen.separation import Floats, Separation, separation


def ssmds(
    first: npt.ArrayLike, second: npt.ArrayLike, level: float = 0.95, seed: int = 0
) -> tuple[Separation, ...]:
    r"""Strictly standardised mean difference, second minus first, by means and by medians.

    .. math:: \beta = (\mu_2 - \mu_1) / \sqrt{\sigma_1^2 + \sigma_2^2}

    Its sign says which is higher; 3 is a strong, 5 a very strong effect. Unlike Z' it does not
    fall without bound when the gap is small.

    Parameters
    ----------
    first, second : array
        One value per well; nan is left out.

    Returns
    -------
    tuple of Separation
        ``SSMD``, ``robust SSMD``.

    References
    ----------
    Zhang 2007, doi 10.1016/j.ygeno.2006.12.014.
    """
    return (
        separation("SSMD", _ssmd, first, second, level=level, seed=seed),
        separation("robust SSMD", _ssmd, first, second, robust=True, level=level, seed=seed),
    )


def _ssmd(m1: Floats, s1: Floats, m2: Floats, s2: Floats) -> Floats:
    return np.asarray((m2 - m1) / np.sqrt(s1**2 + s2**2))
