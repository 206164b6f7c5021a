"""Principal components of a feature table, kept so that other cells can be put among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.scaling import Scaling, fit_scaling
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COMPONENTS = 30
"""Principal components that t-SNE sees; more are noise and cost time."""
FEWEST = 10


@dataclass(frozen=True, eq=False)
class Components:
    """How rows of a table become points.

    Attributes
    ----------
    scaling : Scaling
    mean : float array F
        Of the standard values.
    axes : float array F D
        Unit vectors, the one along which cells differ most first.
    """

    scaling: Scaling
    mean: Floats
    axes: Floats

    def points(self, table: pd.DataFrame) -> tuple[Floats, Bools]:
        """Points ``K D`` of the rows in which anything was measured, and which those are, ``N``.

        Raises
        ------
        UsageError
            A column that the map was made with is not there.
        """
        standard = self.scaling.apply(table)
        known = ~np.isnan(standard[:, 0])
        found: Floats = (standard[known] - self.mean) @ self.axes
        if found.shape[1] < 2:
            found = np.column_stack([found, np.zeros(len(found))])
        return found, known


def fit_components(table: pd.DataFrame, features: Sequence[str]) -> Components:
    """Standardise the columns and turn them so that the first says most.

    Raises
    ------
    UsageError
        Fewer than 10 cells, or no column that can be used.
    """
    if len(table) < FEWEST:
        raise UsageError(f"a map of cells needs at least {FEWEST} cells, got {len(table)}.")
    scaling = fit_scaling(table, features, clip=4.0)
    standard = scaling.apply(table)
    x = standard[~np.isnan(standard[:, 0])]
    if len(x) < FEWEST:
        raise UsageError(f"a map of cells needs at least {FEWEST} cells, {len(x)} are measured.")
    mean = x.mean(axis=0)
    centred = x - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :COMPONENTS]
    return Components(scaling, mean, axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0))
