"""Which computed object is which reference object: the Cell Tracking Challenge's rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels, check_labels

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrameMatch:
    """The objects of one frame on both sides and which of them are the same.

    Attributes
    ----------
    reference, computed : int64 array
        Labels present, rising.
    pairs : int64 array, n x 2
        Matched labels, reference first. A reference label occurs at most once; a computed label
        occurs several times where one object covers several (a merge).
    """

    reference: IntArray
    computed: IntArray
    pairs: IntArray

    def renamed(
        self,
        reference: Mapping[int, int] | None = None,
        computed: Mapping[int, int] | None = None,
    ) -> FrameMatch:
        """The same match with other labels, e.g. track numbers in place of mask numbers.

        Raises
        ------
        UsageError
            A label that the mapping does not know.
        """
        left, right = self.pairs[:, 0], self.pairs[:, 1]
        return FrameMatch(
            np.sort(_rename(self.reference, reference)),
            np.sort(_rename(self.computed, computed)),
            np.column_stack([_rename(left, reference), _rename(right, computed)]),
        )


def match_frame(reference: npt.ArrayLike, computed: npt.ArrayLike) -> FrameMatch:
    """Match the objects of one frame: a reference object that one computed object covers by half.

    Parameters
    ----------
    reference, computed : array_like, Y X or Z Y X
        Label images of one shape; 0 is background.

    Returns
    -------
    FrameMatch
        Reference ``r`` and computed ``c`` match where ``|r and c| > 0.5 |r|``.

    Raises
    ------
    UsageError
        Shapes that differ, or arrays that are not label images.

    References
    ----------
    Matula et al. 2015, doi:10.1371/journal.pone.0144959
    """
    left = check_labels(np.asarray(reference), "reference labels")
    right = check_labels(np.asarray(computed), "computed labels")
    if left.shape != right.shape:
        raise UsageError(
            f"label images to compare must have one shape, got reference {left.shape} and "
            f"computed {right.shape}; crop or rescale one of them."
        )
    left_names, left_index = _compact(left)
    right_names, right_index = _compact(right)
    joint = left_index * len(right_names) + right_index
    counts = np.bincount(joint, minlength=len(left_names) * len(right_names))
    table = counts.reshape(len(left_names), len(right_names))
    covered = 2 * table > table.sum(axis=1, keepdims=True)
    covered[left_names == 0, :] = False
    covered[:, right_names == 0] = False
    rows, columns = np.nonzero(covered)
    pairs = np.column_stack([left_names[rows], right_names[columns]]).astype(np.int64)
    return FrameMatch(
        left_names[left_names > 0].astype(np.int64),
        right_names[right_names > 0].astype(np.int64),
        pairs,
    )


def _rename(labels: IntArray, names: Mapping[int, int] | None) -> IntArray:
    if names is None:
        return labels
    missing = [int(label) for label in labels if int(label) not in names]
    if missing:
        raise UsageError(f"labels {missing[:5]} are in the image but in no track.")
    return np.array([names[int(label)] for label in labels], dtype=np.int64)


def _compact(labels: Labels) -> tuple[IntArray, IntArray]:
    """Labels present, and the position of each pixel's label among them."""
    flat = labels.ravel()
    if not flat.size or flat.max() > 4 * flat.size:
        present, index = np.unique(flat, return_inverse=True)
        return present.astype(np.int64), index.astype(np.int64)
    counts = np.bincount(flat)
    names = np.flatnonzero(counts)
    return names.astype(np.int64), (np.cumsum(counts > 0) - 1)[flat]
