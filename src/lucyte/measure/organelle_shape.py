r"""Shape of every organelle of a label image, in a plane or in space with planes apart.

Lengths are px of Y and X; ``steps`` says how large a step along each axis is. From the second
moments :math:`\lambda_1 \ge \lambda_2 (\ge \lambda_3)` of an organelle's voxels, each with the
moment of a box, elongation is :math:`\sqrt{\lambda_1 / \lambda_2}`. In space the surface is
Crofton's estimate from three directions, two thirds of the area of all faces, and sphericity
:math:`\pi^{1/3} (6 V)^{2/3} / S`; in a plane circularity :math:`4 \pi A / P^2` stands there.
Both may exceed 1 for organelles of a few voxels.

References
----------
Wadell 1935 (sphericity), doi 10.1086/624298; Legland, Kieu and Devaux 2007 (Crofton), doi
10.5566/ias.v26.p83-92; Benkrid, Crookes and Benkrid 2000 (perimeter), doi 10.1007/3-540-44491-2_39.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit
from scipy import ndimage as ndi
from scipy.spatial import ConvexHull, QhullError

from lucyte.measure.organelle_skeleton import skeleton_features
from lucyte.measure.regions import regions
from lucyte.measure.shape import shape_features
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import check_labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]


def organelle_shapes(labels: npt.NDArray[Any], z_step_px: float | None = None) -> pd.DataFrame:
    """Measure the shape of every organelle.

    Parameters
    ----------
    labels : integer array Y X or Z Y X
        0 is background.
    z_step_px : float or None
        Distance of planes in px of Y and X; needed for Z Y X.

    Returns
    -------
    DataFrame
        One row per label, rising: ``label``, ``size_px`` (area in px, or volume in cubic px of Y
        and X), ``long_axis_px`` (length of the ellipse or ellipsoid with the same moments),
        ``elongation``, ``roundness`` (circularity or sphericity), ``solidity`` (size over that of
        the hull of all voxel corners), ``skeleton_length_px``, ``branches_count``, ``ends_count``,
        ``junctions_count``.

    Raises
    ------
    UsageError
        Not a label image, or a stack without a distance of planes.
    """
    array = check_axes(labels, z_step_px)
    steps = (z_step_px or 1.0, 1.0, 1.0)[-array.ndim :]
    names = np.unique(array[array > 0]).astype(np.int64)
    if not len(names):
        return pd.DataFrame({name: np.zeros(0) for name in ("label", *_COLUMNS)})
    columns = _flat(array) if array.ndim == 2 else _solid(array, steps, names)
    columns |= skeleton_features(array, steps, names)
    return pd.DataFrame({"label": names, **{name: columns[name] for name in _COLUMNS}})


_COLUMNS = (
    "size_px",
    "long_axis_px",
    "elongation",
    "roundness",
    "solidity",
    "skeleton_length_px",
    "branches_count",
    "ends_count",
    "junctions_count",
)


def check_axes(labels: npt.NDArray[Any], z_step_px: float | None, what: str = "labels") -> Labels:
    """A label image Y X, or Z Y X with a known distance of planes; refuses others."""
    array = check_labels(np.asarray(labels), what)
    if array.ndim not in (2, 3):
        raise UsageError(f"{what}: organelles are measured in Y X or Z Y X, got {array.ndim} axes.")
    if array.ndim == 3 and not (z_step_px and z_step_px > 0):
        raise UsageError(
            f"{what}: a stack needs the distance of its planes in px of Y and X "
            f"(z step over pixel size), got {z_step_px}."
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def _flat(labels: Labels) -> dict[str, Floats]:
    found = shape_features(regions(labels))
    area = found["area_px"].astype(np.float64)
    # A px has a width: its own moment of 1/12 keeps a line one px wide from being infinitely long.
    major, minor = (
        np.sqrt(found[name] ** 2 + 16 / 12) for name in ("major_axis_px", "minor_axis_px")
    )
    return {
        "size_px": area,
        "long_axis_px": major,
        "elongation": major / minor,
        "roundness": found["form_factor"],
        "solidity": found["solidity"],
    }


def _solid(labels: Labels, steps: Sequence[float], names: Ints) -> dict[str, Floats]:
    size = np.array(steps, dtype=np.float64)
    place = np.full(int(names[-1]) + 1, -1, np.int64)
    place[names] = np.arange(len(names))
    sums, faces = _moments(labels, place, len(names), size)
    voxels = sums[:, 0]
    mean = sums[:, 1:4] / voxels[:, None]
    moments = np.empty((len(names), 3, 3))
    for k, (i, j) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))):
        value = sums[:, 4 + k] / voxels - mean[:, i] * mean[:, j]
        moments[:, i, j] = moments[:, j, i] = value + (size[i] ** 2 / 12 if i == j else 0.0)
    axes = np.linalg.eigvalsh(moments)[:, ::-1]
    volume = voxels * size.prod()
    surface = faces / 1.5
    return {
        "size_px": volume,
        "long_axis_px": 2 * np.sqrt(5 * axes[:, 0]),
        "elongation": np.sqrt(axes[:, 0] / axes[:, 1]),
        "roundness": np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface,
        "solidity": volume / _hulls(labels, names, size),
    }


def _hulls(labels: Labels, names: Ints, size: Floats) -> Floats:
    """Volume of the convex hull of the voxel corners of each organelle."""
    out = np.empty(len(names))
    places = ndi.find_objects(labels)
    corners = np.stack(np.meshgrid(*[(0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    for k, name in enumerate(names):
        mine = labels[places[int(name) - 1]] == name
        # Between the first and the last voxel of a row none is a corner of the hull.
        rows = mine.any(axis=2)
        z, y = np.nonzero(rows)
        first = mine.argmax(axis=2)[rows]
        last = mine.shape[2] - 1 - mine[:, :, ::-1].argmax(axis=2)[rows]
        ends = np.concatenate([np.stack([z, y, x], 1) for x in (first, last)])
        points = np.unique((ends[:, None] + corners).reshape(-1, 3), axis=0) * size
        try:
            out[k] = ConvexHull(points).volume
        except QhullError:  # pragma: no cover
            out[k] = np.nan
    return out


@njit(cache=True)
def _moments(labels: Any, place: Any, n: int, size: Any) -> Any:  # pragma: no cover
    """Counts, first and second moments (px) and the area of faces of each organelle."""
    planes, height, width = labels.shape
    sums, faces = np.zeros((n, 10)), np.zeros(n)
    face = np.array((size[1] * size[2], size[0] * size[2], size[0] * size[1]))
    point = np.empty(3)
    for k in range(planes):
        for i in range(height):
            for j in range(width):
                name = labels[k, i, j]
                if name == 0:
                    continue
                at = place[name]
                point[0], point[1], point[2] = k * size[0], i * size[1], j * size[2]
                sums[at, 0] += 1
                m = 4
                for a in range(3):
                    sums[at, 1 + a] += point[a]
                    for b in range(a, 3):
                        sums[at, m] += point[a] * point[b]
                        m += 1
                for a in range(3):
                    for way in range(-1, 2, 2):
                        z = k + (way if a == 0 else 0)
                        y = i + (way if a == 1 else 0)
                        x = j + (way if a == 2 else 0)
                        out = z < 0 or y < 0 or x < 0 or z >= planes or y >= height or x >= width
                        if out or labels[z, y, x] != name:
                            faces[at] += face[a]
    return sums, faces
