r"""Shapley values of channels and of pieces: how the answer is shared out among its players.

.. math:: \phi_i = \sum_{S \subseteq P \setminus i}
          \frac{|S|!\,(n - |S| - 1)!}{n!}\,[v(S \cup i) - v(S)], \qquad
          \sum_i \phi_i = v(P) - v(\emptyset)

with :math:`v(S)` the score when the players of S are shown and all others come from the fill. Up
to `EXACT` players every coalition is asked; of more, pairs of a coalition and its complement are
drawn with the weights of the Shapley kernel, and the values are the least-squares solution that
keeps the sum.

References
----------
Shapley 1953, doi 10.1515/9781400881970-018. Lundberg and Lee 2017, arXiv 1705.07874. Covert and
Lee 2021, arXiv 2012.01536 (paired samples).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lucyte.explain.attribution.explained import Floats
from lucyte.schema.errors import UsageError, unknown

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

Bools = npt.NDArray[np.bool_]
EXACT = 8
"""Players up to which every coalition is asked: 256 of them."""
MOST_CHANNELS = 14
"""Channels of light beyond which the coalitions are too many."""


def channel_shapley(case: Case) -> Relevance:
    """Exact values of the channels of light, each over all coalitions.

    Raises
    ------
    UsageError
        More channels than `MOST_CHANNELS`.
    """
    import torch

    names = case.light
    if len(names) > MOST_CHANNELS:
        raise UsageError(
            f"{len(names)} channels have {2 ** len(names):,} coalitions; at most {MOST_CHANNELS} "
            "channels are shared out. Explain with shapley_pieces or occlusion."
        )
    questions, count = case.questions(), len(case.crops)
    shown = all_coalitions(len(names))
    side = case.crops.shape[-1]
    kept = torch.from_numpy(shown)[:, :, None, None].expand(-1, -1, side, side)
    rows = np.repeat(np.arange(count), len(shown))
    worth = questions.ask(rows, kept, np.tile(np.arange(len(shown)), count))
    values = worth.reshape(count, -1) @ exact_weights(shown).T
    maps = np.broadcast_to(values[:, :, None, None], (count, len(names), side, side)) / side**2
    parts = tuple(dict(zip(names, map(float, row), strict=True)) for row in values)
    return case.found(maps.copy(), "score", parts=parts, note="Even over each channel's px.")


def piece_shapley(case: Case) -> Relevance:
    """Values of organelles, spots or other pieces, painted evenly over their px.

    What is no piece (0 in ``settings.pieces``) is always shown. With ``settings.piece_channel``
    a piece is taken away in that channel alone.

    Raises
    ------
    UsageError
        No pieces given, pieces of another shape, a channel that is not there.
    """
    pieces = check_pieces(case.settings.pieces, case.crops)
    channel = case.settings.piece_channel
    if channel is not None and channel not in case.light:
        raise unknown("channel", channel, case.light, "Pieces are taken away in it.")
    maps = np.zeros((len(case.crops), len(case.light), *case.crops.shape[2:]))
    parts = []
    for n, own in enumerate(pieces):
        labels = np.unique(own[own > 0])
        players = own[None] == labels[:, None, None]

        def worth(shown: Bools, n: int = n, players: Bools = players) -> Floats:
            return _worth(case, n, players, shown)

        values = shapley_values(worth, len(labels), case.settings.samples, case.settings.seed + n)
        parts.append({f"piece {k}": float(v) for k, v in zip(labels, values, strict=True)})
        painted = np.zeros(own.shape)
        for value, player in zip(values, players, strict=True):
            painted[player] = value / player.sum()
        if channel is None:
            maps[n] = painted / len(case.light)
        else:
            maps[n, case.light.index(channel)] = painted
    joined = case.light if channel is None else ()
    return case.found(maps, "score", parts=tuple(parts), joined=joined)


def shapley_values(
    worth: Callable[[Bools], Floats], players: int, samples: int = 512, seed: int = 0
) -> Floats:
    """Values of n players.

    Parameters
    ----------
    worth : callable
        Coalitions ``M n`` to their worth ``M``.
    players : int
    samples : int
        Coalitions drawn where there are more than `EXACT` players.
    seed : int

    Raises
    ------
    UsageError
        Fewer samples than twice the players.
    """
    if not players:
        return np.zeros(0)
    if players <= EXACT:
        shown = all_coalitions(players)
        return np.asarray(exact_weights(shown) @ worth(shown), dtype=np.float64)
    if samples < 2 * players:
        raise UsageError(
            f"{players} pieces need {2 * players} samples or more, got {samples}; "
            "raise samples or join pieces."
        )
    shown = kernel_coalitions(players, samples, np.random.default_rng(seed))
    ends = np.array([[False] * players, [True] * players])
    answers = worth(np.concatenate([ends, shown]))
    return solve_kernel(shown, answers[2:], float(answers[0]), float(answers[1]))


def all_coalitions(players: int) -> Bools:
    """Every subset, ``2^n n``; row k holds player i where bit i of k is set."""
    number = np.arange(2**players)
    return ((number[:, None] >> np.arange(players)) & 1).astype(np.bool_)


def exact_weights(shown: Bools) -> Floats:
    """Weights ``n 2^n`` whose product with the worths is the Shapley values."""
    players = shown.shape[1]
    size = shown.sum(axis=1)
    out = np.zeros((players, len(shown)))
    for k, (row, held) in enumerate(zip(shown, size, strict=True)):
        for i in range(players):
            others = int(held) - int(row[i])
            weight = factorial(others) * factorial(players - others - 1) / factorial(players)
            out[i, k] = weight if row[i] else -weight
    return out


def kernel_coalitions(players: int, samples: int, rng: np.random.Generator) -> Bools:
    """Coalitions drawn with the Shapley kernel's weights, each beside its complement.

    A size k is drawn in proportion to the kernel times the number of subsets of that size,
    (n - 1) / (k (n - k)); members are drawn evenly. Every row then weighs the same.
    """
    sizes = np.arange(1, players)
    chance = 1.0 / (sizes * (players - sizes))
    half = -(-samples // 2)
    drawn = rng.choice(sizes, half, p=chance / chance.sum())
    order = rng.random((half, players)).argsort(axis=1)
    shown = order < drawn[:, None]
    return np.concatenate([shown, ~shown])


def solve_kernel(shown: Bools, answers: Floats, empty: float, full: float) -> Floats:
    """Least squares of ``answers - empty`` on membership, with the sum held at ``full - empty``."""
    x = shown.astype(np.float64)
    last = x[:, -1]
    target = answers - empty - last * (full - empty)
    some = np.linalg.lstsq(x[:, :-1] - last[:, None], target, rcond=None)[0]
    return np.append(some, full - empty - some.sum())


def kernel_weight(players: int, size: int) -> float:
    """The Shapley kernel of one coalition of ``size``."""
    return (players - 1) / (comb(players, size) * size * (players - size))


def check_pieces(
    pieces: npt.NDArray[np.int64] | None, crops: npt.NDArray[np.generic]
) -> npt.NDArray[np.int64]:
    """Pieces ``N Y X`` that fit the crops.

    Raises
    ------
    UsageError
    """
    wanted = (len(crops), *crops.shape[2:])
    if pieces is None:
        raise UsageError(
            "this method shares the answer out among pieces, and none were given; pass "
            "Settings(pieces=...) as integers N Y X, 0 for what is no piece (see join_pieces)."
        )
    if pieces.shape != wanted or pieces.dtype.kind not in "iu":
        raise UsageError(
            f"pieces must be integers N Y X like the crops {wanted}, got {pieces.dtype} "
            f"{pieces.shape}."
        )
    return pieces


def _worth(case: Case, n: int, players: Bools, shown: Bools) -> Floats:
    """Score of crop n with the shown players, a batch of coalitions at a time."""
    import torch

    channel = case.settings.piece_channel
    questions, flat = case.questions(), players.reshape(len(players), -1)
    out = np.empty(len(shown))
    for at in range(0, len(shown), 256):
        some = shown[at : at + 256]
        gone = (~some).astype(np.float32) @ flat.astype(np.float32) > 0.5
        here = ~gone.reshape(len(some), 1, *players.shape[1:])
        if channel is not None:
            kept = np.ones((len(some), len(case.light), *players.shape[1:]), dtype=np.bool_)
            kept[:, case.light.index(channel)] = here[:, 0]
            here = kept
        rows = np.full(len(some), n)
        out[at : at + 256] = questions.ask(rows, torch.from_numpy(here), np.arange(len(some)))
    return out
