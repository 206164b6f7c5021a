"""What an object network is to answer, made from label images or from boxes alone.

All maps have the network's output resolution; lengths are in its pixels. ``nan`` in the
foreground means unknown: between the surely inner and the outer part of a box nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

INNER = 0.5
"""A box alone says: the ellipse within this part of it is the object ..."""
SIGMA = 0.12
"""Width of a centre's blob in square roots of the box area."""


@dataclass(frozen=True)
class Targets:
    """What the network should say of one crop.

    Attributes
    ----------
    foreground : float32 array Y X
        1 in objects, 0 outside, nan unknown.
    centre : float32 array Y X
        Blobs of height 1 at box centres.
    votes : float32 array 2 Y X
        From the pixel to its object's box centre, y and x, in output px.
    sides : float32 array 4 Y X
        From the pixel to the left, top, right and bottom side of its box.
    size : float32 array Y X
        Square root of the box area of the pixel's object; 0 where there is none.
    inner : bool array Y X
        Near enough to the centre to answer for the box.
    classes : int16 array Y X
        Class of the pixel's object; -1 where none or unknown.
    """

    foreground: Floats
    centre: Floats
    votes: Floats
    sides: Floats
    size: Floats
    inner: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.int16]


def boxes_of_labels(labels: npt.NDArray[Any]) -> Floats:
    """Boxes of labels 1 to the largest, n x 4 as x0, y0, x1, y1, half-open; zeros where absent."""
    return np.asarray(_boxes(np.ascontiguousarray(labels, np.int32), int(labels.max(initial=0))))


def targets_from_labels(
    labels: npt.NDArray[Any], classes: npt.NDArray[Any] | None = None
) -> Targets:
    """Targets of a label image at output resolution.

    Parameters
    ----------
    labels : int array Y X
    classes : int array or None
        Class of label k at ``classes[k]``; -1 unknown.
    """
    owner = np.ascontiguousarray(labels, np.int32)
    boxes = boxes_of_labels(owner)
    return _targets(owner, (owner > 0).astype(np.float32), boxes, classes)


def targets_from_boxes(
    boxes: npt.NDArray[Any], shape: tuple[int, int], classes: npt.NDArray[Any] | None = None
) -> Targets:
    """Targets of boxes alone: ellipses stand for the objects, their rims stay unknown.

    Parameters
    ----------
    boxes : float array n x 4
        x0, y0, x1, y1 in output px.
    shape : (height, width)
        Of the output.
    classes : int array or None
        As for labels: of box k at ``classes[k + 1]``.
    """
    boxes = np.ascontiguousarray(boxes, np.float32).reshape(-1, 4)
    owner, foreground = _ellipses(boxes, shape[0], shape[1])
    return _targets(owner, foreground, boxes, classes)


def _targets(
    owner: npt.NDArray[np.int32],
    foreground: Floats,
    boxes: Floats,
    classes: npt.NDArray[Any] | None,
) -> Targets:
    table = np.full(len(boxes) + 1, -1, np.int16)
    if classes is not None:
        table[: len(classes)] = np.asarray(classes)[: len(table)]
    centre = _centres(boxes, *owner.shape)
    votes, sides, size, inner = _geometry(owner, boxes)
    return Targets(foreground, centre, votes, sides, size, inner, table[owner])


@numba.njit(cache=True)
def _boxes(labels: Any, n: int) -> Any:
    boxes = np.zeros((n, 4), np.float32)
    boxes[:, 0] = boxes[:, 1] = 1e9
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x] - 1
            if k >= 0:
                boxes[k, 0] = min(boxes[k, 0], x)
                boxes[k, 1] = min(boxes[k, 1], y)
                boxes[k, 2] = max(boxes[k, 2], x + 1)
                boxes[k, 3] = max(boxes[k, 3], y + 1)
    for k in range(n):
        if boxes[k, 2] == 0:
            boxes[k] = 0
    return boxes


@numba.njit(cache=True)
def _ellipses(boxes: Any, height: int, width: int) -> Any:
    """Each pixel goes to the box whose centre is nearest in half sides of that box."""
    owner = np.zeros((height, width), np.int32)
    nearest = np.full((height, width), np.float32(9.0), np.float32)
    foreground = np.zeros((height, width), np.float32)
    for k in range(len(boxes)):
        x0, y0, x1, y1 = boxes[k]
        if x1 <= x0 or y1 <= y0:
            continue
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        a, b = (x1 - x0) / 2, (y1 - y0) / 2
        for y in range(max(0, int(y0)), min(height, int(np.ceil(y1)))):
            for x in range(max(0, int(x0)), min(width, int(np.ceil(x1)))):
                far = np.sqrt(((x + 0.5 - cx) / a) ** 2 + ((y + 0.5 - cy) / b) ** 2)
                if far <= 0.9 and far < nearest[y, x]:
                    nearest[y, x] = far
                    owner[y, x] = k + 1
                if foreground[y, x] != 1.0:
                    foreground[y, x] = np.nan  # within a box, yet perhaps not of the object
    for y in range(height):
        for x in range(width):
            if nearest[y, x] <= INNER:
                foreground[y, x] = 1.0
    return owner, foreground


@numba.njit(cache=True)
def _centres(boxes: Any, height: int, width: int) -> Any:
    out = np.zeros((height, width), np.float32)
    for k in range(len(boxes)):
        x0, y0, x1, y1 = boxes[k]
        if x1 <= x0 or y1 <= y0:
            continue
        cx, cy = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5
        sy = max(0.7, SIGMA * np.sqrt((x1 - x0) * (y1 - y0)))
        far = int(np.ceil(3 * sy))
        # The pixel nearest to the centre answers with 1 even where the centre lies between pixels.
        iy, ix = (
            min(max(int(np.round(cy)), 0), height - 1),
            min(max(int(np.round(cx)), 0), width - 1),
        )
        for y in range(max(0, iy - far), min(height, iy + far + 1)):
            for x in range(max(0, ix - far), min(width, ix + far + 1)):
                value = np.exp(-((y - iy) ** 2 + (x - ix) ** 2) / (2 * sy * sy))
                out[y, x] = max(out[y, x], value)
    return out


@numba.njit(cache=True)
def _geometry(owner: Any, boxes: Any) -> Any:
    height, width = owner.shape
    votes = np.zeros((2, height, width), np.float32)
    sides = np.zeros((4, height, width), np.float32)
    size = np.zeros((height, width), np.float32)
    inner = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            k = owner[y, x] - 1
            if k < 0:
                continue
            x0, y0, x1, y1 = boxes[k]
            cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
            dy, dx = cy - (y + 0.5), cx - (x + 0.5)
            votes[0, y, x], votes[1, y, x] = dy, dx
            sides[0, y, x], sides[1, y, x] = x + 0.5 - x0, y + 0.5 - y0
            sides[2, y, x], sides[3, y, x] = x1 - x - 0.5, y1 - y - 0.5
            size[y, x] = np.sqrt((x1 - x0) * (y1 - y0))
            inner[y, x] = abs(dx) <= 0.3 * (x1 - x0) + 0.5 and abs(dy) <= 0.3 * (y1 - y0) + 0.5
    return votes, sides, size, inner
