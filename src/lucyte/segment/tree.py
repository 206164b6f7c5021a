r"""Objects at every brightness at once: the best disjoint set from the component tree.

Every connected patch of px above some level is a candidate; patches nest as the level rises. No
single threshold has to suit dim and bright objects: the set of disjoint patches is taken that
maximises the sum of

.. math:: A \left(\epsilon + e^{-(1 - E) / e_0}\right) e^{-S / s_0}

with the area :math:`A`, the share :math:`E` of the ellipse with the patch's moments that it fills,
and :math:`S`, by how much of its area the patch grows when the level sinks by 0.3 (e-fold of
light): round patches with sharp edges win over clumps and haloes.

References
----------
Berger et al. 2007 (the tree), doi 10.1109/ICIP.2007.4379949; Matas et al. 2004 (stability),
doi 10.1016/j.imavis.2004.02.006; Arteta et al. 2012 (the best disjoint set),
doi 10.1007/978-3-642-33415-3_43.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.schema.objects import Labels
from lucyte.segment.light import Plane

_STEPS = 20.0
_SINK = 0.3
_LOWEST = 1.2
_ELLIPSE = 0.03
_SPREAD = 0.6
_CLUMP = 0.02
_SMALLEST, _LARGEST = 0.25, 3.0


def best_patches(bright: Plane, side: float, sensitivity: float = 1.0) -> Labels:
    """Label the best disjoint patches of compressed light.

    Parameters
    ----------
    bright : float32 array Y X
        Compressed light, 0 at background.
    side : float
        Diameter of a typical object; patches of a quarter to three of it are candidates.
    sensitivity : float
        Multiplies the lowest level a patch may have.

    Returns
    -------
    int32 array Y X
    """
    levels = np.floor(bright * _STEPS).astype(np.int32)
    smallest = np.pi / 4 * (_SMALLEST * side) ** 2
    largest = min(np.pi / 4 * (_LARGEST * side) ** 2, 0.8 * bright.size)
    if float(levels.max()) < _LOWEST * _STEPS:
        return np.zeros(bright.shape, np.int32)
    # Below the lowest patch and its sink everything is one background.
    levels = np.maximum(levels, int((_LOWEST * min(sensitivity, 1.0) - _SINK) * _STEPS))
    flat = levels.ravel()
    parent, order = component_tree(flat, levels.shape[1])
    worth = _worth(parent, order, flat, levels.shape[1], smallest, largest)
    worth[flat < _LOWEST * sensitivity * _STEPS] = 0.0
    labels: npt.NDArray[Any] = _best(parent, order, flat, worth)
    return labels.reshape(bright.shape)


def component_tree(
    flat: npt.NDArray[np.int32], width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Parent of each px and an order in which parents come first, four neighbours, flat.

    The parent of a px is the canonical px of its own patch, or, where it is canonical itself, of
    the next larger patch; the root is its own parent.
    """
    order = np.argsort(flat, kind="stable").astype(np.int64)
    parent: npt.NDArray[np.int64] = _tree(order, flat, width)
    return parent, order


@njit(cache=True)
def _root(link: Any, i: int) -> Any:  # pragma: no cover
    while link[i] != i:
        link[i] = link[link[i]]
        i = link[i]
    return i


@njit(cache=True)
def _tree(order: Any, levels: Any, width: int) -> Any:  # pragma: no cover
    """Union of px from the brightest down; by rank, so that plateaus stay cheap."""
    n = levels.size
    parent = np.full(n, -1, np.int64)
    link = np.arange(n)
    rank = np.zeros(n, np.uint8)
    top = np.arange(n)
    for k in range(n - 1, -1, -1):
        p = order[k]
        parent[p] = p
        here = p
        for side in range(4):
            if side == 0:
                q = p - 1 if p % width > 0 else -1
            elif side == 1:
                q = p + 1 if p % width < width - 1 else -1
            elif side == 2:
                q = p - width
            else:
                q = p + width if p + width < n else -1
            if q < 0 or parent[q] < 0:
                continue
            other = _root(link, q)
            if other == here:
                continue
            parent[top[other]] = p
            if rank[other] > rank[here]:
                other, here = here, other
            elif rank[other] == rank[here]:
                rank[here] += 1
            link[other] = here
            top[here] = p
    for k in range(n):
        q = parent[order[k]]
        if levels[parent[q]] == levels[q]:
            parent[order[k]] = parent[q]
    return parent


@njit(cache=True)
def _worth(
    parent: Any, order: Any, levels: Any, width: int, smallest: float, largest: float
) -> Any:  # pragma: no cover
    """Worth of the patch that each canonical px stands for; 0 elsewhere."""
    n = parent.size
    sums = np.empty((n, 6))
    for i in range(n):
        y, x = float(i // width), float(i % width)
        sums[i] = (1.0, y, x, y * y, x * x, y * x)
    for k in range(n - 1, 0, -1):
        for j in range(6):
            sums[parent[order[k]], j] += sums[order[k], j]
    root = order[0]
    worth = np.zeros(n)
    for i in range(n):
        area = sums[i, 0]
        if i == root or levels[parent[i]] == levels[i] or area < smallest or area > largest:
            continue
        y, x = sums[i, 1] / area, sums[i, 2] / area
        vyy = sums[i, 3] / area - y * y + 1 / 12
        vxx = sums[i, 4] / area - x * x + 1 / 12
        vxy = sums[i, 5] / area - y * x
        ellipse = area / (4 * np.pi * np.sqrt(max(vyy * vxx - vxy * vxy, 1e-9)))
        below = i
        while below != root and levels[below] > levels[i] - _SINK * _STEPS:
            below = parent[below]
        growth = (sums[below, 0] - area) / area
        fit = np.exp(-max(0.0, 1 - ellipse) / _ELLIPSE)
        worth[i] = area * (_CLUMP + fit) * np.exp(-growth / _SPREAD)
    return worth


@njit(cache=True)
def _best(parent: Any, order: Any, levels: Any, worth: Any) -> Any:  # pragma: no cover
    """A patch is taken where it is worth more than the best of what nests in it."""
    n = parent.size
    root = order[0]
    nested = np.zeros(n)
    taken = np.zeros(n, np.bool_)
    for k in range(n - 1, -1, -1):
        i = order[k]
        best = nested[i]
        if (i == root or levels[parent[i]] != levels[i]) and worth[i] > nested[i]:
            taken[i] = True
            best = worth[i]
        if i != root:
            nested[parent[i]] += best
    labels = np.zeros(n, np.int32)
    found = 0
    for k in range(n):
        i = order[k]
        if i != root and labels[parent[i]] > 0:
            labels[i] = labels[parent[i]]
        elif taken[i]:
            found += 1
            labels[i] = found
    return labels
