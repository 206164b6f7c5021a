"""What is usual in this movie: steps, changes of size and light, how often cells come and go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from lucyte.track.candidates import Pairs
from lucyte.track.detections import Detections, Floats, Ints
from lucyte.track.overlap import Overlap

TAILS = (2.0, 3.0, 5.0, 8.0, 15.0)
FEATURE_TAIL = 3.0
SEGMENTATION = 0.1
"""No outline is drawn better than to this share of an object's area."""
OVERLAP_EDGES = (0.0, 0.2, 0.5, 0.8)
"""Upper ends of the bins of common area over the smaller area; the last bin ends at 1."""
_SAME = np.array([0.05, 0.05, 0.10, 0.20, 0.60])
_OTHER = np.array([0.86, 0.06, 0.04, 0.02, 0.02])
_PRIOR_WEIGHT = 10.0


@dataclass(frozen=True)
class Rates:
    """Probabilities per object and frame, away from the border.

    Attributes
    ----------
    appear, vanish : float
        An object begins or ends without a cause that is seen.
    missed : float
        An object is not found in one frame.
    divide : float
    """

    appear: float = 0.01
    vanish: float = 0.01
    missed: float = 0.02
    divide: float = 0.005


@dataclass(frozen=True)
class Scales:
    """Widths of the distributions from which costs follow.

    Attributes
    ----------
    step_px : float
        Scale of a step per square root of a time index, in px.
    tail : float
        Degrees of freedom of the steps (few: many long ones).
    change : float64 array
        Scale of the change of each feature (log area, then log intensities).
    centre, spread : float64 array
        Location and scale of each feature over all objects.
    overlap : float64 array
        Log likelihood ratio, same object over another, per bin of ``OVERLAP_EDGES``.
    density : float64 array
        Objects per px², by frame.
    rates : Rates
    """

    step_px: float
    tail: float
    change: Floats
    centre: Floats
    spread: Floats
    overlap: Floats
    density: Floats
    rates: Rates


def features(found: Detections) -> Floats:
    """Log area and log intensities, n x (1 + k)."""
    return np.column_stack([np.log(found.area), found.light])


def log_student(x: Floats, scale: Floats | float, tail: float) -> Floats:
    """Log density of a Student distribution in one dimension."""
    constant = gammaln((tail + 1) / 2) - gammaln(tail / 2) - 0.5 * np.log(tail * np.pi)
    return np.asarray(constant - np.log(scale) - (tail + 1) / 2 * np.log1p((x / scale) ** 2 / tail))


def log_student_2d(distance: Floats, scale: Floats | float, tail: float) -> Floats:
    """Log density per px² of a round Student distribution in two dimensions."""
    spread = np.log(2 * np.pi) + 2 * np.log(scale)
    return np.asarray(-spread - (tail + 2) / 2 * np.log1p((distance / scale) ** 2 / tail))


def estimate(
    found: Detections,
    pairs: Pairs,
    shared: Overlap,
    sure: Ints,
    rates: Rates,
) -> Scales:
    """Learn the scales from links that are believed.

    Parameters
    ----------
    pairs : Pairs
        All candidates.
    shared : Overlap
        Common area of each pair.
    sure : int64 array
        Indices of the pairs that are believed.
    rates : Rates
        How often objects come, go, hide and divide.
    """
    links = pairs.take(sure)
    typical = 0.5 * float(np.median(found.radius)) if len(found) else 1.0
    step = links.distance / np.sqrt(links.elapsed)
    step_px, tail = _fit_steps(step, typical)
    values = features(found)
    changes = values[links.target] - values[links.source]
    changes = changes - (np.median(changes, axis=0) if len(links) else 0.0)
    centre = np.median(values, axis=0) if len(found) else np.zeros(values.shape[1])
    width = 1.4826 * np.median(np.abs(values - centre), axis=0) if len(found) else centre
    change = np.array([_fit_change(each) for each in changes.T])
    return Scales(
        step_px=step_px,
        tail=tail,
        change=change,
        centre=centre,
        spread=np.maximum(width, np.maximum(0.2, change)),
        overlap=_fit_overlap(found, pairs, shared, sure),
        density=np.bincount(found.frame, minlength=len(found.times)) / np.prod(found.shape_yx),
        rates=rates,
    )


def overlap_bin(found: Detections, pairs: Pairs, shared: Overlap) -> Ints:
    """Bin of each pair's common area over the smaller of both areas."""
    smaller = np.minimum(found.area[pairs.source], found.area[pairs.target])
    return np.digitize(shared.px / smaller, OVERLAP_EDGES, right=True).astype(np.int64)


def _fit_steps(step: Floats, typical: float) -> tuple[float, float]:
    """Scale and tail of the steps by maximum likelihood; few links lean on half a radius."""
    floor = max(0.5, 0.04 * typical)
    best = (-np.inf, max(typical, floor), 3.0)
    for tail in TAILS if len(step) >= 20 else (3.0,):
        scale = max(typical, floor)
        for _ in range(30):
            weight = (tail + 2) / (tail + (step / scale) ** 2)
            mean = ((weight * step**2).sum() / 2 + 3 * typical**2) / (len(step) + 3)
            scale = max(float(np.sqrt(mean)), floor)
        fit = float(log_student_2d(step, scale, tail).sum())
        best = max(best, (fit, scale, tail))
    return best[1], best[2]


def _fit_change(change: Floats) -> float:
    scale = 0.2
    for _ in range(30):
        weight = (FEATURE_TAIL + 1) / (FEATURE_TAIL + (change / scale) ** 2)
        mean = ((weight * change**2).sum() + 3 * 0.2**2) / (len(change) + 3)
        scale = max(float(np.sqrt(mean)), SEGMENTATION)
    return scale


def _fit_overlap(found: Detections, pairs: Pairs, shared: Overlap, sure: Ints) -> Floats:
    bins = overlap_bin(found, pairs, shared)
    believed = np.zeros(len(pairs), bool)
    believed[sure] = True
    rivals = ~believed & np.isin(pairs.source, pairs.source[sure]) & (pairs.skipped == 0)
    same = np.bincount(bins[believed], minlength=len(_SAME)) + _PRIOR_WEIGHT * _SAME
    other = np.bincount(bins[rivals], minlength=len(_OTHER)) + _PRIOR_WEIGHT * _OTHER
    return np.asarray(np.log(same / same.sum()) - np.log(other / other.sum()))
