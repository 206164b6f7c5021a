r"""Noisy linear imputation: a missing pixel is a weighted mean of its eight neighbours.

.. math:: \sum_{j \in N(i)} w_{ij} (x_i - x_j) = 0 \quad \text{for every missing } i

with weight 1/6 for the four direct neighbours and 1/12 for the diagonal ones, those outside the
picture left out. What is filled in cannot be told from its surroundings, so that the shape of the
hole says little to the model.

References
----------
Rong et al. 2022, arXiv 2202.00449.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

Floats = npt.NDArray[np.float64]

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
DIRECT, DIAGONAL = 1 / 6, 1 / 12


def imputed(
    plane: Floats, missing: npt.NDArray[np.bool_], noise: float, rng: np.random.Generator
) -> Floats:
    """Fill the missing pixels of one plane.

    Parameters
    ----------
    plane : float array Y X
    missing : bool array Y X
    noise : float
        Standard deviation of what is added to imputed pixels, in deviations of the plane.
    rng : numpy Generator

    Returns
    -------
    float array Y X
        Where every pixel is missing, the plane's mean and the noise.
    """
    out = plane.astype(np.float64)
    count = int(missing.sum())
    if not count:
        return out
    if missing.all():
        out[:] = plane.mean()
    else:
        out[missing] = _solved(out, missing)
    out[missing] += rng.normal(0, noise * float(plane.std()), count)
    return out


def _solved(plane: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
    height, width = plane.shape
    number = np.full(plane.shape, -1)
    ys, xs = np.nonzero(missing)
    number[missing] = np.arange(len(ys))
    total, known = np.zeros(len(ys)), np.zeros(len(ys))
    rows, columns, values = [], [], []
    for dy, dx in STEPS:
        weight = DIAGONAL if dy and dx else DIRECT
        y, x = ys + dy, xs + dx
        at = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        total[at] += weight
        neighbour = number[y[at], x[at]]
        free = neighbour < 0
        known[at[free]] += weight * plane[y[at[free]], x[at[free]]]
        rows.append(at[~free])
        columns.append(neighbour[~free])
        values.append(np.full(int((~free).sum()), -weight))
    every = np.arange(len(ys))
    matrix = coo_matrix(
        (
            np.concatenate([total, *values]),
            (np.concatenate([every, *rows]), np.concatenate([every, *columns])),
        ),
        shape=(len(ys), len(ys)),
    )
    out: Floats = np.atleast_1d(spsolve(matrix.tocsc(), known))
    return out
