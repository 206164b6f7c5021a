r"""Masks from boxes: a crop per box, a network per crop, the answers back in the frame.

The published protocol for CELLULAR: every box is cut out and resized to 64 x 64 px, whatever its
shape, and a U-Net++ gives the probability of each of its px to be cell. With a box's window
:math:`[x_0, x_1)` of whole px and :math:`s` px in the crop, px centres correspond by

.. math:: u = (x + \tfrac12 - x_0) \frac{s}{x_1 - x_0} - \tfrac12

in both directions, and values are read bilinearly with the window's border repeated. A px in
several windows belongs to the box that gives it the highest probability, of equal ones to the box
with the nearest centre.

References
----------
Presacan et al. 2025, doi 10.1371/journal.pone.0331045 (boxes, crops of 64 px, U-Net++).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels

Floats = npt.NDArray[np.float32]
CropNetwork = Callable[[Floats], npt.NDArray[Any]]
"""Crops ``n C s s`` in raw units to probabilities ``n s s``; what a network needs is inside it."""
SIDE = 64


@dataclass(frozen=True)
class BoxMasks:
    """Masks of one frame.

    Attributes
    ----------
    labels : int32 array, Y X
        Box row k as label k + 1; 0 is background. A box may have lost all its px.
    probability : float32 array, Y X
        The highest over the boxes, 0 outside all of them.
    """

    labels: Labels
    probability: Floats


def masks_in_boxes(
    image: npt.NDArray[Any],
    boxes: npt.ArrayLike,
    network: CropNetwork,
    *,
    side: int = SIDE,
    margin: float = 0.0,
    threshold: float = 0.5,
    batch: int = 128,
) -> BoxMasks:
    """Cut crops from boxes, ask a network, put its answers back into the frame.

    Parameters
    ----------
    image : array, C Y X
        Raw units.
    boxes : array ``n x 4``
        ``x0, y0, x1, y1`` in px of the image, half-open; rounded to whole px.
    network : callable
        Crops ``n C s s`` to probabilities ``n s s``.
    side : int
        s, px.
    margin : float
        Every window is larger than its box by this share of its width and height on each side.
    threshold : float
        From this probability on a px is cell.
    batch : int
        Crops at a time.

    Returns
    -------
    BoxMasks

    Raises
    ------
    UsageError
        Not an image C Y X, not boxes, or a network whose answer is no probability per px.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold must be above 0 and at most 1, got {threshold:g}.")
    if batch < 1:
        raise UsageError(f"batch must be at least 1, got {batch}.")
    planes = _check_image(image)
    where = windows(boxes, planes.shape[1:], margin)
    rows = np.flatnonzero((where[:, 2] > where[:, 0]) & (where[:, 3] > where[:, 1]))
    answers = np.zeros((len(where), side, side), dtype=np.float32)
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        crops = _cut(planes, where[some], side)
        answers[some] = _check_answer(network(crops), len(some), side)
    return paste_crops(answers, boxes, planes.shape[1:], margin=margin, threshold=threshold)


def cut_crops(
    image: npt.NDArray[Any], boxes: npt.ArrayLike, *, side: int = SIDE, margin: float = 0.0
) -> Floats:
    """The crops themselves, for training: float32 ``n C s s``, raw units.

    Raises
    ------
    UsageError
        A box that holds no px of the image; as ``masks_in_boxes``.
    """
    planes = _check_image(image)
    where = windows(boxes, planes.shape[1:], margin)
    empty = np.flatnonzero((where[:, 2] <= where[:, 0]) | (where[:, 3] <= where[:, 1]))
    if len(empty):
        raise UsageError(
            f"box {int(empty[0])} holds no px of an image of {planes.shape[1]} x "
            f"{planes.shape[2]} px: {np.asarray(boxes)[empty[0]].tolist()}. Leave it out."
        )
    return _cut(planes, where, side)


def paste_crops(
    probabilities: npt.NDArray[Any],
    boxes: npt.ArrayLike,
    shape: tuple[int, ...],
    *,
    margin: float = 0.0,
    threshold: float = 0.5,
) -> BoxMasks:
    """Put one answer per box back where ``cut_crops`` took its crop from.

    Parameters
    ----------
    probabilities : array ``n s s``
    boxes : array ``n x 4``
    shape : (height, width)
        Of the frame, px.
    margin, threshold : float
        As in ``masks_in_boxes``.
    """
    where = windows(boxes, shape, margin)
    answers = np.ascontiguousarray(probabilities, dtype=np.float32)
    if answers.ndim != 3 or len(answers) != len(where):
        raise UsageError(f"{len(where)} boxes need answers n s s, got shape {answers.shape}.")
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    centres = (given[:, :2] + given[:, 2:]) / 2
    labels = np.zeros(shape, dtype=np.int32)
    best = np.zeros(shape, dtype=np.float32)
    away = np.full(shape, np.inf)
    for row, (x0, y0, x1, y1) in enumerate(where):
        if x1 > x0 and y1 > y0:
            part = np.empty((y1 - y0, x1 - x0), dtype=np.float32)
            _resize(answers[row], part)
            _claim(part, x0, y0, centres[row, 0], centres[row, 1], row + 1, labels, best, away)
    labels[best < np.float32(threshold)] = 0
    return BoxMasks(labels, best)


