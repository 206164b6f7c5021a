"""Scores of instance segmentation: additive counts per image, then scores of one, many or all.

Every score follows from :class:`InstanceCounts`, which adds up: the counts of one image give its
own scores, their sum gives the pooled scores, and :func:`mean_scores` gives the image mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from lucyte.schema.errors import UsageError

IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
MEAN_AP = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds that ``AP@0.5:0.9`` is the mean over, as in the StarDist paper."""
_DENSE_PAIRS = 1 << 24

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Overlap:
    """Which true object shares how many pixels with which predicted one; only pairs that meet.

    Attributes
    ----------
    truth_labels, prediction_labels : int array
        The labels present, rising, without 0.
    truth_areas, prediction_areas : int array, px
        Areas in the same order.
    truth_index, prediction_index : int array
        One entry per meeting pair, positions in the arrays above.
    shared : int array, px
        Pixels the pair has in common.
    foreground : tuple of int
        Pixels in truth, in prediction, in both.
    """

    truth_labels: Ints
    prediction_labels: Ints
    truth_areas: Ints
    prediction_areas: Ints
    truth_index: Ints
    prediction_index: Ints
    shared: Ints
    foreground: tuple[int, int, int]

    @property
    def iou(self) -> Floats:
        """Intersection over union of each meeting pair."""
        union = (
            self.truth_areas[self.truth_index]
            + self.prediction_areas[self.prediction_index]
            - self.shared
        )
        return self.shared / union


@dataclass(frozen=True)
class InstanceCounts:
    """What the scores are made of. Adds up over images.

    Attributes
    ----------
    truth, prediction : int
        Number of objects.
    matched : mapping of IoU threshold to int
        Pairs matched one to one at ``IoU >= threshold`` (as many as possible).
    panoptic_matched, panoptic_iou : int, float
        Pairs with ``IoU > 0.5`` (unique by themselves) and the sum of their IoU.
    aji_shared, aji_union : int, px
        Numerator and denominator of the aggregated Jaccard index.
    seg_sum : float
        Sum over true objects of the Jaccard index with the object that covers more than half.
    pixels_truth, pixels_prediction, pixels_both : int, px
        Foreground.
    images : int
    """

    truth: int = 0
    prediction: int = 0
    matched: Mapping[float, int] | None = None
    panoptic_matched: int = 0
    panoptic_iou: float = 0.0
    aji_shared: int = 0
    aji_union: int = 0
    seg_sum: float = 0.0
    pixels_truth: int = 0
    pixels_prediction: int = 0
    pixels_both: int = 0
    images: int = 0

    def __add__(self, other: InstanceCounts) -> InstanceCounts:
        values: dict[str, Any] = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.name != "matched"
        }
        if self.matched is None or other.matched is None:
            matched = self.matched or other.matched
        elif set(self.matched) != set(other.matched):
            raise UsageError("instance counts with different IoU thresholds cannot be added.")
        else:
            matched = {t: self.matched[t] + other.matched[t] for t in self.matched}
        return InstanceCounts(matched=matched, **values)


