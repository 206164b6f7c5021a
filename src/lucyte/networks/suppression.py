"""Non-maximum suppression: of boxes that overlap too much, only the surest stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from lucyte.schema.errors import UsageError


def suppress(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    iou: float,
    groups: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int64]:
    r"""Rows that stay, surest first; there is no limit on their number.

    Boxes are visited by falling score (equal scores: in their order). A box stays unless it
    overlaps one that stayed, of the same group, by

    .. math:: \frac{|A \cap B|}{|A \cup B|} > t

    Parameters
    ----------
    boxes : array ``n x 4``
        ``x0, y0, x1, y1``.
    scores : array ``n``
    iou : float
        The threshold t, 0 to 1; 1 lets every box stay.
    groups : int array ``n``, optional
        Boxes of different groups do not suppress each other (class-aware suppression).

    Returns
    -------
    int64 array

    Raises
    ------
    UsageError
        A threshold outside 0 to 1, arrays of different length, a score that is nan.

    References
    ----------
    Neubeck and Van Gool 2006, doi 10.1109/ICPR.2006.479.
    """
    if not 0 <= iou <= 1:
        raise UsageError(f"iou must be from 0 to 1, got {iou:g}.")
    rows = np.ascontiguousarray(boxes, dtype=np.float64).reshape(-1, 4)
    sure = np.asarray(scores, dtype=np.float64).reshape(-1)
    group = np.zeros(len(rows), np.int64) if groups is None else np.asarray(groups).astype(np.int64)
    if not len(rows) == len(sure) == len(group):
        raise UsageError(
            f"{len(rows)} boxes need as many scores and groups, got {len(sure)} and {len(group)}."
        )
    if np.isnan(sure).any():
        raise UsageError(f"{int(np.isnan(sure).sum())} scores are nan.")
    order = np.argsort(-sure, kind="stable")
    return visited(rows, order, iou, group)


def visited(
    boxes: npt.NDArray[Any],
    order: npt.NDArray[np.int64],
    iou: float,
    group: npt.NDArray[np.int64] | None = None,
    near: float = 0.0,
) -> npt.NDArray[np.int64]:
    """Rows that stay when the boxes are visited in an order: the loop that all suppression shares.

    Parameters
    ----------
    boxes : array n x 4
        ``x0, y0, x1, y1``.
    order : int array n
        Rows, the surest first.
    iou : float
        A box that overlaps an earlier one of its group by more goes ...
    group : int array n, optional
    near : float
        ... as does one whose centre is nearer than this share of the smaller one's size (square
        root of its area); 0 leaves centres out of it.

    Returns
    -------
    int64 array
        In the order visited.
    """
    rows = np.ascontiguousarray(boxes, dtype=np.float64)
    own = np.zeros(len(rows), np.int64) if group is None else group
    return np.asarray(_visit(rows, own, order, float(iou), float(near)), np.int64)


@njit(cache=True, nogil=True)
def _visit(boxes: Any, group: Any, order: Any, iou: float, near: float) -> Any:
    """Only boxes in neighbouring cells of a grid can meet: linear in the number of boxes."""
    n = len(boxes)
    kept = np.empty(n, np.int64)
    count = 0
    if n == 0:
        return kept
    middle_x, middle_y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    low_x, low_y = middle_x.min(), middle_y.min()
    wide, high = middle_x.max() - low_x, middle_y.max() - low_y
    cell = max(wide, high) / 1024 + 1e-9
    for k in range(n):
        cell = max(cell, boxes[k, 2] - boxes[k, 0], boxes[k, 3] - boxes[k, 1])
    rows, columns = int(high / cell) + 1, int(wide / cell) + 1
    head = np.full((rows, columns), -1, np.int64)
    after = np.full(n, -1, np.int64)
    for k in order:
        row, column = int((middle_y[k] - low_y) / cell), int((middle_x[k] - low_x) / cell)
        x0, y0, x1, y1 = boxes[k]
        area = (x1 - x0) * (y1 - y0)
        stays = True
        for v in range(max(0, row - 1), min(rows, row + 2)):
            for u in range(max(0, column - 1), min(columns, column + 2)):
                other = head[v, u]
                while other >= 0 and stays:
                    if group[other] == group[k]:
                        a0, b0, a1, b1 = boxes[other]
                        theirs = (a1 - a0) * (b1 - b0)
                        both = max(min(x1, a1) - max(x0, a0), 0.0)
                        both *= max(min(y1, b1) - max(y0, b0), 0.0)
                        away = (middle_x[k] - middle_x[other]) ** 2
                        away += (middle_y[k] - middle_y[other]) ** 2
                        overlap = both > iou * (area + theirs - both)
                        if overlap or away < near * near * min(area, theirs):
                            stays = False
                    other = after[other]
        if stays:
            kept[count] = k
            count += 1
            after[k] = head[row, column]
            head[row, column] = k
    return kept[:count]