def windows(
    boxes: npt.ArrayLike, shape: tuple[int, ...], margin: float = 0.0
) -> npt.NDArray[np.int64]:
    """Whole px that are cut out for each box: with its margin, rounded, inside the frame.

    Returns
    -------
    int64 array ``n x 4``
        ``x0, y0, x1, y1``; without width or height where the box holds no px of the frame.

    Raises
    ------
    UsageError
        Not rows of four finite numbers; a negative margin.
    """
    if not margin >= 0:
        raise UsageError(f"margin must not be negative, got {margin:g}.")
    given = np.asarray(boxes, dtype=np.float64)
    if given.size == 0:
        return np.zeros((0, 4), np.int64)
    if given.ndim != 2 or given.shape[1] != 4 or not np.isfinite(given).all():
        raise UsageError(f"boxes are rows x0, y0, x1, y1 of finite px, got shape {given.shape}.")
    more = margin * (given[:, 2:] - given[:, :2])
    grown = np.concatenate([given[:, :2] - more, given[:, 2:] + more], 1)
    whole = np.rint(grown).astype(np.int64)
    high = np.array([shape[1], shape[0]] * 2)
    clipped: npt.NDArray[np.int64] = np.clip(whole, 0, high)
    return clipped


def _cut(planes: Floats, where: npt.NDArray[np.int64], side: int) -> Floats:
    crops = np.empty((len(where), len(planes), side, side), dtype=np.float32)
    for row, (x0, y0, x1, y1) in enumerate(where):
        for channel, plane in enumerate(planes):
            _resize(plane[y0:y1, x0:x1], crops[row, channel])
    return crops


@njit(cache=True)
def _resize(source: Floats, out: Floats) -> None:
    """Bilinear between px centres, the border repeated."""
    height, width = source.shape
    rows, columns = out.shape
    for i in range(rows):
        y = min(max((i + 0.5) * (height / rows) - 0.5, 0.0), height - 1.0)
        top = int(y)
        below = min(top + 1, height - 1)
        v = y - top
        for j in range(columns):
            x = min(max((j + 0.5) * (width / columns) - 0.5, 0.0), width - 1.0)
            left = int(x)
            right = min(left + 1, width - 1)
            u = x - left
            upper = source[top, left] * (1 - u) + source[top, right] * u
            lower = source[below, left] * (1 - u) + source[below, right] * u
            out[i, j] = upper * (1 - v) + lower * v


@njit(cache=True)
def _claim(
    part: Floats,
    x0: int,
    y0: int,
    centre_x: float,
    centre_y: float,
    label: int,
    labels: Labels,
    best: Floats,
    away: npt.NDArray[np.float64],
) -> None:
    """Take the px at which a box is surer than all before it, or as sure and nearer."""
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            y, x = y0 + i, x0 + j
            distance = (x + 0.5 - centre_x) ** 2 + (y + 0.5 - centre_y) ** 2
            surer = part[i, j] > best[y, x]
            if surer or (part[i, j] == best[y, x] and distance < away[y, x]):
                best[y, x] = part[i, j]
                away[y, x] = distance
                labels[y, x] = label


def _check_image(image: npt.NDArray[Any]) -> Floats:
    planes = np.ascontiguousarray(image, dtype=np.float32)
    if planes.ndim != 3:
        raise UsageError(f"an image of crops has axes C Y X, got shape {planes.shape}.")
    return planes


def _check_answer(given: npt.NDArray[Any], count: int, side: int) -> npt.NDArray[Any]:
    answer = np.asarray(given)
    if answer.shape != (count, side, side):
        raise UsageError(
            f"the network of crops answered {answer.shape} to {count} crops; "
            f"({count}, {side}, {side}) is needed."
        )
    if not ((answer >= 0) & (answer <= 1)).all():
        raise UsageError(
            "the network of crops must answer probabilities from 0 to 1, got "
            f"{float(answer.min()):.3g} to {float(answer.max()):.3g}."
        )
    return answer
