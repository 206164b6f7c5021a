"""Measuring crops all at once: they are stacked into one tall picture with one object each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.measure.columns import model_features
from lucyte.measure.own import own_features
from lucyte.measure.regions import regions
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import MeasureSettings

_BATCH_PX = 1 << 22


def measure_crops(
    crops: npt.NDArray[Any],
    masks: npt.NDArray[np.bool_],
    channels: Sequence[str],
    settings: MeasureSettings,
) -> pd.DataFrame:
    """Features of the object in each crop, as if it were measured in its field.

    Only features of the object's own pixels are made, so that a crop that holds the whole object
    gives the very numbers of :func:`lucyte.measure.frame.measure_frame`.

    Parameters
    ----------
    crops : array N C Y X
        Raw units.
    masks : bool array N Y X
        Each object's own mask.
    channels : sequence of str
        Names along C, without the mask.
    settings : MeasureSettings

    Returns
    -------
    DataFrame
        N rows in the order of the crops, the columns of
        :func:`lucyte.measure.columns.model_features`; nan throughout where a mask is empty.

    Raises
    ------
    UsageError
        Shapes or names that do not fit each other.
    """
    if crops.ndim != 4 or masks.shape != (crops.shape[0], *crops.shape[2:]):
        raise UsageError(
            f"crops must be N C Y X and masks N Y X, got {crops.shape} and {masks.shape}."
        )
    if crops.shape[1] != len(channels):
        raise UsageError(f"got {len(channels)} channel names for {crops.shape[1]} channels.")
    size = max(1, _BATCH_PX // max(1, crops.shape[2] * crops.shape[3]))
    parts = [
        _measure(crops[i : i + size], masks[i : i + size], tuple(channels), settings)
        for i in range(0, max(len(crops), 1), size)
    ]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _measure(
    crops: npt.NDArray[Any],
    masks: npt.NDArray[np.bool_],
    channels: tuple[str, ...],
    settings: MeasureSettings,
) -> pd.DataFrame:
    n, _, height, width = crops.shape
    # One crop below the other: to each object the next crop is what the image border is to one
    # in a field, not its own.
    labels = masks.astype(bool) * np.arange(1, n + 1, dtype=np.int32)[:, None, None]
    listed = regions(labels.reshape(n * height, width), "masks")
    planes = {
        name: np.ascontiguousarray(crops[:, i], dtype=np.float64).reshape(n * height, width)
        for i, name in enumerate(channels)
    }
    columns = own_features(listed, planes, settings)
    table = pd.DataFrame({name: columns[name] for name in model_features(columns)})
    return table.set_index(listed.labels - 1).reindex(range(n)).reset_index(drop=True)
