"""Non-maximum suppression: of boxes that overlap too much, only the surest stays."""

from __future__ import annotations

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
    stays = _visit(rows[order], group[order], float(iou))
    kept: npt.NDArray[np.int64] = order[stays].astype(np.int64)
    return kept


@njit(cache=True)
def _visit(
    boxes: npt.NDArray[np.float64], group: npt.NDArray[np.int64], iou: float
) -> npt.NDArray[np.bool_]:
    """Whether each box stays; the boxes come surest first."""
    n = len(boxes)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = np.empty(n, np.int64)
    stays = np.zeros(n, np.bool_)
    count = 0
    for i in range(n):
        covered = False
        for at in range(count):
            j = kept[at]
            if group[i] != group[j]:
                continue
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            if width <= 0.0 or height <= 0.0:
                continue
            shared = width * height
            if shared > iou * (area[i] + area[j] - shared):
                covered = True
                break
        if not covered:
            kept[count] = i
            count += 1
            stays[i] = True
    return stays
