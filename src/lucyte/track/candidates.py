"""Who could be who: a sparse graph of possible links between frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lucyte.track.detections import Detections, Floats, Ints

NEAREST = 6
LATER = 3
"""Candidates per object in the next frame and in each after it: whom more others separate from an
object than this cannot be its partner."""


@dataclass(frozen=True)
class Pairs:
    """Possible links, sorted by source and target.

    Attributes
    ----------
    source, target : int64 array
        Indices into the detections.
    step : float64 array, n x 2
        Movement in y and x px, that of the field taken off.
    skipped : int64 array
        Frames with objects that lie between.
    elapsed : float64 array
        Time indices that passed.
    """

    source: Ints
    target: Ints
    step: Floats
    skipped: Ints
    elapsed: Floats

    def __len__(self) -> int:
        return len(self.source)

    @property
    def distance(self) -> Floats:
        """Length of the step in px."""
        return np.hypot(self.step[:, 0], self.step[:, 1])

    def take(self, chosen: Ints) -> Pairs:
        """Some of them (indices or a mask)."""
        return Pairs(
            self.source[chosen],
            self.target[chosen],
            self.step[chosen],
            self.skipped[chosen],
            self.elapsed[chosen],
        )


def nearby(found: Detections, shifts: Floats, reach: float, ahead: int) -> Pairs:
    """The nearest objects of the next frames.

    Parameters
    ----------
    found : Detections
    shifts : float64 array, frames x 2
        Accumulated movement of the field in px.
    reach : float
        Longest step in px per square root of a time index.
    ahead : int
        How many frames ahead to look (1: the next).
    """
    still = found.yx - shifts[found.frame]
    far = 4 * (np.ptp(still, axis=0).max(initial=0.0) + 1)
    tree = cKDTree(np.column_stack([still, found.frame * far]), compact_nodes=False)
    parts = []
    for skipped in range(ahead):
        asking = np.flatnonzero(found.frame + skipped + 1 < len(found.times))
        where = np.column_stack([still[asking], (found.frame[asking] + skipped + 1) * far])
        if not len(asking):
            continue
        most = LATER if skipped else NEAREST
        index = tree.query(where, k=most, distance_upper_bound=far / 2)[1]
        source = np.repeat(asking, most)
        target = np.asarray(index).reshape(-1)
        exists = target < len(found)
        source, target = source[exists], target[exists]
        parts.append(np.column_stack([source, target, np.full(len(source), skipped)]))
    table = np.concatenate(parts) if parts else np.zeros((0, 3), np.int64)
    table = table[np.lexsort((table[:, 1], table[:, 0]))].astype(np.int64)
    source, target, skips = table.T
    elapsed = (found.time[target] - found.time[source]).astype(np.float64)
    pairs = Pairs(source, target, still[target] - still[source], skips, elapsed)
    return pairs.take(pairs.distance <= reach * np.sqrt(elapsed))


def mutual(pairs: Pairs, count: int) -> Ints:
    """Indices of the pairs of neighbouring frames whose members are each other's nearest."""
    direct = np.flatnonzero(pairs.skipped == 0)
    distance = pairs.distance[direct]
    order = direct[np.lexsort((pairs.target[direct], distance))]
    first_out = np.full(count, -1, dtype=np.int64)
    first_in = np.full(count, -1, dtype=np.int64)
    first_out[pairs.source[order][::-1]] = order[::-1]
    first_in[pairs.target[order][::-1]] = order[::-1]
    best = first_out[pairs.source[direct]] == direct
    chosen: Ints = direct[best & (first_in[pairs.target[direct]] == direct)]
    return chosen
