"""Movement of the whole field: slow drift and sudden jumps of the stage."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree

from lucyte.track.detections import Detections, Floats

ENOUGH = 6
"""Fewer common objects than this cannot tell a drift from their own movement."""
VOTERS = 200
REACH = 48
"""Longest jump that is looked for, in quarters of the spacing between objects."""


def field_shifts(found: Detections) -> Floats:
    """Movement of the field from each frame to the next that has objects.

    A jump is found by votes: every pair of objects votes for the step between them, and a jump is
    believed where at least half of the objects agree on it and far more than on standing still.
    What then remains is the median step of mutual nearest neighbours, where it is significant.

    Returns
    -------
    float64 array, frames x 2
        Accumulated shift in y and x px; the first row is 0.
    """
    shifts = np.zeros((len(found.times), 2))
    for frame in range(1, len(found.times)):
        before = found.yx[found.rows(frame - 1)]
        after = found.yx[found.rows(frame)]
        shifts[frame] = shifts[frame - 1] + field_step(before, after)
    return shifts


def field_step(before: Floats, after: Floats) -> Floats:
    """Common step of two sets of points (n x 2 and m x 2, y and x px)."""
    smaller = min(len(before), len(after))
    if smaller < ENOUGH:
        return np.zeros(2)
    spacing = 0.5 * float(np.sqrt(np.ptp(after, axis=0).prod() / len(after)))
    tolerance = 0.25 * spacing
    enough = max(ENOUGH, 0.5 * smaller)
    steps = mutual_steps(before, after)
    jump = np.zeros(2)
    if tolerance > 0 and _agreeing(steps, tolerance) < enough:
        guess = _vote(before[:: len(before) // VOTERS + 1], after, tolerance)
        moved = mutual_steps(before + guess, after)
        agreeing = _agreeing(moved, tolerance)
        if agreeing >= enough and agreeing > 1.5 * _agreeing(steps, tolerance) + 2:
            jump, steps = guess, moved
    return jump + _median_step(steps)


def mutual_steps(before: Floats, after: Floats) -> Floats:
    """Steps between points that are each other's nearest."""
    there = np.asarray(cKDTree(after).query(before)[1])
    back = np.asarray(cKDTree(before).query(after)[1])
    mutual = back[there] == np.arange(len(before))
    return np.asarray(after[there[mutual]] - before[mutual])


def _median_step(steps: Floats) -> Floats:
    """The median in y and in x where it differs from 0 by more than chance."""
    if len(steps) < ENOUGH:
        return np.zeros(2)
    median = np.median(steps, axis=0)
    spread = 1.4826 * np.median(np.abs(steps - median), axis=0)
    significant = np.abs(median) > 3 * 1.2533 * spread / np.sqrt(len(steps))
    return np.where(significant, median, 0.0)


def _agreeing(steps: Floats, tolerance: float) -> int:
    return int((np.hypot(steps[:, 0], steps[:, 1]) <= tolerance).sum())


def _vote(before: Floats, after: Floats, tolerance: float) -> Floats:
    """The step that most pairs agree on, to within ``tolerance`` px."""
    steps = (after[None, :, :] - before[:, None, :]).reshape(-1, 2)
    cells = np.round(steps / tolerance).astype(np.int64)
    near = (np.abs(cells) <= REACH).all(axis=1)
    if not near.any():
        return np.zeros(2)
    side = 2 * REACH + 1
    codes = (cells[near, 0] + REACH) * side + cells[near, 1] + REACH
    votes = np.bincount(codes, minlength=side * side).reshape(side, side).astype(np.float64)
    best = np.unravel_index(int(np.argmax(uniform_filter(votes, 3, mode="constant"))), votes.shape)
    centre = (np.array(best) - REACH) * tolerance
    close = steps[(np.abs(steps - centre) <= 1.5 * tolerance).all(axis=1)]
    median: Floats = np.median(close, axis=0)
    return median
