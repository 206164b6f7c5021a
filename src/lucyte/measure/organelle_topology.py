r"""Where organelles lie: to the nucleus, to the cell's edge, to each other and to other kinds.

All distances are between centres of voxels, in px of Y and X; planes count with their distance.
An organelle's distance to the nucleus, the cell's edge or another kind is that of its nearest
voxel, 0 where the two share one; only what lies in the same parent counts. Its relative place is
:math:`d_n / (d_n + d_e)` with :math:`d_n, d_e` of each of its voxels, averaged: 0 at the nucleus, 1
at the edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS = (1, 3, 5, 9)
"""Which nearest neighbours are reported."""
TOUCHING = 1.5
"""Organelles touch where voxels of both lie within this, px: diagonally adjacent in a plane."""


def rim(labels: Labels, *, open_border: bool = False) -> Mask:
    """Voxels with a face neighbour of another label.

    Parameters
    ----------
    labels : integer array Y X or Z Y X
    open_border : bool
        Whether what lies outside the image counts as another label.
    """
    out = np.zeros(labels.shape, dtype=np.bool_)
    for axis in range(labels.ndim):
        ahead = tuple(slice(1, None) if k == axis else slice(None) for k in range(labels.ndim))
        back = tuple(slice(None, -1) if k == axis else slice(None) for k in range(labels.ndim))
        differ = labels[ahead] != labels[back]
        out[ahead] |= differ
        out[back] |= differ
        if open_border:
            for end in (0, -1):
                edge = tuple(end if k == axis else slice(None) for k in range(labels.ndim))
                out[edge] = True
    return out & (labels > 0)


def centres(labels: Labels, names: Ints, steps: Sequence[float]) -> Floats:
    """Centre of mass of each label, px, ``n x axes``."""
    at = np.nonzero(labels)
    code = np.searchsorted(names, labels[at])
    n = len(names)
    count = np.maximum(np.bincount(code, minlength=n), 1)
    columns = [
        np.bincount(code, weights=axis * step, minlength=n) / count
        for axis, step in zip(at, steps, strict=True)
    ]
    return np.stack(columns, axis=1)


def distance_map(targets: Mask, owners: Labels, steps: Sequence[float]) -> Floats:
    """Distance of every voxel to the nearest target in its parent, px.

    Parameters
    ----------
    targets : bool array
    owners : int32 array of the same shape
        Parent of every voxel, 0 for none.
    steps : sequence of float

    Returns
    -------
    float array
        0 on a target; nan outside all parents and in parents without a target.
    """
    out = np.full(owners.shape, np.nan)
    for name, where in enumerate(ndi.find_objects(owners), start=1):
        if where is None:
            continue
        mine = owners[where] == name
        goals = targets[where] & mine
        if goals.any():
            far = ndi.distance_transform_edt(~goals, sampling=steps)
            out[where][mine] = far[mine]
    return out


def nearest_of(
    labels: Labels, names: Ints, targets: Mask, steps: Sequence[float], owners: Labels
) -> tuple[Floats, Ints]:
    """Distance from each label to the nearest target voxel.

    Parameters
    ----------
    labels : int32 array
    names : int array n
    targets : bool array of the same shape
        Voxels to reach.
    steps : sequence of float
    owners : int32 array
        Parent of every voxel.

    Returns
    -------
    float array n
        nan where there is no target in the same parent.
    int array n
        Label's voxels that share a place with a target.
    """
    inside = labels > 0
    code = np.searchsorted(names, labels[inside])
    shared = np.bincount(code, weights=targets[inside], minlength=len(names)).astype(np.int64)
    # The nearest voxel of a label to something outside it lies on its rim.
    outer = np.argwhere(rim(labels, open_border=True))
    owner = np.searchsorted(names, labels[tuple(outer.T)])
    goals = np.argwhere(rim(np.where(targets, owners, 0), open_border=True))
    far = _between(outer, owners[tuple(outer.T)], goals, owners[tuple(goals.T)], steps)
    out = np.full(len(names), np.inf)
    np.fmin.at(out, owner, far)
    out[shared > 0] = 0.0
    return np.where(np.isfinite(out), out, np.nan), shared


def neighbour_distances(points: Floats, parents: Ints) -> dict[int, Floats]:
    """Distance to the k-th nearest neighbour in the same parent, for each k of ``NEIGHBOURS``.

    Parameters
    ----------
    points : float array n x axes
        Centres, px.
    parents : int array n

    Returns
    -------
    dict of k to float array n
        nan where the parent holds k organelles or fewer.
    """
    out = {k: np.full(len(points), np.nan) for k in NEIGHBOURS}
    for parent in np.unique(parents):
        mine = np.flatnonzero(parents == parent)
        most = min(max(NEIGHBOURS), len(mine) - 1)
        if most < 1:
            continue
        far = np.asarray(cKDTree(points[mine]).query(points[mine], k=most + 1)[0])
        for k in NEIGHBOURS:
            if k <= most:
                out[k][mine] = far[:, k]
    return out


def topology_features(
    labels: Mapping[str, Labels],
    kind: str,
    parents: Ints,
    steps: Sequence[float],
    around: Mapping[str, Any],
) -> dict[str, Floats]:
    """Distances of every organelle of a kind.

    Parameters
    ----------
    labels : mapping of kind to int32 array
    kind : str
        Which to describe.
    parents : int array n
        Parent of each of its labels, rising.
    steps : sequence of float
    around : mapping
        ``owners``: int32 array, the parent of every voxel; ``nucleus``, ``edge``: maps of
        distance, ``place``: map of the relative place; each None where unknown.

    Returns
    -------
    dict of column to array n
        ``nucleus_distance_px``, ``edge_distance_px``, ``place`` (each only where its map is
        known), ``neighbour<k>_distance_px``, and per other kind ``other_distance_px_<other>``,
        ``touching_<other>`` (0 or 1), ``overlap_<other>`` (share of its voxels).
    """
    mine = labels[kind]
    names = np.unique(mine[mine > 0]).astype(np.int64)
    middle, owners = centres(mine, names, steps), around["owners"]
    out: dict[str, Floats] = {}
    inside = mine > 0
    code = np.searchsorted(names, mine[inside])
    for what in ("nucleus", "edge"):
        if around[what] is not None:
            far = np.full(len(names), np.inf)
            np.fmin.at(far, code, around[what][inside])
            out[f"{what}_distance_px"] = np.where(np.isfinite(far), far, np.nan)
    if around["place"] is not None:
        out["place"] = _mean(around["place"][inside], code, len(names))
    for k, far in neighbour_distances(middle, parents).items():
        out[f"neighbour{k}_distance_px"] = far
    size = np.bincount(code, minlength=len(names))
    for other, theirs in labels.items():
        if other == kind:
            continue
        far, shared = nearest_of(mine, names, theirs > 0, steps, owners)
        out[f"other_distance_px_{other}"] = far
        out[f"touching_{other}"] = np.where(np.isnan(far), 0.0, far <= TOUCHING)
        out[f"overlap_{other}"] = shared / np.maximum(size, 1)
    return out


def _between(
    points: Ints,
    of: npt.NDArray[Any],
    goals: Ints,
    goals_of: npt.NDArray[Any],
    steps: Sequence[float],
) -> Floats:
    """Distance of each point to the nearest goal of the same parent; nan where there is none."""
    out = np.full(len(points), np.nan)
    size = np.array(steps)
    for parent in np.unique(of):
        mine, theirs = np.flatnonzero(of == parent), goals_of == parent
        if theirs.any():
            # Points of a grid share coordinates, at which balancing a tree is slow.
            tree = cKDTree(goals[theirs] * size, balanced_tree=False, compact_nodes=False)
            out[mine] = tree.query(points[mine] * size)[0]
    return out


def _mean(values: Floats, code: Ints, n: int) -> Floats:
    known = np.isfinite(values)
    total = np.bincount(code[known], weights=values[known], minlength=n)
    count = np.bincount(code[known], minlength=n)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out
