"""Stitching: objects found plane by plane become one label through Z.

Two slices belong together where they overlap: neighbours in Z are linked one to one, the pair
with the largest intersection over union first, if at least a share of the smaller slice lies in
the larger. (Intersection over union alone would cut the caps of a round object, which shrink fast.)
A slice that is missing from a few planes does not end an object.

References
----------
Stringer et al. 2021 (stitching planes by overlap), doi 10.1038/s41592-020-01018-x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels, check_labels

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


def stitch_planes(
    planes: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    *,
    min_overlap: float = 0.5,
    max_gap: int = 1,
) -> Labels:
    """One label through planes for slices that overlap.

    Parameters
    ----------
    planes : sequence of integer arrays Y X
        Label images, numbered independently of each other.
    min_overlap : float
        Least share of the smaller of two slices that lies in the larger, above 0, at most 1.
    max_gap : int
        Planes in which an object may be missing.

    Returns
    -------
    int32 array Z Y X
        Labels 1 to n in the order in which they first appear.

    Raises
    ------
    UsageError
        Planes of different sizes, or limits out of range.
    """
    check_limits(min_overlap, max_gap)
    stack = [check_labels(plane, f"plane {z}") for z, plane in enumerate(planes)]
    if len({plane.shape for plane in stack}) > 1 or any(plane.ndim != 2 for plane in stack):
        raise UsageError(
            f"planes of one stack must be Y X and of one size, got {[p.shape for p in stack]}."
        )
    if not stack:
        return np.zeros((0, 0, 0), np.int32)
    out = np.zeros((len(stack), *stack[0].shape), np.int32)
    last_seen: dict[int, int] = {}
    fresh = 0
    for z, plane in enumerate(stack):
        below = _latest(out, z, max_gap, last_seen)
        old, new, score = overlapping(below, plane, min_overlap)
        name = np.zeros(int(plane.max(initial=0)) + 1, np.int32)
        for a, b in one_to_one(old, new, score):
            name[b] = a
        present = np.bincount(plane.reshape(-1), minlength=len(name)) > 0
        present[0] = False
        unnamed = np.flatnonzero(present & (name == 0))
        name[unnamed] = fresh + 1 + np.arange(len(unnamed))
        fresh += len(unnamed)
        out[z] = name[plane]
        last_seen.update({int(k): z for k in name[present]})
    return out


def check_limits(min_overlap: float, max_gap: int) -> None:
    """Refuse a share outside 0 to 1 and a negative gap."""
    if not 0 < min_overlap <= 1:
        raise UsageError(f"min_overlap must be above 0 and at most 1, got {min_overlap:g}.")
    if max_gap < 0:
        raise UsageError(f"max_gap is a number of planes, 0 or more, got {max_gap}.")


def overlapping(below: Labels, above: Labels, min_overlap: float) -> Pairs:
    """Pairs of labels of two planes that overlap enough, with intersection over union."""
    size = int(above.max(initial=0)) + 1
    shared = _shared(below.reshape(-1), above.reshape(-1), size)
    pairs, count = np.unique(shared, return_counts=True)
    old, new = pairs // size, pairs % size
    first = np.bincount(below.reshape(-1))[old].astype(np.float64)
    second = np.bincount(above.reshape(-1))[new].astype(np.float64)
    enough = count >= min_overlap * np.minimum(first, second)
    score = count / (first + second - count)
    return old[enough], new[enough], score[enough]


def one_to_one(
    old: npt.NDArray[np.int64], new: npt.NDArray[np.int64], score: npt.NDArray[np.float64]
) -> list[tuple[int, int]]:
    """The best pair, then the best of what is left; ties by the smaller labels."""
    taken_old: set[int] = set()
    taken_new: set[int] = set()
    chosen = []
    for k in np.lexsort((new, old, -score)):
        a, b = int(old[k]), int(new[k])
        if a not in taken_old and b not in taken_new:
            chosen.append((a, b))
            taken_old.add(a)
            taken_new.add(b)
    return chosen


def _latest(out: Labels, z: int, max_gap: int, last_seen: dict[int, int]) -> Labels:
    """What lies below plane z: its neighbour, and in its holes what ended within the gap."""
    if z == 0:
        return np.zeros(out.shape[1:], np.int32)
    below: Labels = out[z - 1].copy()
    for earlier in range(z - 2, max(z - 2 - max_gap, -1), -1):
        ended = np.zeros(max(last_seen, default=0) + 1, dtype=np.bool_)
        ended[[name for name, seen in last_seen.items() if seen == earlier]] = True
        below = np.where((below == 0) & ended[out[earlier]], out[earlier], below)
    return below


@njit(cache=True)
def _shared(below: Any, above: Any, size: int) -> Any:  # pragma: no cover
    """One code per px that lies in a label of both planes."""
    n = 0
    for i in range(below.size):
        if below[i] > 0 and above[i] > 0:
            n += 1
    out = np.empty(n, np.int64)
    n = 0
    for i in range(below.size):
        if below[i] > 0 and above[i] > 0:
            out[n] = np.int64(below[i]) * size + above[i]
            n += 1
    return out
