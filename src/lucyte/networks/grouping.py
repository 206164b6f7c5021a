"""Dense answers to objects: peaks of the centre map, their boxes, and pixels by their votes.

Everything is local and named by its place in the whole image, so that tiles of an image, grouped
one by one, give the labels of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from lucyte.networks.object_network import (
    BOTTOM,
    CENTRE,
    FOREGROUND,
    LEFT,
    MAPS,
    RIGHT,
    TOP,
    UNIT,
    VOTE_X,
    VOTE_Y,
)
from lucyte.networks.suppression import visited

Floats = npt.NDArray[np.float32]
LARGEST_LOG_SIDE = 5.0


@dataclass(frozen=True)
class Peaks:
    """Candidates for objects.

    Attributes
    ----------
    place : float32 array n x 2
        y, x of the box centre in output px of the maps they come from.
    boxes : float32 array n x 4
        x0, y0, x1, y1 in output px.
    score : float32 array n
        Height of the centre map there.
    cell : int32 array n x 2
        The output pixel (y, x) of the peak.
    class_index : int16 array n
        The most likely class; -1 where the model knows none.
    """

    place: Floats
    boxes: Floats
    score: Floats
    cell: npt.NDArray[np.int32]
    class_index: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: npt.NDArray[Any]) -> Peaks:
        """Some of the peaks."""
        return Peaks(
            self.place[index],
            self.boxes[index],
            self.score[index],
            self.cell[index],
            self.class_index[index],
        )


def turned_back(maps: Floats, axes: tuple[int, ...]) -> Floats:
    """The answer to a mirrored image as an answer to the image itself.

    Parameters
    ----------
    maps : float32 array K Y X
    axes : tuple of int
        Which of the axes 1 (Y) and 2 (X) the image was turned over in.
    """
    if not axes:
        return maps
    out = np.flip(maps, axes).copy()
    if 1 in axes:
        out[VOTE_Y] *= -1
        out[[TOP, BOTTOM]] = out[[BOTTOM, TOP]]
    if 2 in axes:
        out[VOTE_X] *= -1
        out[[LEFT, RIGHT]] = out[[RIGHT, LEFT]]
    return out


def find_peaks(maps: Floats, confidence: float) -> Peaks:
    """Local maxima of the centre map with their boxes; several may speak of one object.

    Parameters
    ----------
    maps : float32 array K Y X
        The network's raw answer.
    confidence : float
        Lowest height of a peak, 0 to 1.
    """
    level = float(np.log(confidence / (1 - confidence)))
    cells = np.asarray(_maxima(maps[CENTRE], level), np.int32).reshape(-1, 2)
    y, x = cells[:, 0], cells[:, 1]
    sides = np.exp(np.minimum(maps[LEFT : LEFT + 4, y, x], LARGEST_LOG_SIDE)) * UNIT
    middle_x, middle_y = x + 0.5, y + 0.5
    boxes = np.stack(
        [middle_x - sides[0], middle_y - sides[1], middle_x + sides[2], middle_y + sides[3]], 1
    )
    place = np.stack([(boxes[:, 1] + boxes[:, 3]) / 2, (boxes[:, 0] + boxes[:, 2]) / 2], 1)
    score = 1 / (1 + np.exp(-maps[CENTRE, y, x]))
    known = len(maps) > MAPS
    kinds = maps[MAPS:, y, x].argmax(0) if known else np.full(len(cells), -1)
    return Peaks(
        place.astype(np.float32),
        boxes.astype(np.float32),
        score.astype(np.float32),
        cells,
        kinds.astype(np.int16),
    )


def suppress(peaks: Peaks, iou: float = 0.5, near: float = 0.25) -> npt.NDArray[np.int64]:
    """Which peaks stay: of two that speak of one object the higher one.

    Parameters
    ----------
    peaks : Peaks
        Boxes and places in any one unit.
    iou : float
        Boxes that overlap more are one object ...
    near : float
        ... as are centres nearer than this share of the smaller one's size.

    Returns
    -------
    int array
        Indices, best first; equal scores in reading order.
    """
    order = np.lexsort((peaks.cell[:, 1], peaks.cell[:, 0], -peaks.score))
    return visited(peaks.boxes, order, iou, near=near)


def own_pixels(
    maps: Floats,
    peaks: Peaks,
    names: npt.NDArray[np.int32],
    shape: tuple[int, int],
    step: float,
    origin: tuple[float, float] = (0.0, 0.0),
) -> npt.NDArray[np.int32]:
    """Give every foreground pixel of a window to the peak its vote points at.

    Parameters
    ----------
    maps : float32 array K Y X
        The raw answer over the window.
    peaks : Peaks
        In the window's output px; those beyond its edge that pixels within may vote for included.
    names : int32 array n
        The label of each peak.
    shape : (height, width)
        Of the result.
    step : float
        Output px per pixel of the result.
    origin : (y, x)
        Upper left edge of the result, in output px of the window.

    Returns
    -------
    int32 array height width
        0 where there is no object.
    """
    owner = _territories(peaks.place, peaks.boxes, maps.shape[1], maps.shape[2])
    named = names.astype(np.int32)
    found = _assign(maps, owner, named, shape[0], shape[1], step, origin[0], origin[1])
    return np.asarray(found, np.int32)


@numba.njit(cache=True, nogil=True)
def _maxima(heat: Any, level: float) -> Any:
    height, width = heat.shape
    found = [(0, 0) for _ in range(0)]
    for y in range(height):
        for x in range(width):
            here = heat[y, x]
            if here < level:
                continue
            top = True
            for v in range(max(0, y - 1), min(height, y + 2)):
                for u in range(max(0, x - 1), min(width, x + 2)):
                    other = heat[v, u]
                    # Of equal neighbours the first in reading order is the peak.
                    if other > here or (other == here and (v, u) < (y, x)):
                        top = False
            if top:
                found.append((y, x))
    out = np.zeros((len(found), 2), np.int32)
    for k in range(len(found)):
        out[k, 0], out[k, 1] = found[k]
    return out


@numba.njit(cache=True, nogil=True)
def _territories(place: Any, boxes: Any, height: int, width: int) -> Any:
    """For every output pixel the peak that is nearest in its own size, within 0.6 of it."""
    owner = np.full((height, width), -1, np.int32)
    best = np.full((height, width), np.float32(0.6), np.float32)
    for k in range(len(place)):
        size = max(np.sqrt((boxes[k, 2] - boxes[k, 0]) * (boxes[k, 3] - boxes[k, 1])), 1.5)
        far = 0.6 * size + 1
        y_low, y_high = int(np.floor(place[k, 0] - far)), int(np.ceil(place[k, 0] + far))
        x_low, x_high = int(np.floor(place[k, 1] - far)), int(np.ceil(place[k, 1] + far))
        for y in range(max(0, y_low), min(height, y_high)):
            for x in range(max(0, x_low), min(width, x_high)):
                away = np.hypot(y + 0.5 - place[k, 0], x + 0.5 - place[k, 1]) / size
                if away < best[y, x]:
                    best[y, x], owner[y, x] = away, k
    return owner


@numba.njit(cache=True, nogil=True)
def _assign(
    maps: Any, owner: Any, names: Any, rows: int, columns: int, step: float, y0: float, x0: float
) -> Any:
    height, width = owner.shape
    out = np.zeros((rows, columns), np.int32)
    for i in range(rows):
        at_y = (i + 0.5) * step + y0
        y = min(max(at_y - 0.5, 0.0), height - 1.0)
        iy = int(y)
        jy, ty = min(iy + 1, height - 1), y - iy
        for j in range(columns):
            at_x = (j + 0.5) * step + x0
            x = min(max(at_x - 0.5, 0.0), width - 1.0)
            ix = int(x)
            jx, tx = min(ix + 1, width - 1), x - ix
            a, b, c, d = (1 - ty) * (1 - tx), (1 - ty) * tx, ty * (1 - tx), ty * tx
            m = maps[FOREGROUND]
            if a * m[iy, ix] + b * m[iy, jx] + c * m[jy, ix] + d * m[jy, jx] <= 0:
                continue
            m = maps[VOTE_Y]
            vote_y = a * m[iy, ix] + b * m[iy, jx] + c * m[jy, ix] + d * m[jy, jx]
            m = maps[VOTE_X]
            vote_x = a * m[iy, ix] + b * m[iy, jx] + c * m[jy, ix] + d * m[jy, jx]
            v = min(max(int(at_y + vote_y * UNIT), 0), height - 1)
            u = min(max(int(at_x + vote_x * UNIT), 0), width - 1)
            k = owner[v, u]
            if k >= 0:
                out[i, j] = names[k]
    return out
