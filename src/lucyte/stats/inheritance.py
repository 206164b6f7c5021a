"""Are sisters more alike than two cells of the same well? Pairs, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SisterTest:
    """How alike sisters are, against the same cells paired at random within strata.

    Attributes
    ----------
    correlation : float
        Mean over strata of the pair correlation within each; nan where none is defined.
    chance : float
        Its mean when partners are exchanged: slightly below 0 with few pairs.
    p : float
        ``(b + 1) / (m + 1)``, correlation as high or higher; nan where nothing can be exchanged.
    smallest_p : float
        The smallest p that this many pairs could have reached.
    n_pairs, n_strata : int
        Pairs and strata that took part (a stratum of one pair cannot be exchanged).
    by_stratum : dict of stratum to float
        The correlation of each.
    """

    correlation: float
    chance: float
    p: float
    smallest_p: float
    n_pairs: int
    n_strata: int
    by_stratum: dict[str, float]


def pair_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    r"""Correlation of two values whose order within the pair has no meaning.

    .. math:: r = \frac{\sum (a_i - m)(b_i - m)}{\frac12 \sum [(a_i - m)^2 + (b_i - m)^2]}

    with m the mean over both: Fisher's intraclass correlation. nan where nothing varies.

    References
    ----------
    Fisher 1925, Statistical Methods for Research Workers, chapter VII.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise UsageError(f"got {a.shape} and {b.shape} values; a pair has one of each.")
    if not len(a):
        return float("nan")
    middle = (a.mean() + b.mean()) / 2
    a, b = a - middle, b - middle
    size = float((a**2 + b**2).sum() / 2)
    return float((a * b).sum() / size) if size > 1e-12 else float("nan")


def sister_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    strata: npt.ArrayLike,
    permutations: int = 1999,
    seed: int = 0,
) -> SisterTest:
    """Pair correlation within strata, with a null that exchanges partners within each.

    What the cells of a well have in common (its condition, its place) is no inheritance: both the
    correlation and the exchange stay within a stratum.

    Parameters
    ----------
    first, second : arrays N
        One value per sister; pairs with nan are left out.
    strata : array N of names
        Condition and unit of each pair.
    permutations : int
    seed : int

    References
    ----------
    Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    names = np.asarray(strata, dtype=str)
    if not a.shape == b.shape == names.shape:
        raise UsageError(f"got {a.shape}, {b.shape} values and {names.shape} strata.")
    known = np.isfinite(a) & np.isfinite(b)
    a, b, names = a[known], b[known], names[known]
    groups = {
        str(name): np.flatnonzero(names == name)
        for name in np.unique(names)
        if (names == name).sum() > 1
    }
    own = {name: pair_correlation(a[rows], b[rows]) for name, rows in groups.items()}
    groups = {name: rows for name, rows in groups.items() if np.isfinite(own[name])}
    n_pairs = sum(len(rows) for rows in groups.values())
    if not groups:
        nan = float("nan")
        return SisterTest(nan, nan, nan, nan, 0, 0, {})
    observed = float(np.mean([own[name] for name in groups]))
    rng = np.random.default_rng(seed)
    drawn = np.zeros(permutations)
    for rows in groups.values():
        drawn += _exchanged(np.stack([a[rows], b[rows]], axis=1), permutations, rng) / len(groups)
    beaten = int((drawn >= observed - 1e-12).sum())
    ways = float(sum(_log_matchings(len(rows)) for rows in groups.values()))
    smallest = max(1 / (permutations + 1), float(np.exp(-min(ways, 700.0))))
    return SisterTest(
        observed,
        float(drawn.mean()),
        (beaten + 1) / (permutations + 1),
        smallest,
        n_pairs,
        len(groups),
        {name: own[name] for name in groups},
    )


def _exchanged(pairs: Floats, times: int, rng: np.random.Generator) -> Floats:
    """Pair correlations when all cells of a stratum are paired anew; mean and spread stay."""
    values = pairs.ravel() - pairs.mean()
    size = float((values**2).sum() / 2)
    shuffled = rng.permuted(np.broadcast_to(values, (times, len(values))), axis=1)
    product: Floats = (shuffled[:, 0::2] * shuffled[:, 1::2]).sum(axis=1) / size
    return product


def _log_matchings(pairs: int) -> float:
    """Log of the number of ways to pair 2 n cells: (2n - 1)!!"""
    return float(np.log(np.arange(1, 2 * pairs, 2)).sum())
