"""Outlines of matched objects, each compared with its partner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.stats.boundary import TOLERANCE_PX, WIDTH_PX, BoundaryScores, boundary_scores
from lucyte.stats.instances import Floats, Ints, match, overlap


@dataclass(frozen=True)
class ObjectBoundaries:
    """One entry per matched pair, ordered by true label.

    Attributes
    ----------
    truth_label, prediction_label : int array
    iou : float array
        Of the whole objects.
    scores : tuple of BoundaryScores
    """

    truth_label: Ints
    prediction_label: Ints
    iou: Floats
    scores: tuple[BoundaryScores, ...]


def object_boundaries(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    spacing: Sequence[float] | None = None,
    tolerance: float = TOLERANCE_PX,
    width: float = WIDTH_PX,
    iou: float = 0.5,
) -> ObjectBoundaries:
    """Compare the outlines of all pairs that are matched at ``IoU >= iou``.

    Parameters
    ----------
    truth, prediction : integer array, Y X or Z Y X
        Label images of one shape; 0 is background.
    spacing, tolerance, width
        As in :func:`lucyte.stats.boundary.boundary_scores`.
    iou : float

    Raises
    ------
    UsageError
        As in `boundary_scores` and :func:`lucyte.stats.instances.overlap`.
    """
    first, second = np.asarray(truth), np.asarray(prediction)
    pairs = overlap(first, second)
    mine, theirs, value = match(pairs, iou)
    places, others = _boxes(first, pairs.truth_labels), _boxes(second, pairs.prediction_labels)
    scores = []
    for a, b in zip(mine.tolist(), theirs.tolist(), strict=True):
        window = tuple(
            slice(min(p.start, q.start), max(p.stop, q.stop))
            for p, q in zip(places[a], others[b], strict=True)
        )
        scores.append(
            boundary_scores(first[window] == a, second[window] == b, spacing, tolerance, width)
        )
    return ObjectBoundaries(mine, theirs, value, tuple(scores))


def mean_boundaries(found: ObjectBoundaries) -> dict[str, float]:
    """Means over the matched pairs; nan where nothing was matched.

    Returns
    -------
    dict
        ``object_boundary_IoU``, ``object_NSD``, ``object_HD95``, ``object_mean_distance``. What was
        missed or made up is not in them: precision and recall tell that.
    """

    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values) if values else math.nan

    return {
        "object_boundary_IoU": mean([each.iou for each in found.scores]),
        "object_NSD": mean([each.nsd for each in found.scores]),
        "object_HD95": mean([each.hd95 for each in found.scores]),
        "object_mean_distance": mean([each.mean_distance for each in found.scores]),
    }


def _boxes(labels: npt.NDArray[Any], names: Ints) -> dict[int, tuple[slice, ...]]:
    """The box of every label; labels may be far from consecutive."""
    place = np.searchsorted(np.append(0, names), labels)
    found = ndimage.find_objects(place.astype(np.int32))
    return {int(name): box for name, box in zip(names, found, strict=True) if box is not None}
