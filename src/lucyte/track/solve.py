"""The best lineage of the whole movie, as a flow that linear programming finds.

Every object has one exit and one entrance. A link takes the exit of one and the entrance of
another; a division takes one exit and two entrances; what is not taken vanishes or appears.

    maximise   sum g_e x_e + sum g_d z_d
    subject to at most one x or z at every exit and at every entrance,  0 <= x, z <= 1,
               no object both born of one z and divided by another

Links alone make a totally unimodular program, so that its solution is whole; divisions seldom
disturb that, and where they do the integer program is solved instead.

Most objects need no program. Links that are the best at both of their ends are taken first; the
gain of each choice is shared out as prices of the places it takes (see ``prices``); a candidate
that gains more than the prices of its places contests them. Only the contested pieces go to the
solver, prices are shared out anew, and so on until nothing is contested. The sum of the prices then
bounds what any lineage can gain, so that the solution comes with its proof. Pieces are small and
solved in batches: time and memory grow with the number of objects and hardly faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse.csgraph import connected_components

from lucyte.track.candidates import Pairs
from lucyte.track.detections import Floats, Ints
from lucyte.track.divisions import Divisions
from lucyte.track.prices import margins, share_gains

BATCH = 4_000
"""Variables that are handed to the solver at once, unless one piece alone has more."""
EPSILON = 1e-7
UNPROVEN = 1e-5
"""Nats between the gain of a piece and its bound from which it is solved with all candidates."""
ATTEMPTS = 50
NEARLY = 8.0
"""Candidates this many nats below the price of their places take no part in sharing."""


@dataclass(frozen=True)
class Solution:
    """What was chosen.

    Attributes
    ----------
    links : int64 array
        Indices of the chosen pairs.
    divisions : int64 array
        Indices of the chosen divisions.
    link_margin, division_margin : float64 array
        By how much, at least, the best lineage without each of them is worse, in nats.
    gain : float
        Total gain in nats.
    bound : float
        No lineage over these candidates gains more; equal to ``gain`` where the solution is
        proven to be the best.
    fractional : int
        Pieces whose linear program had no whole solution and that were solved as integers.
    """

    links: Ints
    divisions: Ints
    link_margin: Floats
    division_margin: Floats
    gain: float
    bound: float
    fractional: int


WHOLE_PIECE = 5_000
"""Candidates of fractional pieces that are solved as integers all together."""


def solve(count: int, pairs: Pairs, gains: Floats, divisions: Divisions) -> Solution:
    """Choose links and divisions.

    Parameters
    ----------
    count : int
        Number of objects.
    gains : float64 array
        Of the pairs, in nats; those of 0 or less are never chosen.
    """
    worth, gain, takes = _program(count, pairs, gains, divisions)
    value = _mutual_best(takes, gain)
    active = np.flatnonzero(value > 0)
    rivals = np.arange(len(gain))
    bound, price, excess = 0.0, np.zeros(takes.shape[0]), gain
    for _ in range(ATTEMPTS):
        price = share_gains(takes[:, rivals], gain[rivals], value[rivals]).price
        excess = gain - takes.T @ price
        bound = float(price.sum() + np.maximum(excess, 0.0).sum())
        fresh = np.setdiff1d(np.flatnonzero(excess > EPSILON), active)
        if not len(fresh):
            break
        active = np.union1d(active, fresh)
        _improve(value, takes, gain, active, fresh)
        rivals = np.union1d(np.flatnonzero(excess > -NEARLY), active)
    _settle(value, takes, gain, (price, excess))
    pieces = _make_whole(value, takes, gain, active)
    margin = np.zeros(len(gain))
    margin[rivals] = margins(takes[:, rivals], gain[rivals], value[rivals])
    return _solution(worth, gain, value, margin, bound, pieces)


def best_for_both(count: int, pairs: Pairs, gains: Floats, divisions: Divisions) -> Solution:
    """Only what is the best choice at every place it takes: nothing contested, nothing proven."""
    worth, gain, takes = _program(count, pairs, gains, divisions)
    value = _mutual_best(takes, gain)
    return _solution(worth, gain, value, np.zeros(len(gain)), np.inf, 0)


def _program(
    count: int, pairs: Pairs, gains: Floats, divisions: Divisions
) -> tuple[Ints, Floats, sparse.csc_array]:
    """Links worth having, gains of them and of the divisions, places that each takes."""
    worth = np.flatnonzero(gains > 0)
    gain = np.concatenate([gains[worth], divisions.gain])
    return worth, gain, _incidence(count, pairs, worth, divisions)


def _solution(
    worth: Ints, gain: Floats, value: Floats, margin: Floats, bound: float, pieces: int
) -> Solution:
    picked = np.flatnonzero(value > 0.5)
    is_link = picked < len(worth)
    total = float(gain[picked].sum())
    return Solution(
        links=worth[picked[is_link]],
        divisions=(picked[~is_link] - len(worth)).astype(np.int64),
        link_margin=margin[picked[is_link]],
        division_margin=margin[picked[~is_link]],
        gain=total,
        bound=max(bound, total),
        fractional=pieces,
    )


def _improve(
    value: Floats, takes: sparse.csc_array, gain: Floats, active: Ints, fresh: Ints
) -> None:
    """Solve, in place, the pieces to which new candidates came."""
    piece = _pieces(takes[:, active])
    changed = np.isin(piece, piece[np.isin(active, fresh)])
    for batch in _batches(piece[changed]):
        members = active[changed][batch]
        value[members] = _highs(takes[:, members], gain[members], whole=False)


def _settle(
    value: Floats, takes: sparse.csc_array, gain: Floats, proof: tuple[Floats, Floats]
) -> None:
    """Solve again, in place and with all their candidates, pieces that prices do not prove best.

    The gain of any solution is at most the prices of the places and what candidates exceed them
    by. Where a piece reaches that it is the best; sharing need not arrive there.
    """
    price, excess = proof
    piece = _pieces(takes)
    count = int(piece.max(initial=-1)) + 1
    entries = takes.tocoo()
    of_place = np.full(takes.shape[0], -1, dtype=np.int64)
    of_place[entries.row] = piece[entries.col]
    taken = of_place >= 0
    most = np.bincount(of_place[taken], price[taken], count)
    most += np.bincount(piece, np.maximum(excess, 0.0), count)
    open_ = most - np.bincount(piece, gain * value, count) > UNPROVEN
    open_ &= np.bincount(piece, minlength=count) <= WHOLE_PIECE
    members = np.flatnonzero(open_[piece])
    for batch in _batches(piece[members]):
        some = members[batch]
        value[some] = _highs(takes[:, some], gain[some], whole=False)


def _make_whole(value: Floats, takes: sparse.csc_array, gain: Floats, active: Ints) -> int:
    """Solve, in place, pieces with fractions as integers; how many there were.

    What the relaxation leaves out may be in the best whole solution, so small pieces are taken
    with all their candidates; of large ones only those that the relaxation looked at.
    """
    broken = np.abs(value - np.round(value)) > 1e-6
    if not broken.any():
        return 0
    piece = _pieces(takes)
    again = np.unique(piece[broken])
    members = np.flatnonzero(np.isin(piece, again))
    if len(members) > WHOLE_PIECE:
        members = np.intersect1d(members, active)
    value[members] = _highs(takes[:, members], gain[members], whole=True)
    return len(again)


def _incidence(count: int, pairs: Pairs, worth: Ints, divisions: Divisions) -> sparse.csc_array:
    """Places that each variable takes: exits, entrances, and being born or dividing at once."""
    link = np.arange(len(worth))
    split = len(worth) + np.arange(len(divisions))
    mother = pairs.source[divisions.first]
    one, two = pairs.target[divisions.first], pairs.target[divisions.second]
    rows = [pairs.source[worth], count + pairs.target[worth], mother, count + one, count + two]
    columns = [link, link, split, split, split]
    both = np.intersect1d(mother, np.concatenate([one, two]))
    for member in (mother, one, two):
        twice = np.isin(member, both)
        rows.append(2 * count + member[twice])
        columns.append(split[twice])
    where = np.concatenate(rows), np.concatenate(columns)
    shape = (3 * count, len(worth) + len(divisions))
    return sparse.csc_array((np.ones(len(where[0])), where), shape=shape)


def _mutual_best(takes: sparse.csc_array, gain: Floats) -> Floats:
    """1 for candidates that are the best at every place they take."""
    entries = takes.tocoo()
    best = np.zeros(takes.shape[0])
    np.maximum.at(best, entries.row, gain[entries.col])
    beaten = np.zeros(len(gain), bool)
    beaten[entries.col[gain[entries.col] < best[entries.row]]] = True
    chosen = np.flatnonzero(~beaten)
    claims = takes[:, chosen].tocoo()
    # Of equals the first: identical objects must not both take a place.
    first = np.unique(claims.row, return_index=True)[1]
    claimed = np.zeros(claims.nnz, bool)
    claimed[first] = True
    whole = np.bincount(claims.col, claimed, len(chosen)) == np.diff(takes.indptr)[chosen]
    value = np.zeros(len(gain))
    value[chosen[whole]] = 1.0
    return value


def _pieces(takes: sparse.csc_array) -> Ints:
    """Number of the independent piece to which each variable belongs."""
    entries = takes.tocoo()
    places, variables = takes.shape
    joined = (np.ones(entries.nnz), (entries.row, places + entries.col))
    edges = sparse.coo_array(joined, shape=(places + variables, places + variables))
    component = connected_components(edges, directed=False)[1]
    return np.unique(component[places:], return_inverse=True)[1].astype(np.int64)


def _batches(piece: Ints) -> list[Ints]:
    """Positions of the variables of whole pieces, about ``BATCH`` at a time."""
    if not len(piece):
        return []
    name = np.unique(piece, return_inverse=True)[1]
    order = np.argsort(name, kind="stable")
    sizes = np.bincount(name)
    batch_of_piece = (np.cumsum(sizes) - sizes) // BATCH
    cuts = np.flatnonzero(np.diff(batch_of_piece[name[order]])) + 1
    return [np.sort(each) for each in np.split(order, cuts)]


def _highs(takes: sparse.csc_array, gain: Floats, *, whole: bool) -> Floats:
    """The best choice, in fractions or whole."""
    matrix = takes.tocsr()
    matrix = matrix[np.diff(matrix.indptr) > 0]
    result = milp(
        -gain,
        constraints=LinearConstraint(matrix, ub=np.ones(matrix.shape[0])),
        integrality=np.full(len(gain), int(whole)),
        bounds=Bounds(0.0, 1.0),
    )
    if result.x is None:
        raise RuntimeError(f"HiGHS did not solve the lineage: {result.message}")
    return np.array(result.x)