def overlap(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> Overlap:
    """Contingency of two label images, of any dimension.

    Parameters
    ----------
    truth, prediction : integer array
        Label images of one shape; 0 is background. Labels need not be consecutive.

    Raises
    ------
    UsageError
        Shapes differ, or an array is not integer.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        raise UsageError(
            f"label images to compare must have one shape, got truth {truth.shape} and "
            f"prediction {prediction.shape}."
        )
    for name, each in (("truth", truth), ("prediction", prediction)):
        if each.dtype.kind not in "iub":
            raise UsageError(f"{name}: a label image holds whole numbers, got {each.dtype}.")
    truth_labels, rows = _compact(truth)
    prediction_labels, columns = _compact(prediction)
    n_rows, n_columns = len(truth_labels) + 1, len(prediction_labels) + 1
    code = rows * n_columns + columns
    if n_rows * n_columns <= max(_DENSE_PAIRS, code.size):
        table = np.bincount(code, minlength=n_rows * n_columns)
        pairs = np.flatnonzero(table)
        counts = table[pairs]
    else:
        pairs, counts = np.unique(code, return_counts=True)
    row, column = pairs // n_columns, pairs % n_columns
    truth_areas = np.bincount(row, weights=counts, minlength=n_rows).astype(np.int64)
    prediction_areas = np.bincount(column, weights=counts, minlength=n_columns).astype(np.int64)
    both = (row > 0) & (column > 0)
    return Overlap(
        truth_labels=truth_labels,
        prediction_labels=prediction_labels,
        truth_areas=truth_areas[1:],
        prediction_areas=prediction_areas[1:],
        truth_index=row[both] - 1,
        prediction_index=column[both] - 1,
        shared=counts[both].astype(np.int64),
        foreground=(
            int(truth_areas[1:].sum()),
            int(prediction_areas[1:].sum()),
            int(counts[both].sum()),
        ),
    )


def _compact(labels: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Labels present (without 0) and each pixel's 1-based position among them, flat."""
    flat = labels.reshape(-1).astype(np.int64, copy=False)
    if flat.size == 0:
        return np.zeros(0, np.int64), flat
    if flat.min() < 0:
        raise UsageError(f"a label image holds no negative numbers, got {flat.min()}.")
    top = int(flat.max())
    if top <= max(4 * flat.size, 1 << 16):
        present = np.bincount(flat, minlength=top + 1) > 0
        present[0] = False
        position = np.zeros(top + 1, np.int64)
        names = np.flatnonzero(present)
        position[names] = np.arange(1, len(names) + 1)
        return names, position[flat]
    names, inverse = np.unique(flat, return_inverse=True)
    if names[0] == 0:
        return names[1:], inverse.astype(np.int64)
    return names, inverse.astype(np.int64) + 1


def match(pairs: Overlap, iou: float = 0.5) -> tuple[Ints, Ints, Floats]:
    """Match objects one to one: as many pairs with ``IoU >= iou`` as possible, then the best sum.

    Returns
    -------
    truth_label, prediction_label : int array
        Matched labels, ordered by truth label.
    iou : float array
        Their IoU.
    """
    value = pairs.iou
    good = value >= iou
    rows, columns, value = pairs.truth_index[good], pairs.prediction_index[good], value[good]
    alone = (np.bincount(rows, minlength=1)[rows] == 1) & (
        np.bincount(columns, minlength=1)[columns] == 1
    )
    chosen = np.flatnonzero(alone)
    rest = np.flatnonzero(~alone)
    if len(rest):
        row_names, r = np.unique(rows[rest], return_inverse=True)
        column_names, c = np.unique(columns[rest], return_inverse=True)
        gain = np.zeros((len(row_names), len(column_names)))
        # One pair more always outweighs any sum of IoU, each of which is at most 1.
        gain[r, c] = 1.0 + value[rest] / (min(gain.shape) + 1.0)
        picked_r, picked_c = linear_sum_assignment(gain, maximize=True)
        where = np.full(gain.shape, -1, np.int64)
        where[r, c] = rest
        taken = where[picked_r, picked_c]
        chosen = np.concatenate([chosen, taken[taken >= 0]])
    chosen = chosen[np.argsort(rows[chosen], kind="stable")]
    return (
        pairs.truth_labels[rows[chosen]],
        pairs.prediction_labels[columns[chosen]],
        value[chosen],
    )


def count_instances(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> InstanceCounts:
    """Count what the scores of one image are made of.

    Parameters
    ----------
    truth, prediction : integer array
        Label images of one shape, ``Y X`` or ``Z Y X``; 0 is background.
    thresholds : sequence of float
        IoU thresholds in (0, 1].

    References
    ----------
    Kirillov et al. 2019 (panoptic quality), doi 10.1109/CVPR.2019.00963; Kumar et al. 2017
    (aggregated Jaccard index), doi 10.1109/TMI.2017.2677499; Maska et al. 2014 (SEG),
    doi 10.1093/bioinformatics/btu080.
    """
    pairs = overlap(truth, prediction)
    iou = pairs.iou
    panoptic = iou > 0.5
    aji_shared, aji_union = _aji(pairs, iou)
    covers = 2 * pairs.shared > pairs.truth_areas[pairs.truth_index]
    return InstanceCounts(
        truth=len(pairs.truth_labels),
        prediction=len(pairs.prediction_labels),
        matched={float(t): len(match(pairs, t)[0]) for t in thresholds},
        panoptic_matched=int(panoptic.sum()),
        panoptic_iou=float(iou[panoptic].sum()),
        aji_shared=aji_shared,
        aji_union=aji_union,
        seg_sum=float(iou[covers].sum()),
        pixels_truth=pairs.foreground[0],
        pixels_prediction=pairs.foreground[1],
        pixels_both=pairs.foreground[2],
        images=1,
    )


def _aji(pairs: Overlap, iou: Floats) -> tuple[int, int]:
    """Each true object with the prediction of highest IoU (lowest label on a tie)."""
    order = np.lexsort((pairs.prediction_index, -iou, pairs.truth_index))
    first = order[np.unique(pairs.truth_index[order], return_index=True)[1]]
    shared = int(pairs.shared[first].sum())
    used = np.unique(pairs.prediction_index[first])
    union = int(pairs.truth_areas.sum()) - shared
    union += int(pairs.prediction_areas[pairs.prediction_index[first]].sum())
    union += int(pairs.prediction_areas.sum() - pairs.prediction_areas[used].sum())
    return shared, union


def scores(counts: InstanceCounts) -> dict[str, float]:
    """Scores of one image, or pooled over the images whose counts were added.

    Returns
    -------
    dict
        ``AP@t = TP / (TP + FP + FN)``, ``F1@t``, ``precision@t``, ``recall@t`` per IoU threshold,
        ``AP@0.5:0.9``, the mean of AP at 0.5, 0.6 ... 0.9 where all five were counted,
        ``PQ = SQ * DQ``, ``AJI``, ``SEG``, ``Dice`` and ``IoU`` of the foreground, all in [0, 1];
        nan where undefined (:func:`undefined` says why).
    """
    out: dict[str, float] = {}
    for t, tp in (counts.matched or {}).items():
        fp, fn = counts.prediction - tp, counts.truth - tp
        out[f"AP@{t:g}"] = _ratio(tp, tp + fp + fn)
        out[f"F1@{t:g}"] = _ratio(2 * tp, 2 * tp + fp + fn)
        out[f"precision@{t:g}"] = _ratio(tp, tp + fp)
        out[f"recall@{t:g}"] = _ratio(tp, tp + fn)
    if set(MEAN_AP) <= set(counts.matched or {}):
        out["AP@0.5:0.9"] = math.fsum(out[f"AP@{t:g}"] for t in MEAN_AP) / len(MEAN_AP)
    both = counts.truth + counts.prediction
    out["SQ"] = _ratio(counts.panoptic_iou, counts.panoptic_matched)
    out["DQ"] = _ratio(2 * counts.panoptic_matched, both)
    out["PQ"] = _ratio(2 * counts.panoptic_iou, both)
    out["AJI"] = _ratio(counts.aji_shared, counts.aji_union)
    out["SEG"] = _ratio(counts.seg_sum, counts.truth)
    pixels = counts.pixels_truth + counts.pixels_prediction
    out["Dice"] = _ratio(2 * counts.pixels_both, pixels)
    out["IoU"] = _ratio(counts.pixels_both, pixels - counts.pixels_both)
    return out


def undefined(counts: InstanceCounts) -> dict[str, str]:
    """Why each nan of :func:`scores` is one, by score name."""
    if counts.images == 0:
        reason = "no image was compared"
    elif counts.truth + counts.prediction == 0:
        reason = "no object in truth or prediction"
    elif counts.truth == 0:
        reason = "no object in the truth"
    elif counts.prediction == 0:
        reason = "no object in the prediction"
    else:
        reason = "no pair overlaps by more than half"
    return {name: reason for name, value in scores(counts).items() if math.isnan(value)}


def mean_scores(counts: Iterable[InstanceCounts]) -> dict[str, float]:
    """Mean over images of each score; an image where it is undefined does not count for it."""
    rows = [scores(each) for each in counts]
    names = rows[0] if rows else scores(InstanceCounts())
    out: dict[str, float] = {}
    for name in names:
        values = [row[name] for row in rows if not math.isnan(row[name])]
        out[name] = math.fsum(values) / len(values) if values else math.nan
    return out


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
