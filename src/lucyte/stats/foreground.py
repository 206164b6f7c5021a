"""Which pixels are foreground: precision, recall, F1 and Jaccard index, per image or pooled.

The protocol of the CELLULAR paper: masks of all cells are one foreground, each image is scored,
and the scores of the images are averaged. No object is matched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PixelCounts:
    """Foreground pixels; adds up over images.

    Attributes
    ----------
    truth, prediction, both : int, px
    """

    truth: int = 0
    prediction: int = 0
    both: int = 0

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.truth + other.truth, self.prediction + other.prediction, self.both + other.both
        )


def two_masks(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> tuple[Mask, Mask]:
    """Masks or label images as masks (not 0 is foreground), checked against one another.

    Raises
    ------
    UsageError
        Shapes differ, or an array holds fractions.
    """
    first, second = np.asarray(truth), np.asarray(prediction)
    if first.shape != second.shape:
        raise UsageError(
            f"masks to compare must have one shape, got truth {first.shape} and prediction "
            f"{second.shape}."
        )
    for name, each in (("truth", first), ("prediction", second)):
        if each.dtype.kind not in "iub":
            raise UsageError(
                f"{name}: a mask holds whole numbers or booleans, got {each.dtype}. Choose a "
                "threshold for probabilities first."
            )
    return first != 0, second != 0


def count_pixels(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> PixelCounts:
    """Count the foreground of two masks or label images of one shape, of any dimension."""
    first, second = two_masks(truth, prediction)
    return PixelCounts(
        int(np.count_nonzero(first)),
        int(np.count_nonzero(second)),
        int(np.count_nonzero(first & second)),
    )


def foreground_scores(counts: PixelCounts) -> dict[str, float]:
    """Scores of one image, or pooled over the images whose counts were added.

    Returns
    -------
    dict
        ``pixel_precision = both / prediction``, ``pixel_recall = both / truth``,
        ``pixel_F1 = 2 both / (truth + prediction)``, ``pixel_Jaccard = both / union``, in [0, 1];
        nan where there is nothing to divide by. An image with truth and an empty prediction has
        recall, F1 and Jaccard 0, and no precision.

    References
    ----------
    Al Outa et al. 2023 (CELLULAR), doi 10.1038/s41597-023-02687-x.
    """
    total = counts.truth + counts.prediction
    return {
        "pixel_precision": _ratio(counts.both, counts.prediction),
        "pixel_recall": _ratio(counts.both, counts.truth),
        "pixel_F1": _ratio(2 * counts.both, total),
        "pixel_Jaccard": _ratio(counts.both, total - counts.both),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
