"""Sphering: features in which the controls vary alike in every direction.

What varies among untreated controls is batch, well and noise; it is made small, and what treatments
add stands out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sphering:
    """Centre and whiten with what was learned from controls.

    Attributes
    ----------
    centre : float array F
    matrix : float array F F
    """

    centre: Floats
    matrix: Floats

    def apply(self, features: Floats) -> Floats:
        """Sphered features ``N F``."""
        found: Floats = (features - self.centre) @ self.matrix
        return found


def fit_sphering(controls: Floats, ridge: float = 0.1) -> Sphering:
    """Learn the whitening (ZCA) of the controls.

    Parameters
    ----------
    controls : float array N F
    ridge : float
        Share of the mean variance that is added to every direction, so that directions in which
        controls hardly vary are not blown up.

    Raises
    ------
    UsageError
        Fewer than two controls, or controls that are all alike.

    References
    ----------
    Kessy, Lewin and Strimmer 2018, doi 10.1080/00031305.2016.1277159. Arevalo et al. 2024,
    doi 10.1038/s41467-024-50613-5 (as a baseline for image-based profiles).
    """
    if len(controls) < 2:
        raise UsageError(f"sphering needs 2 or more controls, got {len(controls)}.")
    if not ridge > 0:
        raise UsageError(f"the ridge of sphering must be above 0, got {ridge:g}.")
    centre = controls.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(controls.T)))
    values = np.maximum(values, 0)
    if not values.max() > 0:
        raise UsageError("the controls are all alike; nothing to sphere by.")
    shrunk = values + ridge * values.mean()
    return Sphering(centre, (vectors / np.sqrt(shrunk)) @ vectors.T)
