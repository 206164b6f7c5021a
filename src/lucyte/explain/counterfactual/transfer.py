r"""The detail of a cell as that of the other class: transport of distributions, px by px.

Vectors of detail (all channels of a px, see `lucyte.networks.invertible_detail`) of class :math:`p`
are moved until they are spread as those of class :math:`q`. Along any one axis the transport that
moves least is the monotone one,

.. math:: t(x) = F_q^{-1}(F_p(x)),

with :math:`F` the distribution functions; it is done along the principal axes of both classes
together, then along those of random rotations, again and again. What both classes have alike stays
where it is; what is too bright, or too bright in one channel for what it is in another, moves.
Principal axes come first because channels of one cell go together: along them, what is bright in
all channels is told apart from what is bright in one, before anything has moved.

The detail drawn is :math:`e + 1.4\,(t(e) - e)`, and broad light moves by the difference of the
classes' mean levels, channel by channel and zone by zone: where spots crowd, the medians that it is
made of move with them.

References
----------
Pitié et al. 2007, doi 10.1016/j.cviu.2006.11.011 (transfer of distributions by rotations).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lucyte.networks.invertible_detail import over_zones, take_apart

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
ROTATIONS = 6
"""Each adds the noise of its sampled tails; chosen on a plate that no figure is reported on."""
STRETCH = 1.4
"""Detail moves so many times as far as its distributions say: it is measured in the cell's own
contrast, which itself grows where spots crowd. Chosen on that plate, too."""
LEVELS = np.concatenate(
    [np.linspace(0, 0.02, 40, False), np.linspace(0.02, 0.98, 96, False), np.linspace(0.98, 1, 41)]
)
"""Quantiles that are matched: closer in the tails, where what is rare lies."""


class Turn(NamedTuple):
    """One rotation and the monotone moves along its axes.

    Attributes
    ----------
    rotation : float array C C
    before, after : float array L C
        Quantiles along each axis.
    """

    rotation: Floats
    before: Floats
    after: Floats


def fit_transfer(source: Floats, target: Floats, seed: int = 0) -> list[Turn]:
    """Find the moves from one cloud of vectors to another.

    Parameters
    ----------
    source, target : float array M C
    seed : int
        Of the rotations after the first.
    """
    chance, size = np.random.default_rng(seed), source.shape[1]
    turns: list[Turn] = []
    at = np.asarray(source, dtype=np.float64)
    principal = np.linalg.svd(np.cov(np.concatenate([at, target]).T).reshape(size, size))[0]
    for k in range(ROTATIONS):
        rotation = np.linalg.qr(chance.normal(size=(size, size)))[0] if k else principal
        before = np.quantile(at @ rotation, LEVELS, axis=0)
        # Ties would leave the monotone move undefined.
        before = np.maximum.accumulate(before + 1e-9 * np.arange(len(LEVELS))[:, None], axis=0)
        turns.append(Turn(rotation, before, np.quantile(target @ rotation, LEVELS, axis=0)))
        at = transfer(at, turns[-1:])
    return turns


def transfer(vectors: Floats, turns: list[Turn]) -> Floats:
    """Move vectors ``M C``; beyond the quantiles known, as far as the outermost of them move."""
    for turn in turns:
        along = vectors @ turn.rotation
        moved = np.empty_like(along)
        for k, (before, after) in enumerate(zip(turn.before.T, turn.after.T, strict=True)):
            inside = np.clip(along[:, k], before[0], before[-1])
            moved[:, k] = np.interp(inside, before, after) + along[:, k] - inside
        vectors = moved @ turn.rotation.T
    return vectors


def as_other(planes: Floats, source: Singles, target: Singles, shift: Floats) -> Floats:
    """Prepared planes with the detail of another class, broad light shifted; contrast stays.

    Parameters
    ----------
    planes : float array N C H W
    source, target : float array Z M C
        Detail of the two classes by zone.
    shift : float array C Z
        Mean broad light of the target less that of the source, by channel and zone.
    """
    apart = take_apart(planes)
    fine = apart.fine.transpose(0, 2, 3, 1).copy()
    for zone, (here, there) in enumerate(zip(source, target, strict=True)):
        own = apart.zone == zone
        moved = transfer(fine[own], fit_transfer(here, there.astype(np.float64)))
        fine[own] += STRETCH * (moved - fine[own])
    return apart.planes(fine.transpose(0, 3, 1, 2)) + over_zones(apart.broad, shift)
