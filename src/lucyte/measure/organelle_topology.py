r"""Where organelles lie: to the nucleus, to the cell's edge, to each other and to other kinds.

All distances are between centres of voxels, in px of Y and X; planes count with their distance.
An organelle's distance to the nucleus, the cell's edge or another kind is that of its nearest
voxel, 0 where the two share one; only what lies in the same parent counts. Its relative place is
:math:`d_n / (d_n + d_e)` with :math:`d_n, d_e` the distances of its centre: 0 at the nucleus, 1 at
the edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS = (1, 3, 5, 9)
"""Which nearest neighbours are reported."""
_FAR = 1e6
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


def apart(points: Floats, owners: Ints) -> Floats:
    """Points with their parent as one more axis, so wide that no other parent is ever nearer."""
    return np.column_stack([points, owners * _FAR])


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
    far = from_points(outer * np.array(steps), targets, steps, owners, owners[tuple(outer.T)])
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
        far, _ = cKDTree(points[mine]).query(points[mine], k=most + 1)
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
        ``owners``: int32 array, the parent of every voxel; ``nuclei``: bool array or None;
        ``edges``: bool array of the voxels just inside the parents' borders, or None.

    Returns
    -------
    dict of column to array n
        ``nucleus_distance_px``, ``edge_distance_px``, ``place`` (each only where its target is
        known), ``neighbour<k>_distance_px``, and per other kind ``other_distance_px_<other>``,
        ``touching_<other>`` (0 or 1), ``overlap_<other>`` (share of its voxels).
    """
    mine = labels[kind]
    names = np.unique(mine[mine > 0]).astype(np.int64)
    middle, owners = centres(mine, names, steps), around["owners"]
    out: dict[str, Floats] = {}
    for what, target in (("nucleus", around["nuclei"]), ("edge", around["edges"])):
        if target is not None:
            out[f"{what}_distance_px"] = nearest_of(mine, names, target, steps, owners)[0]
    if around["nuclei"] is not None and around["edges"] is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            inward = from_points(middle, around["nuclei"], steps, owners, parents)
            outward = from_points(middle, around["edges"], steps, owners, parents)
            out["place"] = inward / (inward + outward)
    for k, far in neighbour_distances(middle, parents).items():
        out[f"neighbour{k}_distance_px"] = far
    size = np.bincount(np.searchsorted(names, mine[mine > 0]), minlength=len(names))
    for other, theirs in labels.items():
        if other == kind:
            continue
        far, shared = nearest_of(mine, names, theirs > 0, steps, owners)
        out[f"other_distance_px_{other}"] = far
        out[f"touching_{other}"] = np.where(np.isnan(far), 0.0, far <= TOUCHING)
        out[f"overlap_{other}"] = shared / np.maximum(size, 1)
    return out


def from_points(
    points: Floats, targets: Mask, steps: Sequence[float], owners: Labels, of: Ints
) -> Floats:
    """Distance of points to the nearest target voxel in their parent, px; nan where none is.

    Parameters
    ----------
    points : float array n x axes
        In px.
    targets : bool array
    steps : sequence of float
    owners : int32 array
        Parent of every voxel.
    of : int array n
        Parent of every point.
    """
    goals = np.argwhere(targets & rim(np.where(targets, owners, 0), open_border=True))
    if not len(goals) or not len(points):
        return np.full(len(points), np.nan)
    # Points of a grid have many equal coordinates, at which balancing a tree is slow.
    lifted = apart(goals * np.array(steps), owners[tuple(goals.T)])
    tree = cKDTree(lifted, balanced_tree=False, compact_nodes=False)
    far, _ = tree.query(apart(points, of))
    return np.where(far < 0.5 * _FAR, far, np.nan)
