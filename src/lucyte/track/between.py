"""The mask of an object in a frame where it was not found, from the frames around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from lucyte.schema.objects import Labels
from lucyte.track.detections import Floats

Mask = npt.NDArray[np.bool_]
Corner = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """One object as it was found.

    Attributes
    ----------
    depth : float64 array Y X
        Signed distance to the outline in px, negative inside, around the object.
    corner : tuple of int
        y and x of its first pixel in the image.
    yx : float64 array 2
        Centroid in px.
    area : int
    """

    depth: Floats
    corner: Corner
    yx: Floats
    area: int


def shape_of(labels: Labels, label: int, box: Floats) -> Shape:
    """Look at one object.

    Parameters
    ----------
    labels : int32 array Y X
    label : int
    box : float64 array 4
        ``x0, y0, x1, y1`` in px, half-open.
    """
    x0, y0, x1, y1 = (round(float(each)) for each in box)
    own = labels[y0:y1, x0:x1] == label
    pad = max(own.shape) // 2 + 2
    inside = np.pad(own, pad)
    depth = distance_transform_edt(~inside) - distance_transform_edt(inside)
    y, x = np.nonzero(own)
    return Shape(depth, (y0 - pad, x0 - pad), np.array([y.mean() + y0, x.mean() + x0]), len(y))


def depth_between(a: Shape, b: Shape, weight: float, corner: Corner, size: Corner) -> Floats:
    """Signed distance to an outline between two, in a window of the image.

    Parameters
    ----------
    weight : float
        0 at ``a``, 1 at ``b``; the centroid moves along a straight line, and signed distances,
        their centroids laid on one another, are averaged.
    corner, size : tuple of int
        First pixel and height and width of the window.
    """
    centre = (1 - weight) * a.yx + weight * b.yx
    parts = [_placed(each, centre - each.yx, corner, size) for each in (a, b)]
    return np.asarray((1 - weight) * parts[0] + weight * parts[1])


def window_between(a: Shape, b: Shape, shape_yx: Corner) -> tuple[Corner, Corner]:
    """A window of the image that holds both: corner and size."""
    low = np.minimum(a.corner, b.corner)
    high = np.maximum(np.add(a.corner, a.depth.shape), np.add(b.corner, b.depth.shape))
    low, high = np.clip(low, 0, shape_yx), np.clip(high, 0, shape_yx)
    return (int(low[0]), int(low[1])), (int(high[0] - low[0]), int(high[1] - low[1]))


def _placed(shape: Shape, move: Floats, corner: Corner, size: Corner) -> Floats:
    """The signed distance, moved by whole pixels, in a window; far away it only grows."""
    start = np.array(corner) - np.array(shape.corner) - np.round(move).astype(int)
    rows = start[0] + np.arange(size[0])
    columns = start[1] + np.arange(size[1])
    height, width = shape.depth.shape
    y, x = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    beyond = np.hypot((rows - y)[:, None], (columns - x)[None, :])
    return np.asarray(shape.depth[np.ix_(y, x)] + beyond)
