"""Whether probabilities mean what they say, class by class; curves and two further scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.stats.classification import Floats, Labels, brier

BINS = 15


@dataclass(frozen=True)
class ReliabilityCurve:
    """Confidence of the top class against the share that is right.

    Attributes
    ----------
    confidence, accuracy : float array B
        Means of a bin; nan where it holds nothing.
    count : int array B
    """

    confidence: Floats
    accuracy: Floats
    count: npt.NDArray[np.int64]


def reliability_curve(
    truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any], bins: int = BINS
) -> ReliabilityCurve:
    """Bins of equal width, open below and closed above."""
    hot, p = _hot(truth, probabilities, classes)
    top = p.argmax(axis=1) if len(p) else np.zeros(0, dtype=np.int64)
    sure, right = p[np.arange(len(p)), top], hot[np.arange(len(p)), top]
    at = _bin(sure, bins)
    count = np.bincount(at, minlength=bins)
    mean = [
        np.divide(
            np.bincount(at, weights=each, minlength=bins),
            count,
            out=np.full(bins, np.nan),
            where=count > 0,
        )
        for each in (sure, right)
    ]
    return ReliabilityCurve(mean[0], mean[1], count.astype(np.int64))


def class_calibration_error(
    truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any], bins: int = BINS
) -> float:
    """Gap between probability and share, for every class and not only for the one answered.

    ``1/C sum_k sum_b n_kb / n |share_kb - mean p_kb|``, bins of equal width over ``p_k``.

    References
    ----------
    Kull et al. 2019, arXiv 1910.12656.
    """
    hot, p = _hot(truth, probabilities, classes)
    if not len(p):
        return math.nan
    gaps = [
        np.abs(np.bincount(_bin(p[:, k], bins), weights=hot[:, k] - p[:, k], minlength=bins)).sum()
        for k in range(len(classes))
    ]
    return float(np.mean(gaps) / len(p))


def root_brier(truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any]) -> float:
    """Square root of the Brier score summed over classes: an upper bound of calibration error.

    References
    ----------
    Gruber and Buettner 2022, arXiv 2203.07835.
    """
    value = brier(truth, probabilities, classes)
    return math.sqrt(2 * value if len(classes) == 2 else value)


def _bin(values: Floats, bins: int) -> npt.NDArray[np.int64]:
    return np.clip(np.ceil(values * bins).astype(np.int64) - 1, 0, bins - 1)


def _hot(
    truth: Labels, probabilities: npt.ArrayLike, classes: Sequence[Any]
) -> tuple[Floats, Floats]:
    p = np.asarray(probabilities, dtype=np.float64)
    brier(truth, p, classes)  # refuses what is no table of probabilities, and other classes
    place = {each: k for k, each in enumerate(classes)}
    hot = np.zeros_like(p)
    hot[np.arange(len(p)), [place[each] for each in truth]] = 1.0
    return hot, p
