"""Neighbourhoods: who lies near whom, and whether two pictures of the same points agree on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROWS = 512
"""Points whose distances to all others are held at once."""


def nearest(points: Floats, k: int) -> Ints:
    """The k nearest others of each point, the nearest first; of equals the earlier one.

    Parameters
    ----------
    points : float array N D
    k : int
        1 to N - 1.

    Returns
    -------
    int array N k

    Raises
    ------
    UsageError
        A k that is not possible, or a value that is not finite.
    """
    x = np.asarray(points, dtype=np.float64)
    if not 1 <= k < len(x):
        raise UsageError(f"{k} neighbours of {len(x)} points: 1 to {max(len(x) - 1, 0)} exist.")
    if not np.isfinite(x).all():
        raise UsageError("a point without a place has no neighbours; leave it out first.")
    found = np.empty((len(x), k), dtype=np.int64)
    for at in range(0, len(x), ROWS):
        some = x[at : at + ROWS]
        # Differences, not products: points that coincide must be at distance 0 exactly.
        far = np.zeros((len(some), len(x)))
        for column in range(x.shape[1]):
            far += (some[:, column, None] - x[None, :, column]) ** 2
        far[np.arange(len(some)), at + np.arange(len(some))] = np.inf
        found[at : at + ROWS] = np.argsort(far, axis=1, kind="stable")[:, :k]
    return found


def overlap(first: Ints, second: Ints) -> Floats:
    """Share of each point's neighbours in one picture that are its neighbours in the other.

    Parameters
    ----------
    first, second : int array N k
        As `nearest` gives them.

    Returns
    -------
    float array N
        0 to 1.
    """
    if first.shape != second.shape:
        raise UsageError(f"neighbours of shape {first.shape} and {second.shape} do not compare.")
    same = (first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1)
    return np.asarray(same, dtype=np.float64)


def jaccard(share: Floats) -> Floats:
    """Neighbours in both over neighbours in either, from the share of k in both: s / (2 - s).

    References
    ----------
    Jaccard 1912, doi 10.1111/j.1469-8137.1912.tb05611.x.
    """
    return np.asarray(share / (2.0 - share), dtype=np.float64)


def trustworthiness(high: Floats, low: Floats, neighbours: int = 10) -> float:
    """How far the neighbours on the map are neighbours in the table; 1 is perfect.

    References
    ----------
    Venna and Kaski 2001, doi 10.1007/3-540-44668-0_68.
    """
    from sklearn.manifold import trustworthiness as measured

    k = min(neighbours, (len(high) - 1) // 2)
    return float(measured(high, low, n_neighbors=k))


def continuity(high: Floats, low: Floats, neighbours: int = 10) -> float:
    """How far the neighbours in the table are neighbours on the map; 1 is perfect.

    Trustworthiness with table and map exchanged. A map that tears a group apart is
    trustworthy and not continuous; one that folds two groups together the other way round.

    References
    ----------
    Venna and Kaski 2001, doi 10.1007/3-540-44668-0_68.
    """
    return trustworthiness(low, high, neighbours)
