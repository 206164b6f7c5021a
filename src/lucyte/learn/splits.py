"""Folds that keep groups together: what a model is tested on, no relative of it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Folds = npt.NDArray[np.int64]
Names = Sequence[str] | npt.NDArray[Any]


def group_folds(labels: Names, groups: Names, k: int, seed: int) -> Folds:
    """Assign whole groups to ``k`` folds so that every fold holds every class where possible.

    Classes are placed from the rarest (in groups) to the commonest; each group goes to the fold
    that holds fewest groups of that class, then fewest of its samples, then fewest samples.
    Where every group holds one class each fold is sure to hold every class.

    Parameters
    ----------
    labels : sequence of N names
        Class of each sample.
    groups : sequence of N names
        What must not be split (``plate/well``).
    k : int
        Number of folds, 2 or more.
    seed : int

    Returns
    -------
    int array N
        Fold of each sample, 0 to k - 1.

    Raises
    ------
    UsageError
        One class only, or a class in fewer groups than folds; says how many folds are possible.
    """
    y, g = _names(labels, groups)
    possible, why = best_folds(y, g, k)
    if possible < k:
        raise UsageError(f"{k} folds are not possible: {why}")
    found, at = np.unique(g, return_inverse=True)
    classes, code = np.unique(y, return_inverse=True)
    samples = np.zeros((len(found), len(classes)), dtype=np.int64)
    np.add.at(samples, (at, code), 1)
    return _place(samples, k, seed)[at]


def best_folds(labels: Names, groups: Names, wanted: int) -> tuple[int, str]:
    """How many folds the groups allow, up to ``wanted``, and why not more.

    Returns
    -------
    int
        ``wanted`` or fewer; 0 where no honest split exists.
    str
        Empty where ``wanted`` is possible; else one sentence.

    Raises
    ------
    UsageError
        ``wanted`` below 2, lengths that differ, or a single class.
    """
    y, g = _names(labels, groups)
    if wanted < 2:
        raise UsageError(f"a test needs at least 2 folds, got {wanted}.")
    pairs = np.unique(np.stack([y, g]), axis=1)
    classes, count = np.unique(pairs[0], return_counts=True)
    if len(classes) < 2:
        only = f"{classes[0]!r}" if len(classes) else "none"
        raise UsageError(
            f"got one class only ({only}); a model of states needs two or more. "
            "Set the column to learn (classify.target)."
        )
    rarest = int(np.argmin(count))
    fewest = int(count[rarest])
    if fewest >= wanted:
        return wanted, ""
    groups_of = f"{fewest} group{'s' if fewest > 1 else ''}"
    if fewest < 2:
        return 0, (
            f"class {str(classes[rarest])!r} is in {groups_of}; every class needs at least 2, "
            "one to learn from and one to be tested on."
        )
    return fewest, (
        f"class {str(classes[rarest])!r} is in {groups_of}, and every fold must hold out at "
        f"least one; at most {fewest} folds are possible."
    )


def leave_one_group_out(groups: Names) -> Folds:
    """Every group its own fold, numbered in the sorted order of their names.

    Raises
    ------
    UsageError
        Fewer than two groups.
    """
    found, at = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(found) < 2:
        only = f"{str(found[0])!r}" if len(found) else "none"
        raise UsageError(f"got one group only ({only}); two or more are needed to hold one out.")
    return at.astype(np.int64)


def random_folds(
    labels: Names, groups: Names, k: int, seed: int, *, allow_leakage: bool = False
) -> tuple[Folds, str]:
    """Split samples at random, group or no group. Refused unless leakage is asked for by name.

    Returns
    -------
    int array N
        Fold of each sample, stratified by class.
    str
        The warning that must go with everything made from this split.

    Raises
    ------
    UsageError
        ``allow_leakage`` is not set.
    """
    y, g = _names(labels, groups)
    shared = len(np.unique(g))
    if not allow_leakage:
        raise UsageError(
            f"a random split would put cells of the same group on both sides ({len(y)} cells in "
            f"{shared} groups); split by group, or allow it by name (--allow-leakage)."
        )
    rng = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for offset, name in enumerate(np.unique(y)):
        rows = rng.permutation(np.flatnonzero(y == name))
        fold[rows] = (np.arange(len(rows)) + offset) % k
    return fold, (
        f"Random split: cells of the same group (of {shared}) were both learned from and tested "
        "on, so these figures say nothing about new groups."
    )


def even_sample(groups: Names, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Positions of at most ``most`` samples, drawn as evenly over the groups as they allow.

    Parameters
    ----------
    groups : sequence of N names
    most : int
    seed : int

    Returns
    -------
    int array
        Rising positions. No group gives more than another that still had samples left.
    """
    g = np.asarray(groups, dtype=str)
    if len(g) <= most:
        return np.arange(len(g), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(g))
    _, at = np.unique(g[order], return_inverse=True)
    by_group = np.argsort(at, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(at))[:-1]]
    turn = np.empty(len(g), dtype=np.int64)  # the how-manieth of its group each sample is
    turn[by_group] = np.arange(len(g)) - starts[at[by_group]]
    chosen = np.argsort(turn, kind="stable")[:most]
    return np.sort(order[chosen]).astype(np.int64)


def _place(samples: npt.NDArray[np.int64], k: int, seed: int) -> Folds:
    """Fold of each group, given its samples per class (``groups x classes``)."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(samples), -1, dtype=np.int64)
    size = samples.sum(axis=1)
    held_groups = np.zeros((k, samples.shape[1]), dtype=np.int64)
    held = np.zeros((k, samples.shape[1]), dtype=np.int64)
    for label in np.argsort((samples > 0).sum(axis=0), kind="stable"):
        waiting = rng.permutation(np.flatnonzero((samples[:, label] > 0) & (fold < 0)))
        for group in waiting[np.argsort(-size[waiting], kind="stable")]:
            tie = rng.permutation(k)
            keys = (tie, held.sum(axis=1), held[:, label], held_groups[:, label])
            best = int(np.lexsort(keys)[0])
            fold[group] = best
            held_groups[best] += samples[group] > 0
            held[best] += samples[group]
    return fold


def _names(labels: Names, groups: Names) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    if y.ndim != 1 or y.shape != g.shape:
        raise UsageError(f"got {y.shape} labels and {g.shape} groups; one of each per sample.")
    return y, g
