"""Parents: which object of another kind each object lies in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.schema.objects import Labels


def parents_by_overlap(children: Labels, parents: Labels) -> npt.NDArray[np.int32]:
    """For each child the parent that holds at least half of it, 0 for none.

    Returns
    -------
    int32 array
        Indexed by the child's label; entry 0 is 0.
    """
    size = int(children.max(initial=0)) + 1
    inside = children > 0
    width = int(parents.max(initial=0)) + 1
    code = children[inside].astype(np.int64) * width + parents[inside]
    pairs, shared = np.unique(code, return_counts=True)
    child, parent = pairs // width, pairs % width
    area = np.bincount(child, weights=shared, minlength=size)
    half = (parent > 0) & (2 * shared >= area[child])
    out = np.zeros(size, np.int32)
    # Rising share, so that the larger of two exact halves is written last.
    order = np.lexsort((-parent, shared))
    order = order[half[order]]
    out[child[order]] = parent[order].astype(np.int32)
    return out
