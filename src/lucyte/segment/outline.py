"""Outlines: each object to its own level, so that bright ones carry no halo and dim ones fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.segment.light import Plane
from lucyte.segment.operations import Mask, label, opened


def object_levels(linear: Plane, labels: Labels, fraction: float) -> npt.NDArray[np.float32]:
    """Level of each label: a fraction of the upper quartile of its light above background.

    Returns
    -------
    float32 array
        Indexed by label; entry 0 is infinite.
    """
    inside = labels > 0
    names, values = labels[inside], linear[inside]
    order = np.lexsort((values, names))
    names, values = names[order], values[order]
    count = np.bincount(names, minlength=int(labels.max()) + 1)
    start = np.cumsum(count) - count
    quartile = np.minimum(start + (0.75 * count).astype(np.int64), max(len(values) - 1, 0))
    out = np.full(len(count), np.inf, dtype=np.float32)
    here = count > 0
    here[0] = False
    out[here] = fraction * values[quartile[here]]
    return out


def outline(
    linear: Plane, territory: Labels, levels: npt.NDArray[np.float32], side: float, min_area: float
) -> Labels:
    """Within its territory each object is where the light is above its own level.

    Parameters
    ----------
    linear : float32 array Y X
        Smoothed light above background.
    territory : int32 array Y X
        Where each label may be.
    levels : float32 array
        From :func:`object_levels`.
    side : float
        Diameter of a typical object in px of these arrays.
    min_area : float, px
        Smaller ones are dropped.

    Returns
    -------
    int32 array Y X
        Labels 1 to n: one connected piece each, holes filled.
    """
    bright: Mask = linear > levels[territory]
    labels = fill_labels(np.where(bright, territory, 0).astype(np.int32), 0.4 * side**2)
    labels = np.where(_opened_labels(labels, side), labels, 0).astype(np.int32)
    return renumber(largest_pieces(labels, min_area))


def fill_labels(labels: Labels, largest_px: float) -> Labels:
    """Fill background holes of at most ``largest_px`` px that lie within one label alone."""
    holes = label(labels == 0)
    n = int(holes.max()) + 1
    area = np.bincount(holes.reshape(-1), minlength=n)
    low, high = np.full(n, np.iinfo(np.int32).max), np.zeros(n, np.int64)
    for near, far in _neighbours(holes, labels):
        touching = (near > 0) & (far > 0)
        np.minimum.at(low, near[touching], far[touching])
        np.maximum.at(high, near[touching], far[touching])
    fits = (area <= largest_px) & (low == high)
    fits[0] = False
    for edge in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        fits[edge] = False
    fill = np.where(fits, high, 0).astype(np.int32)
    out: Labels = np.where(labels > 0, labels, fill[holes]).astype(np.int32)
    return out


def largest_pieces(labels: Labels, min_area: float) -> Labels:
    """Of each label only its largest connected piece, if it has ``min_area`` px."""
    pieces = label(labels)
    area = np.bincount(pieces.reshape(-1))
    owner = np.zeros(len(area), np.int64)
    owner[pieces.reshape(-1)] = labels.reshape(-1)
    area[0] = 0
    order = np.lexsort((np.arange(len(area)), -area, owner))
    first = order[np.unique(owner[order], return_index=True)[1]]
    keep = np.zeros(len(area), dtype=bool)
    keep[first] = True
    keep &= (area >= max(min_area, 1)) & (owner > 0)
    out: Labels = np.where(keep[pieces], labels, 0).astype(np.int32)
    return out


def renumber(labels: Labels) -> Labels:
    """Labels 1 to n in the order of the old ones."""
    present = np.bincount(labels.reshape(-1)) > 0
    present[0] = False
    new = np.cumsum(present) * present
    out: Labels = new[labels].astype(np.int32)
    return out


def _opened_labels(labels: Labels, side: float) -> Mask:
    """Opening of every label on its own: a border between two labels is a border."""
    inner = labels > 0
    for axis in (0, 1):
        step = np.diff(labels, axis=axis) != 0
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        inner[tuple(first)] &= ~(step & (labels[tuple(second)] > 0))
    kept = opened(inner, side)
    grown: Mask = ndi.binary_dilation(kept) & (labels > 0)
    return grown


def _neighbours(
    holes: npt.NDArray[np.int64], labels: Labels
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
    pairs = []
    for a, b in ((np.s_[:-1], np.s_[1:]), (np.s_[1:], np.s_[:-1])):
        for rows in (True, False):
            first = (a, slice(None)) if rows else (slice(None), a)
            second = (b, slice(None)) if rows else (slice(None), b)
            edge = (holes[first] > 0) & (labels[second] > 0)
            pairs.append((holes[first][edge], labels[second][edge]))
    return pairs
