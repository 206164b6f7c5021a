"""Scores of boxes: pairwise IoU, F1 without scores, COCO average precision without a limit.

Boxes are rows ``x0, y0, x1, y1`` in px, half-open: a box covers ``x1 - x0`` by ``y1 - y0``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from lucyte.schema.errors import UsageError

COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_RECALLS = np.linspace(0.0, 1.0, 101)

Floats = npt.NDArray[np.float64]


def check_boxes(boxes: npt.ArrayLike, source: str = "boxes") -> Floats:
    """Boxes as a float array ``n x 4``; refuses another shape, nan, and x1 < x0 or y1 < y0."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise UsageError(f"{source}: boxes are rows x0, y0, x1, y1, got shape {array.shape}.")
    bad = ~np.isfinite(array).all(1) | (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise UsageError(
            f"{source}: row {row} is no box: x0, y0, x1, y1 = {array[row].tolist()}; "
            "x1 >= x0 and y1 >= y0 must hold."
        )
    return array


def box_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Intersection over union of every box of one set with every box of the other.

    Parameters
    ----------
    first, second : array ``n x 4`` and ``m x 4``, px

    Returns
    -------
    float array ``n x m``; 0 where both areas are 0.
    """
    a, b = check_boxes(first, "first"), check_boxes(second, "second")
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(-1)
    area_a = (a[:, 2:] - a[:, :2]).prod(-1)
    area_b = (b[:, 2:] - b[:, :2]).prod(-1)
    union = area_a[:, None] + area_b[None, :] - shared
    ratio: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def match_boxes(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, iou: float = 0.5
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Match boxes one to one: as many pairs with ``IoU >= iou`` as possible, then the best sum.

    Returns
    -------
    truth_row, prediction_row : int array
        Rows of the matched boxes, ordered by truth row.
    iou : float array
    """
    value = box_iou(truth, prediction)
    good = value >= iou
    # One pair more always outweighs any sum of IoU, each of which is at most 1.
    gain = np.where(good, 1.0 + value / (min(value.shape) + 1.0), 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    keep = good[rows, columns]
    rows, columns = rows[keep].astype(np.int64), columns[keep].astype(np.int64)
    return rows, columns, value[rows, columns]


def box_scores(
    truth: Sequence[npt.ArrayLike], prediction: Sequence[npt.ArrayLike], iou: float = 0.5
) -> dict[str, float]:
    """F1, precision and recall pooled over images, for boxes without scores.

    Parameters
    ----------
    truth, prediction : sequence of array ``n x 4``, px
        One entry per image, in the same order.
    iou : float
        A pair counts from this IoU on.

    Returns
    -------
    dict
        ``F1@t``, ``precision@t``, ``recall@t``; nan where there is nothing to divide by.

    Raises
    ------
    UsageError
        Different numbers of images.
    """
    _check_images(truth, prediction)
    tp = sum(len(match_boxes(t, p, iou)[0]) for t, p in zip(truth, prediction, strict=True))
    n_truth = sum(len(check_boxes(each)) for each in truth)
    n_prediction = sum(len(check_boxes(each)) for each in prediction)
    return {
        f"F1@{iou:g}": 2 * tp / (n_truth + n_prediction) if n_truth + n_prediction else math.nan,
        f"precision@{iou:g}": tp / n_prediction if n_prediction else math.nan,
        f"recall@{iou:g}": tp / n_truth if n_truth else math.nan,
    }


def average_precision(
    truth: Sequence[npt.ArrayLike],
    prediction: Sequence[npt.ArrayLike],
    confidence: Sequence[npt.ArrayLike],
    thresholds: Sequence[float] = COCO_THRESHOLDS,
) -> dict[str, float]:
    """COCO average precision of one class, over all detections (COCO itself keeps 100 an image).

    Detections of each image, best first, take the free true box of highest IoU at or above the
    threshold; precision is made monotone and read at 101 recalls.

    Parameters
    ----------
    truth, prediction : sequence of array ``n x 4``, px
        One entry per image.
    confidence : sequence of array ``n``
        Score of each predicted box, higher is surer.
    thresholds : sequence of float
        IoU thresholds.

    Returns
    -------
    dict
        ``AP@t`` per threshold, ``mAP50`` where 0.5 is among them and ``mAP50-95`` where all ten
        of COCO are; nan without any true box.

    Raises
    ------
    UsageError
        Different numbers of images, boxes without a score, a score that is nan.

    References
    ----------
    Lin et al. 2014, doi 10.1007/978-3-319-10602-1_48.
    """
    _check_images(truth, prediction)
    if len(confidence) != len(prediction):
        raise UsageError(f"got scores for {len(confidence)} images of {len(prediction)}.")
    hits = [
        box_hits(t, p, c, thresholds, f"image {index}")
        for index, (t, p, c) in enumerate(zip(truth, prediction, confidence, strict=True))
    ]
    return pooled_precision(hits, thresholds)


@dataclass(frozen=True)
class BoxHits:
    """What the average precision is made of, of one image; images are pooled without matching anew.

    Attributes
    ----------
    truth : int
        Number of true boxes.
    confidence : float array ``n``
        Of the predicted boxes, falling.
    hits : bool array, thresholds x ``n``
        Whether each took a true box.
    """

    truth: int
    confidence: Floats
    hits: npt.NDArray[np.bool_]


def box_hits(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    confidence: npt.ArrayLike,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    name: str = "image",
) -> BoxHits:
    """Which boxes of one image hit, as in :func:`average_precision`.

    Parameters
    ----------
    truth, prediction : array ``n x 4``, px
    confidence : array ``n``
    thresholds : sequence of float
    name : str
        Of the image, for messages.

    Raises
    ------
    UsageError
        Boxes without a score, or a score that is nan.
    """
    boxes, found = check_boxes(truth), check_boxes(prediction)
    score = np.asarray(confidence, dtype=np.float64).reshape(-1)
    if len(score) != len(found) or np.isnan(score).any():
        raise UsageError(
            f"{name}: {len(found)} boxes need as many scores and none nan, "
            f"got {len(score)} with {int(np.isnan(score).sum())} nan."
        )
    order = np.argsort(-score, kind="stable")
    return BoxHits(len(boxes), score[order], _greedy(box_iou(found[order], boxes), thresholds))


def pooled_precision(
    images: Sequence[BoxHits], thresholds: Sequence[float] = COCO_THRESHOLDS
) -> dict[str, float]:
    """Average precision over the detections of many images, by threshold and as COCO's means.

    Parameters
    ----------
    images : sequence of BoxHits
        An image may come twice, as in a bootstrap.
    thresholds : sequence of float
        Those that the hits were found at.
    """
    n_truth = sum(each.truth for each in images)
    sure = np.concatenate([each.confidence for each in images]) if images else np.zeros(0)
    order = np.argsort(-sure, kind="stable")
    empty = np.zeros((len(thresholds), 0), dtype=bool)
    hits = np.concatenate([empty, *(each.hits for each in images)], 1)[:, order]
    out = {f"AP@{t:g}": _area(row, n_truth) for row, t in zip(hits, thresholds, strict=True)}
    if 0.5 in thresholds:
        out["mAP50"] = out["AP@0.5"]
    if set(COCO_THRESHOLDS) <= set(thresholds):
        out["mAP50-95"] = float(np.mean([out[f"AP@{t:g}"] for t in COCO_THRESHOLDS]))
    return out


def _greedy(value: Floats, thresholds: Sequence[float]) -> npt.NDArray[np.bool_]:
    """Hits per threshold and detection (best first); of equal IoU the last true box, as COCO."""
    hits = np.zeros((len(thresholds), len(value)), dtype=bool)
    if value.shape[1] == 0:
        return hits
    for k, threshold in enumerate(thresholds):
        free = np.ones(value.shape[1], dtype=bool)
        for row in np.flatnonzero((value >= threshold).any(1)):
            open_iou = np.where(free, value[row], -1.0)
            best = value.shape[1] - 1 - int(np.argmax(open_iou[::-1]))
            if open_iou[best] >= threshold:
                free[best] = False
                hits[k, row] = True
    return hits


def _area(hit: npt.NDArray[np.bool_], n_truth: int) -> float:
    if n_truth == 0:
        return math.nan
    if len(hit) == 0:
        return 0.0
    tp = np.cumsum(hit)
    precision = tp / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    position = np.searchsorted(tp / n_truth, _RECALLS, side="left")
    read = np.append(precision, 0.0)[np.minimum(position, len(precision))]
    return float(read.mean())


def _check_images(truth: Sequence[Any], prediction: Sequence[Any]) -> None:
    if len(truth) != len(prediction):
        raise UsageError(
            f"got boxes of {len(prediction)} images for {len(truth)} images of truth; "
            "give one entry per image, empty where nothing was found."
        )
