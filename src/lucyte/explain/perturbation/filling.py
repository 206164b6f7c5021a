r"""What would be there without a spot: the light around it, with noise like that around it.

With :math:`k` the px that are kept (in the cell, in no spot) and :math:`G` a Gaussian,

.. math:: s = \frac{G * (k x)}{G * k}, \qquad x'_i = s_i + (x_j - s_j), \qquad s_j \approx s_i

:math:`j` a kept px of the same cell drawn among those of nearly the same level, so bright places
get the noise of bright places.

References
----------
Knutsson and Westin 1993, doi 10.1109/CVPR.1993.341081 (normalised convolution).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Floats = npt.NDArray[np.float64]
WIDTH_PX = 2.0
"""Deviation of the Gaussian."""
NEIGHBOURS = 12
"""Kept px next in level among which noise is drawn."""


def surrounding(plane: Floats, kept: npt.NDArray[np.bool_], width_px: float = WIDTH_PX) -> Floats:
    """The smooth level of the kept px at every px of a plane ``Y X``.

    Far from all kept px, where the Gaussian gives them no weight, it is their median; nan where
    nothing is kept.
    """
    if not kept.any():
        return np.full(plane.shape, np.nan)
    weight = gaussian_filter(kept.astype(np.float64), width_px, truncate=8)
    total = gaussian_filter(np.where(kept, plane, 0.0), width_px, truncate=8)
    known = weight > 1e-6
    level = np.full(plane.shape, float(np.median(plane[kept])))
    level[known] = total[known] / weight[known]
    return level


def filled(
    plane: Floats,
    hole: npt.NDArray[np.bool_],
    kept: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    width_px: float = WIDTH_PX,
) -> Floats:
    """The plane with a hole filled from the kept px, noise included; a copy.

    Nothing is filled where nothing is kept.

    Parameters
    ----------
    plane : float array Y X
    hole, kept : bool array Y X
        Px of the hole are never taken as kept.
    rng : Generator
    width_px : float
    """
    source = kept & ~hole
    if not hole.any() or not source.any():
        return plane.copy()
    level = surrounding(plane, source, width_px)
    known, noise = level[source], (plane - level)[source]
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], level[hole])
    at = at + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, len(at))
    drawn = noise[order][np.clip(at, 0, len(order) - 1)]
    out = plane.copy()
    out[hole] = level[hole] + drawn
    return out
