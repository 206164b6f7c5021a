"""A correction like Harmony's: soft clusters that mix batches, then one shift per batch in each.

Smaller than the original: shifts alone (the intercepts of its ridge mixture), Euclidean clusters on
standardised features, and the correction is kept so that rows of the same batches that were not
fitted on can be corrected too.
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
ROUNDS = 10
INNER = 10


@dataclass(frozen=True)
class BatchShifts:
    """Shift of each batch in each cluster, learned from training rows.

    Attributes
    ----------
    batches : tuple of B str
    centres : float array K F
        Of the clusters, in corrected features.
    shifts : float array B K F
        What is taken from a row of batch b that lies wholly in cluster k.
    width : float
        Softness of the clusters, in squared feature units.
    favour : float array B K
        Factor on the membership of rows of each batch: above 1 in clusters that lack the batch.
    """

    batches: tuple[str, ...]
    centres: Floats
    shifts: Floats
    width: float
    favour: Floats

    def apply(self, features: Floats, batches: Names) -> Floats:
        """Corrected features ``N F`` of rows of the batches that were fitted on.

        Raises
        ------
        UsageError
            A batch that was not fitted on: its shift is not known.
        """
        place = _places(batches, self.batches)
        corrected: Floats = features - self.shifts.mean(axis=1)[place]
        for _ in range(ROUNDS):
            share = _memberships(corrected, self.centres, self.width, self.favour[place])
            corrected = features - np.einsum("nk,nkf->nf", share, self.shifts[place])
        return corrected


def fit_batch_shifts(
    features: Floats,
    batches: Names,
    clusters: int | None = None,
    diversity: float = 2.0,
    seed: int = 0,
) -> BatchShifts:
    """Learn the shifts.

    In turn: rows are dealt to soft clusters, with a penalty on clusters that hold one batch more
    than its share; within each cluster every batch is moved to the cluster's mean (ridge 1: a
    batch with few rows there moves little).

    Parameters
    ----------
    features : float array N F
        Standardised.
    batches : sequence of N names
    clusters : int, optional
        By default one per 30 rows, 2 to 20.
    diversity : float
        Exponent of the penalty (theta); 0 lets clusters follow batches.
    seed : int

    Raises
    ------
    UsageError
        A single batch, or lengths that differ.

    References
    ----------
    Korsunsky et al. 2019, doi 10.1038/s41592-019-0619-0.
    """
    names = np.unique(np.asarray(batches, dtype=str))
    if len(features) != len(batches):
        raise UsageError(f"got {len(features)} rows and {len(batches)} batches.")
    if len(names) < 2:
        raise UsageError("correcting between batches needs two or more, got one.")
    count = clusters or int(np.clip(len(features) // 30, 2, 20))
    if count > len(features):
        raise UsageError(f"{count} clusters of {len(features)} rows; write fewer.")
    at = np.searchsorted(names, np.asarray(batches, dtype=str))
    one_hot = np.eye(len(names))[at]
    corrected = features.copy()
    for batch in range(len(names)):
        corrected[at == batch] -= features[at == batch].mean(axis=0) - features.mean(axis=0)
    centres = _first_centres(corrected, count, seed)
    width = _width(corrected, centres)
    favour = np.ones((len(names), count))
    shifts = np.zeros((len(names), count, features.shape[1]))
    for _ in range(ROUNDS):
        favour = _favour(corrected, centres, width, one_hot, diversity)
        share = _memberships(corrected, centres, width, favour[at])
        centres = (share.T @ corrected) / np.maximum(share.sum(axis=0), 1e-12)[:, None]
        shifts = _shifts(features, share, one_hot)
        corrected = features - np.einsum("nk,nkf->nf", share, shifts[at])
    return BatchShifts(tuple(str(name) for name in names), centres, shifts, width, favour)


def _shifts(features: Floats, share: Floats, one_hot: Floats) -> Floats:
    """Ridge intercepts of each batch in each cluster, about the cluster's mean over batches."""
    weight = one_hot.T @ share
    total = np.einsum("nb,nk,nf->bkf", one_hot, share, features)
    held = np.maximum(weight, 1e-12)[:, :, None]
    mean = total / held
    present = (weight > 1e-6)[:, :, None]
    middle = np.where(present, mean, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    found: Floats = np.where(present, (mean - middle) * held / (held + 1), 0)
    return found


def _favour(rows: Floats, centres: Floats, width: float, one_hot: Floats, theta: float) -> Floats:
    """``(due + 1) / (held + 1)`` to the power of theta, for each batch in each cluster."""
    at = one_hot.argmax(axis=1)
    favour = np.ones((one_hot.shape[1], len(centres)))
    for _ in range(INNER):
        share = _memberships(rows, centres, width, favour[at])
        due = one_hot.mean(axis=0)[:, None] * share.sum(axis=0)[None]
        # Half a step, for a full one swings between empty and full clusters.
        favour = np.sqrt(favour * ((due + 1) / (one_hot.T @ share + 1)) ** theta)
    return favour


def _memberships(rows: Floats, centres: Floats, width: float, favour: Floats) -> Floats:
    far = ((rows[:, None] - centres[None]) ** 2).sum(axis=2)
    weight = favour * np.exp(-(far - far.min(axis=1, keepdims=True)) / width)
    found: Floats = weight / weight.sum(axis=1, keepdims=True)
    return found


def _first_centres(rows: Floats, count: int, seed: int) -> Floats:
    from sklearn.cluster import KMeans

    model = KMeans(count, n_init=4, random_state=seed).fit(rows)
    return np.asarray(model.cluster_centers_, dtype=np.float64)


def _width(rows: Floats, centres: Floats) -> float:
    far = ((rows[:, None] - centres[None]) ** 2).sum(axis=2)
    return float(max(np.median(far.min(axis=1)), 1e-12))


def _places(batches: Names, known: tuple[str, ...]) -> npt.NDArray[np.int64]:
    names = np.asarray(batches, dtype=str)
    strange = sorted(set(names.tolist()) - set(known))
    if strange:
        raise unknown(
            "batch", strange[0], known, "Its shift is not known; fit with rows of that batch."
        )
    return np.searchsorted(np.asarray(known), names).astype(np.int64)
