"""The inner validation split of a learner: whole groups, never seen while fitting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Rows = npt.NDArray[np.int64]
OVERSHOOT = 1.5
"""A group that would make the validation set this many times too large is not taken."""


def inner_split(
    labels: Sequence[str], groups: Sequence[str], share: float, seed: int
) -> tuple[Rows, Rows, str]:
    """Rows to fit on and rows to validate on; no group is in both.

    Every class gets a group in validation where it has another to be learned from, the rarest
    first; then groups are added until the share of the samples is reached. No class ever leaves
    the rows to fit on.

    Parameters
    ----------
    labels, groups : sequence of N str
    share : float
        Of the samples, for validation; 0 for none.
    seed : int

    Returns
    -------
    train, validation : int array
        Rising.
    str
        How it was split, for the card.

    Raises
    ------
    UsageError
        One class, or a share outside 0 to 1.
    """
    if not 0 <= share < 1:
        raise UsageError(f"the share for validation is from 0 to below 1, got {share}.")
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    classes, code = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        only = f"{str(y[0])!r}" if len(y) else "none"
        raise UsageError(f"got one class only ({only}); a classifier needs two or more.")
    everything = np.arange(len(y), dtype=np.int64)
    if share == 0:
        return everything, everything[:0], "no validation split"
    found, at = np.unique(g, return_inverse=True)
    table = np.zeros((len(found), len(classes)), dtype=np.int64)
    np.add.at(table, (at, code), 1)
    held = _choose(table, share, np.random.default_rng(seed))
    if not held.any():
        return everything, everything[:0], "no validation split: every class is in one group"
    validated = table[held].sum(axis=0) > 0
    told = (
        f"inner validation on {int(held.sum())} of {len(found)} groups "
        f"({int(table[held].sum())} of {len(y)} samples)"
    )
    if not validated.all():
        missing = ", ".join(str(name) for name in classes[~validated])
        told += f"; not validated, for want of groups: {missing}"
    return np.flatnonzero(~held[at]), np.flatnonzero(held[at]), told


def _choose(
    table: npt.NDArray[np.int64], share: float, chance: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which groups validate, from samples per group and class."""
    held = np.zeros(len(table), dtype=np.bool_)
    goal = share * table.sum()
    size = table.sum(axis=1)

    def can_go(group: int) -> bool:
        left = (table[~held] > 0).sum(axis=0) - (table[group] > 0)
        return not held[group] and bool((left > 0).all())

    def take(candidates: npt.NDArray[np.int64], limit: float) -> bool:
        for group in chance.permutation(candidates):
            if can_go(int(group)) and size[held].sum() + size[group] <= limit:
                held[group] = True
                return True
        return False

    for label in np.argsort((table > 0).sum(axis=0), kind="stable"):
        owners = np.flatnonzero(table[:, label] > 0)
        if not held[owners].any() and not take(owners, goal * OVERSHOOT):
            # Better a large group than a class without any validation, while it stays below half.
            take(owners[np.argsort(size[owners], kind="stable")][:1], 0.5 * table.sum())
    while size[held].sum() < goal and take(np.flatnonzero(~held), goal * OVERSHOOT):
        pass
    return held
