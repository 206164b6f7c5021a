"""How far two outlines lie apart: boundary IoU, normalised surface distance, HD95, mean distance.

The outline of a mask is made of its pixels that have a neighbour (across a side) outside it; what
lies beyond the image counts as outside. Distances run between centres of outline pixels, in the
unit of ``spacing``: 1 for px, the pixel size for um. Overlap says nothing about outlines, so both
kinds of measure belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.schema.errors import UsageError
from lucyte.stats.foreground import Mask, two_masks

TOLERANCE_PX = 2.0
"""Distance that still counts as agreement: about how far two people's outlines lie apart."""
WIDTH_PX = 2.0
"""Width of the bands of the boundary IoU."""
PERCENTILE = 95.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BoundaryScores:
    """Two outlines compared.

    Attributes
    ----------
    iou : float
        Boundary IoU, in [0, 1].
    nsd : float
        Normalised surface distance: the share of both outlines within the tolerance, in [0, 1].
    hd95 : float
        The larger of the 95th percentiles of the two directed distances.
    mean_distance : float
        Mean over the pixels of both outlines of the distance to the other outline.
    undefined : str
        Why values are nan; empty where none is.
    """

    iou: float
    nsd: float
    hd95: float
    mean_distance: float
    undefined: str = ""


def boundary_scores(
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    spacing: Sequence[float] | None = None,
    tolerance: float = TOLERANCE_PX,
    width: float = WIDTH_PX,
) -> BoundaryScores:
    """Compare the outlines of two masks.

    Parameters
    ----------
    truth, prediction : integer or bool array, Y X or Z Y X
        Not 0 is foreground, of one shape.
    spacing : sequence of float, optional
        Size of a pixel along each axis; 1 throughout where not given.
    tolerance : float
        In the unit of ``spacing``; at least 0.
    width : float
        Of the bands, in the unit of ``spacing``; more than 0. A band holds the pixels of a mask
        nearer than this to its outline, the outline included.

    Returns
    -------
    BoundaryScores
        Where one of both is empty, IoU and NSD are 0 and distances nan; where both are, all nan.

    Raises
    ------
    UsageError
        Shapes differ, fractions, a spacing, tolerance or width that is none.

    References
    ----------
    Cheng et al. 2021 (boundary IoU), doi 10.1109/CVPR46437.2021.01508; Nikolov et al. 2021
    (surface distance), doi 10.2196/26151; Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    first, second = two_masks(truth, prediction)
    step = check_spacing(spacing, first.ndim)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(f"the tolerance must be 0 or more, got {tolerance:g}.")
    if not (math.isfinite(width) and width > 0):
        raise UsageError(f"the width of the bands must be more than 0, got {width:g}.")
    if not first.any() and not second.any():
        nothing = math.nan
        return BoundaryScores(
            nothing, nothing, nothing, nothing, "no foreground in truth or prediction"
        )
    if not first.any() or not second.any():
        where = "truth" if not first.any() else "prediction"
        return BoundaryScores(0.0, 0.0, math.nan, math.nan, f"no foreground in the {where}")
    window = _window(first | second)
    return _compare(first[window], second[window], step, tolerance, width)


def surface_distances(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], spacing: Sequence[float] | None = None
) -> tuple[Floats, Floats]:
    """Distance of every outline pixel of each mask to the nearest of the other.

    Returns
    -------
    from_truth, from_prediction : float array
        In the unit of ``spacing``; both empty where a mask is.
    """
    first, second = two_masks(truth, prediction)
    step = check_spacing(spacing, first.ndim)
    if not first.any() or not second.any():
        return np.zeros(0), np.zeros(0)
    one, two = outline(first), outline(second)
    return _to(two, step)[one], _to(one, step)[two]


def outline(mask: Mask) -> Mask:
    """Pixels with a neighbour across a side outside the mask; beyond the image is outside."""
    edge: Mask = mask & ~ndimage.binary_erosion(mask)
    return edge


def check_spacing(spacing: Sequence[float] | None, axes: int) -> tuple[float, ...]:
    """One positive number per axis.

    Raises
    ------
    UsageError
        Another count, or a number that is no size.
    """
    if spacing is None:
        return (1.0,) * axes
    step = tuple(float(each) for each in spacing)
    if len(step) != axes:
        raise UsageError(
            f"got a spacing of {len(step)} numbers for {axes} axes; give one per axis, in the "
            "order Z Y X."
        )
    if not all(math.isfinite(each) and each > 0 for each in step):
        raise UsageError(f"a spacing must be positive, got {', '.join(f'{s:g}' for s in step)}.")
    return step


def _compare(
    first: Mask, second: Mask, step: tuple[float, ...], tolerance: float, width: float
) -> BoundaryScores:
    """Of two masks of which neither is empty, cut to what both cover."""
    one, two = outline(first), outline(second)
    to_first, to_second = _to(one, step), _to(two, step)
    away, back = to_second[one], to_first[two]
    total = len(away) + len(back)
    # a hair more, so that distances that are the tolerance in exact numbers count as within it
    near = tolerance * (1 + 1e-9)
    band_one, band_two = first & (to_first < width), second & (to_second < width)
    return BoundaryScores(
        iou=float((band_one & band_two).sum() / (band_one | band_two).sum()),
        nsd=float(((away <= near).sum() + (back <= near).sum()) / total),
        hd95=float(max(np.percentile(away, PERCENTILE), np.percentile(back, PERCENTILE))),
        mean_distance=float((away.sum() + back.sum()) / total),
    )


def _to(line: Mask, step: tuple[float, ...]) -> Floats:
    """Distance of every pixel to the nearest one of a line."""
    found = ndimage.distance_transform_edt(~line, sampling=step)
    return np.asarray(found, dtype=np.float64)


def _window(mask: Mask) -> tuple[slice, ...]:
    """The box around a mask; what lies beyond is background, so that outlines stay the same."""
    cut = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
        cut.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(cut)
