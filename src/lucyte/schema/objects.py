"""Objects: what was found in the images, as label images and one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

Labels = npt.NDArray[np.int32]
"""Label image, ``Y X`` or ``Z Y X``; 0 is background, every object its own number."""

BOX = ("x0_px", "y0_px", "x1_px", "y1_px")
OBJECT_IDENTITY = (
    "object_id",
    "field_id",
    "plate",
    "batch",
    "day",
    "well",
    "site",
    "condition",
    "time_index",
    "kind",
    "label",
    "parent_id",
)
"""First columns of ``objects.parquet``, in this order; boxes and features follow."""


def object_id(field_id: str, time_index: int, kind: str, label: int) -> str:
    """The name of one object in one frame, unique in a run."""
    return f"{field_id}/t{time_index:03d}/{kind}/{label}"


@dataclass(frozen=True)
class FrameObjects:
    """The label images of one frame.

    Attributes
    ----------
    labels : mapping of kind to Labels
        ``cell``, ``nucleus``, ``cytoplasm``, ``spot``, ``organelle:<channel>``.
    parents : mapping of kind to int32 array
        ``parents[kind][k]`` is the label of the parent of object ``k`` of that kind, 0 for none.
        Parents of ``nucleus``, ``cytoplasm`` and ``spot`` are of kind ``cell`` where cells exist.
    scores : mapping of kind to float array
        Detection score of object ``k`` where the method gives one.
    uncertainty : mapping of kind to float array
        How much object ``k`` changes when the image is mirrored, 0 to 1, where it was tried.
    diameters_px : mapping of kind to float
        Typical diameter that a network worked at; a hint for other frames of the same field.
    """

    labels: Mapping[str, Labels]
    parents: Mapping[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    scores: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    uncertainty: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    diameters_px: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {kind: array.shape for kind, array in self.labels.items()}
        if len(set(shapes.values())) > 1:
            raise UsageError(f"label images of one frame must have one shape, got {shapes}.")


def check_labels(labels: npt.NDArray[np.generic], source: str = "labels") -> Labels:
    """A label image as int32, refusing fractions, negatives and anything not integer."""
    array = np.asarray(labels)
    whole = np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_
    if not whole and not np.array_equal(array, np.round(array.astype(np.float64))):
        raise UsageError(f"{source}: a label image holds whole numbers, got fractions.")
    if array.size and array.min() < 0:
        raise UsageError(f"{source}: a label image holds no negative numbers, got {array.min()}.")
    if array.size and array.max() > np.iinfo(np.int32).max:
        raise UsageError(f"{source}: labels above 2**31 - 1 are not supported.")
    return array.astype(np.int32)


def empty_objects() -> pd.DataFrame:
    """An objects table with no rows but every identity column in its place."""
    return pd.DataFrame({name: pd.Series(dtype=object) for name in OBJECT_IDENTITY})
