"""Decision trees as plain arrays: what is stored, and how a row finds its leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

NAMES = ("feature", "threshold", "left", "right", "value", "start", "column")


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees one after another.

    Attributes
    ----------
    feature : int32 array M
        Column asked at each node; -1 at a leaf.
    threshold : float array M
        To the left where the value is at most this.
    left, right : int32 array M
        Position of the next node in these arrays.
    value : float array M W
        What a leaf adds.
    start : int32 array T
        Root of each tree.
    column : int32 array T
        Output that a tree of one value adds to; -1: all outputs.
    """

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: Floats
    start: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]

    def total(self, x: Floats, outputs: int) -> Floats:
        """Sum over trees of the leaf values, in the order of the trees.

        Parameters
        ----------
        x : float array N F
            Without gaps.
        outputs : int
            Columns of the sum.
        """
        out = np.zeros((len(x), outputs))
        _add(
            np.ascontiguousarray(x, dtype=np.float64),
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
            self.start,
            self.column,
            out,
        )
        return out

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name."""
        return {f"tree_{name}": getattr(self, name) for name in NAMES}

    @classmethod
    def restore(cls, arrays: Any) -> Trees:
        """Put back together what `arrays` took apart."""
        return cls(**{name: arrays[f"tree_{name}"] for name in NAMES})

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """Columns asked anywhere, rising."""
        return np.unique(self.feature[self.feature >= 0]).astype(np.int64)


@njit(cache=True)
def _add(
    x: Any,
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    value: Any,
    start: Any,
    column: Any,
    out: Any,
) -> None:  # pragma: no cover
    for tree in range(len(start)):
        to = column[tree]
        for row in range(len(x)):
            node = start[tree]
            while feature[node] >= 0:
                below = x[row, feature[node]] <= threshold[node]
                node = left[node] if below else right[node]
            if to >= 0:
                out[row, to] += value[node, 0]
            else:
                for k in range(out.shape[1]):
                    out[row, k] += value[node, k]
