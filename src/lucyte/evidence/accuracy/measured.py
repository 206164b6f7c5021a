"""What a reference shows without being asked: sizes, neighbours, empty images, shares of classes.

The fingerprint of a problem is asked where only its owner knows the answer, and measured here
where the data tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.schema.objects import Labels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Structures:
    """The objects of one image's reference.

    Attributes
    ----------
    diameters_px : float array n
        Of a disc (in volumes a ball) as large; of a box the root of its area.
    touching : int
        Objects with another one's pixel beside theirs; boxes that overlap.
    """

    diameters_px: Floats
    touching: int


@dataclass(frozen=True)
class Measured:
    """What is known of predictions and reference before any score.

    Attributes
    ----------
    images, units : int
        Rows that were compared, and independent units among them.
    unit : str
        What a unit is.
    grouped : bool
        Whether units are known, or every row was taken for one.
    objects : int
        In the reference; 0 where objects are no part of the task.
    diameter_px : float
        Median over objects; nan without any.
    spread : float
        90th over 10th percentile of diameters; nan with fewer than 10 objects.
    touching : float
        Share of objects that touch another; nan without any.
    empty : int
        Images whose reference holds nothing.
    one_mask : bool
        The reference tells inside from outside only.
    classes : mapping of class to int
        Rows of each true class.
    scored : bool
        Whether predictions come with scores or probabilities.
    tied : float
        Share of boxes whose score another one has too; nan without scores.
    disjoint : bool
        No pixel (box) of the prediction lies on the truth in any image.
    """

    images: int
    units: int
    unit: str
    grouped: bool = False
    objects: int = 0
    diameter_px: float = math.nan
    spread: float = math.nan
    touching: float = math.nan
    empty: int = 0
    one_mask: bool = False
    classes: Mapping[str, int] = field(default_factory=dict)
    scored: bool = False
    tied: float = math.nan
    disjoint: bool = False

    @property
    def imbalance(self) -> float:
        """The largest class's rows over the smallest's; nan with fewer than two classes."""
        counts = [count for count in self.classes.values() if count]
        return max(counts) / min(counts) if len(counts) > 1 else math.nan


def structures(labels: Labels) -> Structures:
    """Sizes and neighbours of a label image, Y X or Z Y X; 0 is background."""
    areas = np.bincount(labels.reshape(-1).astype(np.int64))[1:] if labels.size else np.zeros(0)
    present = np.flatnonzero(areas) + 1
    size = areas[present - 1].astype(np.float64)
    diameters = 2 * np.sqrt(size / math.pi) if labels.ndim == 2 else np.cbrt(6 * size / math.pi)
    return Structures(diameters, len(_neighbours(labels)))


def box_structures(boxes: npt.ArrayLike) -> Structures:
    """Sizes and overlaps of boxes, n x 4 in px."""
    box = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sides = box[:, 2:] - box[:, :2]
    low = np.maximum(box[:, None, :2], box[None, :, :2])
    high = np.minimum(box[:, None, 2:], box[None, :, 2:])
    shared = (high > low).all(-1) & ~np.eye(len(box), dtype=bool)
    return Structures(np.sqrt(np.clip(sides, 0, None).prod(-1)), int(shared.any(1).sum()))


def pooled(found: Sequence[Structures]) -> dict[str, Any]:
    """Objects, median diameter, spread, share touching and empty images over all images."""
    sizes = np.concatenate([each.diameters_px for each in found]) if found else np.zeros(0)
    n = len(sizes)
    low, high = np.percentile(sizes, [10, 90]) if n >= 10 else (math.nan, math.nan)
    return {
        "objects": n,
        "diameter_px": float(np.median(sizes)) if n else math.nan,
        "spread": float(high / low) if n >= 10 and low > 0 else math.nan,
        "touching": sum(each.touching for each in found) / n if n else math.nan,
        "empty": sum(not len(each.diameters_px) for each in found),
    }


def _neighbours(labels: Labels) -> npt.NDArray[np.int64]:
    """Labels with a pixel beside another label's, corners included."""
    square = np.ones((3,) * labels.ndim, dtype=bool)
    top = ndimage.maximum_filter(labels, footprint=square)
    free = np.where(labels == 0, np.iinfo(np.int32).max, labels.astype(np.int64))
    low = ndimage.minimum_filter(free, footprint=square)
    beside = (labels > 0) & ((top != labels) | (low != labels))
    return np.unique(labels[beside]).astype(np.int64)
