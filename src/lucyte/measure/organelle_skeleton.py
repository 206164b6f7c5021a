r"""Skeletons of labelled organelles as graphs: length, ends, junctions, branches.

Two voxels of a skeleton are linked where they touch (26 neighbours; 8 in a plane) and no third
voxel of the skeleton lies nearer to both than they to each other (the relative neighbourhood
graph), so that a corner is one bend and no triangle. With degree :math:`d` the number of links:
ends have :math:`d = 1`, junctions :math:`d \ge 3`, and branches are the ways between voxels of
:math:`d \ne 2`, plus one for each ring without any.

References
----------
Zhang and Suen 1984 (thinning in a plane), doi 10.1145/357994.358023; Lee, Kashyap and Chu 1994 (in
space), doi 10.1006/cgip.1994.1042; Toussaint 1980 (relative neighbourhood graph), doi
10.1016/0031-3203(80)90066-7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import ndimage as ndi

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


def skeleton_features(labels: Labels, steps: Sequence[float], names: Ints) -> dict[str, Floats]:
    """Length of the skeleton, ends, junctions and branches of every organelle.

    Parameters
    ----------
    labels : int32 array Y X or Z Y X
    steps : sequence of float
        Size of a step along each axis, px of Y and X.
    names : int array n
        Labels asked for, rising.

    Returns
    -------
    dict of column to array n
        ``skeleton_length_px`` (0 for a single voxel), ``ends_count``, ``junctions_count`` (voxels
        of degree 3 or more), ``branches_count``.
    """
    volume = labels[None] if labels.ndim == 2 else labels
    thin = skeletonise(labels)
    thin = thin[None] if labels.ndim == 2 else thin
    at = np.argwhere(thin)
    sizes = np.array(([1.0, *steps])[-3:], dtype=np.float64)
    owner = volume[tuple(at.T)]
    order = np.argsort(owner, kind="stable")
    index = np.full(volume.shape, -1, np.int32)
    index[tuple(at[order].T)] = np.arange(len(at), dtype=np.int32)
    length, degree, root = _links(index, volume, at[order], sizes)
    code = np.searchsorted(names, owner[order])
    n = len(names)
    ends = np.bincount(code[degree == 1], minlength=n)
    odd = degree != 2
    # Every branch ends at two voxels of degree other than 2; a ring without any is one branch.
    stubs = np.bincount(code[odd], weights=degree[odd], minlength=n) / 2
    plain = np.bincount(root, weights=odd.astype(np.float64), minlength=len(at)) == 0
    ring = plain & (np.arange(len(at)) == root)
    return {
        "skeleton_length_px": np.bincount(code, weights=length, minlength=n).astype(np.float64),
        "ends_count": ends.astype(np.float64),
        "junctions_count": np.bincount(code[degree >= 3], minlength=n).astype(np.float64),
        "branches_count": stubs + np.bincount(code[ring], minlength=n),
    }


def skeletonise(labels: Labels) -> npt.NDArray[np.bool_]:
    """Centre lines of every label; labels that touch are thinned one by one.

    Returns
    -------
    bool array of the shape of ``labels``
    """
    from skimage import morphology

    skeletonize: Any = morphology.skeletonize

    touching = _touching(labels)
    apart = (labels > 0) & ~np.isin(labels, touching)
    thin: npt.NDArray[np.bool_] = skeletonize(apart) if apart.any() else apart
    thin = np.asarray(thin, dtype=np.bool_)
    places = ndi.find_objects(labels)
    for name in touching:
        where = places[name - 1]
        mine = labels[where] == name
        thin[where] |= np.asarray(skeletonize(np.pad(mine, 1)), np.bool_)[
            (slice(1, -1),) * mine.ndim
        ]
    return thin


def _touching(labels: Labels) -> list[int]:
    """Labels with a voxel beside one of another label, diagonals included."""
    volume = labels[None] if labels.ndim == 2 else labels
    count = int(volume.max(initial=0)) + 1
    return [int(name) for name in np.flatnonzero(_meets(volume, count))]


@njit(cache=True)
def _meets(labels: Any, count: int) -> Any:  # pragma: no cover
    planes, height, width = labels.shape
    out = np.zeros(count, np.bool_)
    for k in range(planes):
        for i in range(height):
            for j in range(width):
                a = labels[k, i, j]
                if a == 0:
                    continue
                for dk in range(-1, 2):
                    for di in range(-1, 2):
                        for dj in range(-1, 2):
                            z, y, x = k + dk, i + di, j + dj
                            if z < 0 or y < 0 or x < 0 or z >= planes or y >= height or x >= width:
                                continue
                            b = labels[z, y, x]
                            if b != 0 and b != a:
                                out[a] = True
    return out


@njit(cache=True)
def _links(index: Any, labels: Any, at: Any, sizes: Any) -> Any:  # pragma: no cover
    """Length of the links of each voxel (half of each), its degree, and the root of its tree."""
    planes, height, width = index.shape
    n = len(at)
    length, degree = np.zeros(n), np.zeros(n, np.int64)
    root = np.arange(n)
    near = np.empty(27, np.int64)
    for p in range(n):
        k, i, j = at[p]
        found = 0
        for dk in range(-1, 2):
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    z, y, x = k + dk, i + di, j + dj
                    if z < 0 or y < 0 or x < 0 or z >= planes or y >= height or x >= width:
                        continue
                    q = index[z, y, x]
                    if q >= 0 and q != p and labels[z, y, x] == labels[k, i, j]:
                        near[found] = q
                        found += 1
        for m in range(found):
            q = near[m]
            far = _square(at, p, q)
            linked = True
            for other in range(found):
                r = near[other]
                if r != q and _square(at, p, r) < far and _square(at, q, r) < far:
                    linked = False
                    break
            if not linked:
                continue
            degree[p] += 1
            total = 0.0
            for axis in range(3):
                total += ((at[p, axis] - at[q, axis]) * sizes[axis]) ** 2
            length[p] += 0.5 * np.sqrt(total)
            a, b = p, q
            while root[a] != a:
                a = root[a]
            while root[b] != b:
                b = root[b]
            root[max(a, b)] = min(a, b)
    for p in range(n):
        a = p
        while root[a] != a:
            a = root[a]
        root[p] = a
    return length, degree, root


@njit(cache=True)
def _square(at: Any, p: int, q: int) -> int:  # pragma: no cover
    """Squared distance in voxel steps."""
    total = 0
    for axis in range(3):
        total += (at[p, axis] - at[q, axis]) ** 2
    return total
