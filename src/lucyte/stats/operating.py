"""What a score gives at a stated operating point: sensitivity at a specificity, and the like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.stats.classification import Floats


@dataclass(frozen=True)
class Operating:
    """Every decision a score allows, from calling nothing positive to calling all.

    Attributes
    ----------
    threshold : float array K
        Positive from this score on; falling, the first infinite.
    sensitivity, specificity, precision : float array K
        nan where there is nothing to divide by.
    """

    threshold: Floats
    sensitivity: Floats
    specificity: Floats
    precision: Floats


def operating_points(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Operating:
    """One point per distinct score, and the one where nothing is called.

    Raises
    ------
    UsageError
        Lengths differ, or a score is nan or infinite.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    if s.shape != y.shape or s.ndim != 1:
        raise UsageError(f"got scores {s.shape} for truths {y.shape}; one each.")
    if not np.isfinite(s).all():
        raise UsageError("scores hold nan or infinite values; leave those objects out first.")
    order = np.argsort(-s, kind="stable")
    last = np.flatnonzero(np.diff(s[order], append=-np.inf)) if len(s) else np.zeros(0, int)
    hits = np.append(0, np.cumsum(y[order])[last]).astype(np.float64)
    called = np.append(0, last + 1).astype(np.float64)
    there, rest = float(np.count_nonzero(y)), float(np.count_nonzero(~y))
    nothing: Floats = np.full(len(hits), np.nan)
    return Operating(
        np.append(np.inf, s[order][last]),
        hits / there if there else nothing,
        1 - (called - hits) / rest if rest else nothing,
        np.divide(hits, called, out=nothing.copy(), where=called > 0),
    )


def sensitivity_at_specificity(
    scores: npt.ArrayLike, positive: npt.ArrayLike, specificity: float
) -> float:
    """The highest sensitivity whose specificity reaches what is asked; nan with one class."""
    points = operating_points(scores, positive)
    return _best(points.sensitivity, points.specificity, _share("specificity", specificity))


def specificity_at_sensitivity(
    scores: npt.ArrayLike, positive: npt.ArrayLike, sensitivity: float
) -> float:
    """The highest specificity whose sensitivity reaches what is asked; nan with one class."""
    points = operating_points(scores, positive)
    return _best(points.specificity, points.sensitivity, _share("sensitivity", sensitivity))


def precision_at_sensitivity(
    scores: npt.ArrayLike, positive: npt.ArrayLike, sensitivity: float
) -> float:
    """The highest precision whose sensitivity reaches what is asked; nan without positives."""
    points = operating_points(scores, positive)
    return _best(points.precision, points.sensitivity, _share("sensitivity", sensitivity))


def _best(wanted: Floats, held: Floats, least: float) -> float:
    # a hair less, so that a share that is the one asked for in exact numbers counts
    good = wanted[(held >= least - 1e-12) & np.isfinite(wanted)]
    return float(good.max()) if len(good) else math.nan


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise UsageError(f"a {name} lies between 0 and 1, got {value:g}.")
    return value
