"""What every exit and entrance is worth, and by how much each choice beats its alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lucyte.track.detections import Floats

STEPS = 10
DAMPING = 0.5
SETTLING = 40
"""Rounds of sharing before margins are read off."""


@dataclass(frozen=True)
class Shares:
    """How the gain of what is chosen is shared out.

    Attributes
    ----------
    price : float64 array
        Of each place in nats, 0 or more.
    option : float64 array
        The most that each place could get with a candidate that is not chosen, at the prices of
        the others.
    """

    price: Floats
    option: Floats


def share_gains(takes: sparse.csc_array, gain: Floats, value: Floats, steps: int = STEPS) -> Shares:
    """Share the gain of each choice out among the places that it takes.

    A place's outside option is the most that it could get with another choice at the others'
    prices; what a choice gains beyond the outside options of its places is shared equally. The
    prices that satisfy this are optimal duals from the middle of their range, so that candidates
    of no interest are clearly below the price of their places, which the corner solutions of the
    simplex method do not give.

    Parameters
    ----------
    takes : sparse array, places x candidates
        Ones where a candidate takes a place.
    gain, value : float64 array
        Gain of each candidate in nats, and how far it is chosen (0 to 1).
    steps : int
        Rounds of sharing.

    References
    ----------
    Kleinberg and Tardos 2008, doi:10.1145/1374376.1374411 (balanced outcomes)
    """
    places = takes.shape[0]
    if not len(gain):
        return Shares(np.zeros(places), np.zeros(places))
    chosen = value > 0.5
    rows, columns = takes.tocsr(), takes.T.tocsr()
    used = np.flatnonzero(np.diff(rows.indptr))
    starts, column = rows.indptr[used], rows.indices
    size = np.diff(takes.indptr)
    held = np.flatnonzero(chosen)
    own = takes[:, held].tocoo()

    def outside(price: Floats) -> Floats:
        excess = gain - columns @ price
        excess[chosen] = -np.inf
        option = np.zeros(places)
        option[used] = np.maximum.reduceat(excess[column], starts) + price[used]
        return np.maximum(option, 0.0)

    price = np.asarray(takes @ np.where(chosen, gain / np.maximum(size, 1), 0.0))
    option = outside(price)
    for _ in range(steps):
        surplus = (gain[held] - columns[held] @ option) / size[held]
        target = np.zeros(places)
        target[own.row] = np.maximum(option[own.row] + surplus[own.col], 0.0)
        price = price + DAMPING * (target - price)
        option = outside(price)
    return Shares(price, option)


def margins(takes: sparse.csc_array, gain: Floats, value: Floats) -> Floats:
    """By how much, at least, the best lineage without a choice is worse than the one with it.

    Where the prices have settled, lowering those of a choice's places to their outside options
    leaves prices that bound every lineage without that choice, so that the loss is no less than
    its gain minus these options. Where they have not settled by then, this is an estimate.

    Returns
    -------
    float64 array
        Per candidate in nats, 0 or more; 0 for those not chosen.
    """
    option = share_gains(takes, gain, value, SETTLING).option
    return np.where(value > 0.5, np.maximum(gain - takes.T @ option, 0.0), 0.0)
