"""Invariant-feature subspace recovery: directions that differ between environments are dropped.

Within one class whatever differs between environments (plates, wells, days) is not the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
Names = Sequence[str] | npt.NDArray[Any]


@dataclass(frozen=True)
class InvariantSubspace:
    """Features in a turned frame whose first directions, the spurious ones, are scaled down.

    Attributes
    ----------
    basis : float array F F
        Orthonormal columns; the first ``spurious`` are those that differ between environments.
    spurious : int
    scale : float
        What is left of the spurious directions, 0 to 1.
    """

    basis: Floats
    spurious: int
    scale: float = 0.0

    def apply(self, features: Floats) -> Floats:
        """Features ``N F`` in the turned frame, spurious directions scaled."""
        turned: Floats = features @ self.basis
        turned[:, : self.spurious] *= self.scale
        return turned


def isr_mean(
    features: Floats,
    labels: Names,
    environments: Names,
    label: str,
    spurious: int | None = None,
    scale: float = 0.0,
) -> InvariantSubspace:
    """Drop the directions along which a class's mean moves between environments.

    Parameters
    ----------
    features : float array N F
    labels, environments : sequence of N names
    label : str
        The class whose means are compared.
    spurious : int, optional
        Directions dropped; at most, and by default, one fewer than environments that hold the
        class.
    scale : float
        What is left of them.

    Raises
    ------
    UsageError
        A class that is not there, or fewer than two environments that hold it.

    References
    ----------
    Wang, Si, Li and Zhao 2022, doi 10.48550/arXiv.2201.12919.
    """
    own, places = _of_class(features, labels, environments, label)
    names = np.unique(places)
    means = np.stack([own[places == name].mean(axis=0) for name in names])
    most = min(len(names) - 1, features.shape[1])
    count = most if spurious is None else spurious
    if not 1 <= count <= most:
        raise UsageError(
            f"{len(names)} environments show at most {most} spurious directions, got {count}."
        )
    _, size, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    count = int((size[:count] > 1e-9 * max(float(size[0]), 1e-300)).sum())
    return InvariantSubspace(_completed(directions[:count]), count, scale)


def isr_cov(
    features: Floats,
    labels: Names,
    environments: Names,
    label: str,
    spurious: int = 1,
    scale: float = 0.0,
) -> InvariantSubspace:
    """Drop the directions along which a class's covariance differs between two environments.

    The ``spurious`` eigenvectors of largest eigenvalue of the squared difference.

    Parameters
    ----------
    features, labels, environments, label, scale : as in `isr_mean`
    spurious : int

    Raises
    ------
    UsageError
        Not exactly two environments that hold the class, with two rows each.

    References
    ----------
    Wang, Si, Li and Zhao 2022, doi 10.48550/arXiv.2201.12919.
    """
    own, places = _of_class(features, labels, environments, label)
    names, counts = np.unique(places, return_counts=True)
    if len(names) != 2 or counts.min() < 2:
        raise UsageError(
            f"ISR-Cov compares two environments with 2 rows each, class {label!r} is in "
            f"{len(names)}. Take ISR-Mean."
        )
    if not 1 <= spurious <= features.shape[1]:
        raise UsageError(f"spurious must be 1 to {features.shape[1]}, got {spurious}.")
    first, second = (np.atleast_2d(np.cov(own[places == name].T)) for name in names)
    change = second - first
    _, vectors = np.linalg.eigh(change @ change)
    return InvariantSubspace(_completed(vectors[:, ::-1][:, :spurious].T), spurious, scale)


def _of_class(
    features: Floats, labels: Names, environments: Names, label: str
) -> tuple[Floats, npt.NDArray[np.str_]]:
    truth, places = np.asarray(labels, dtype=str), np.asarray(environments, dtype=str)
    if not len(features) == len(truth) == len(places):
        raise UsageError(
            f"got {len(features)} rows, {len(truth)} labels and {len(places)} environments."
        )
    if label not in truth:
        raise unknown("class", label, np.unique(truth).tolist())
    at = truth == label
    if len(np.unique(places[at])) < 2:
        raise UsageError(f"class {label!r} is in one environment only; two or more are needed.")
    return features[at], places[at]


def _completed(rows: Floats) -> Floats:
    """An orthonormal basis whose first columns span these rows."""
    columns = rows.shape[1]
    whole, _ = np.linalg.qr(np.hstack([rows.T, np.eye(columns)]))
    found: Floats = whole[:, :columns]
    return found
