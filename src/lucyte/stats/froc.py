"""Detection with scores: sensitivity against false positives per image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lucyte.schema.errors import UsageError
from lucyte.stats.boxes import BoxHits, Floats

FROC_AT = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per image that the FROC score is the mean over."""


@dataclass(frozen=True)
class Froc:
    """Every confidence at which boxes may be cut.

    Attributes
    ----------
    confidence : float array K
        Falling; the first infinite, where nothing is kept.
    alarms : float array K
        False positives per image.
    sensitivity : float array K
        nan throughout without any true box.
    """

    confidence: Floats
    alarms: Floats
    sensitivity: Floats


def froc(images: Sequence[BoxHits], row: int = 0) -> Froc:
    """The curve over all images, boxes of equal confidence taken together.

    Parameters
    ----------
    images : sequence of BoxHits
    row : int
        Of the IoU thresholds that the hits were found at.

    Raises
    ------
    UsageError
        No image.

    References
    ----------
    Bunch et al. 1977, doi 10.1117/12.955926.
    """
    if not images:
        raise UsageError("false positives per image need at least one image.")
    sure = np.concatenate([each.confidence for each in images])
    hit = np.concatenate([each.hits[row] for each in images])
    order = np.argsort(-sure, kind="stable")
    last = np.flatnonzero(np.diff(sure[order], append=-np.inf)) if len(sure) else np.zeros(0, int)
    hits = np.append(0, np.cumsum(hit[order])[last]).astype(np.float64)
    kept = np.append(0, last + 1).astype(np.float64)
    truth = sum(each.truth for each in images)
    found = hits / truth if truth else np.full(len(hits), np.nan)
    return Froc(np.append(np.inf, sure[order][last]), (kept - hits) / len(images), found)


def sensitivity_at_alarms(images: Sequence[BoxHits], alarms: float, row: int = 0) -> float:
    """The highest sensitivity with at most so many false positives per image; nan without truth."""
    curve = froc(images, row)
    held = curve.sensitivity[curve.alarms <= alarms + 1e-12]
    return float(held.max()) if len(held) else math.nan


def alarms_at_sensitivity(images: Sequence[BoxHits], sensitivity: float, row: int = 0) -> float:
    """The fewest false positives per image at which the sensitivity is reached; nan where never."""
    curve = froc(images, row)
    held = curve.alarms[curve.sensitivity >= sensitivity - 1e-12]
    return float(held.min()) if len(held) else math.nan


def froc_score(images: Sequence[BoxHits], at: Sequence[float] = FROC_AT, row: int = 0) -> float:
    """Mean sensitivity at 1/8, 1/4 ... 8 false positives per image.

    References
    ----------
    Setio et al. 2017, doi 10.1016/j.media.2017.06.015.
    """
    return float(np.mean([sensitivity_at_alarms(images, each, row) for each in at]))
