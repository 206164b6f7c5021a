"""Measuring one frame: one row per object of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.measure.own import Columns, own_features
from lucyte.measure.regions import Floats, Regions, regions
from lucyte.measure.relatives import add_relatives
from lucyte.measure.surroundings import clear_of, near_background, neighbour_features
from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names
from lucyte.schema.objects import BOX, FrameObjects
from lucyte.schema.plan import MeasureSettings

NAMELESS = "light"
"""Stands for the channel in the columns of an image without named channels."""
_FULL_WELLS = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)


def measure_frame(
    image: xr.DataArray,
    objects: FrameObjects,
    settings: MeasureSettings,
    pixel_size_um: float | None = None,
) -> pd.DataFrame:
    """Measure every object of one frame.

    Parameters
    ----------
    image : DataArray C Y X or Y X
        Raw units, named channels.
    objects : FrameObjects
        Label images Y X of the same size.
    settings : MeasureSettings
    pixel_size_um : float or None
        ``area_um2`` is there only where it is known.

    Returns
    -------
    DataFrame
        One row per object, kinds in the order of ``objects.labels``, labels rising; columns as
        :mod:`lucyte.measure.columns` explains them. What a kind does not have is nan.

    Raises
    ------
    UsageError
        An axis T or Z, label images of another size, channels of ``settings`` that are not there.
    """
    planes = _planes(image)
    shape = next(iter(planes.values())).shape
    foreground = np.zeros(shape, dtype=np.bool_)
    for kind, labels in objects.labels.items():
        if labels.shape != shape:
            raise UsageError(
                f"{image.attrs.get('source') or 'image'}: labels of {kind} are {labels.shape}, "
                f"the image is {shape}; they must be of one size."
            )
        foreground |= labels > 0
    clear = clear_of(foreground) if "intensity" in settings.families else ~foreground
    ceilings = {name: _ceiling(image, i) for i, name in enumerate(planes)}
    tables: dict[str, pd.DataFrame] = {}
    for kind, labels in objects.labels.items():
        listed = regions(labels, f"labels of {kind}")
        columns = own_features(listed, planes, settings)
        _add_field_features(columns, listed, planes, settings, (clear, ceilings))
        if pixel_size_um is not None and "shape" in settings.families:
            columns["area_um2"] = columns["area_px"] * pixel_size_um**2
        parent = _parent_labels(listed, objects, kind)
        head = {"kind": kind, "label": listed.labels, "parent_label": parent}
        # One concatenation: columns added one by one would fragment the table.
        tables[kind] = pd.DataFrame({**head, **columns}, index=pd.RangeIndex(len(listed)))
    add_relatives(tables, tuple(planes))
    full = [table for table in tables.values() if len(table)] or list(tables.values())
    if not full:
        return pd.DataFrame(columns=["kind", "label", "parent_label", *BOX])
    return pd.concat(full, ignore_index=True)


def _planes(image: xr.DataArray) -> dict[str, Floats]:
    where = image.attrs.get("source") or "image"
    for axis in ("T", "Z"):
        if axis in image.dims:
            raise UsageError(
                f"{where}: measuring takes one frame C Y X at a time, got axis {axis} of "
                f"{image.sizes[axis]}. Select one with --select {axis}=0."
            )
    values = np.asarray(image.values)
    if "C" not in image.dims:
        return {NAMELESS: np.ascontiguousarray(values, dtype=np.float64)}
    return {
        name: np.ascontiguousarray(values[i], dtype=np.float64)
        for i, name in enumerate(channel_names(image))
    }


def _ceiling(image: xr.DataArray, position: int) -> float | None:
    """The value at which a channel is saturated, inf where it is not, None where unknowable."""
    plane = np.asarray(image.values[position] if "C" in image.dims else image.values)
    if plane.dtype.kind not in "iu" or plane.size == 0:
        return None
    highest = int(plane.max())
    allowed = _FULL_WELLS[:1] if plane.dtype.itemsize == 1 else _FULL_WELLS[1:]
    return float(highest) if highest in allowed else np.inf


def _add_field_features(
    columns: Columns,
    listed: Regions,
    planes: Mapping[str, Floats],
    settings: MeasureSettings,
    field: tuple[npt.NDArray[np.bool_], Mapping[str, float | None]],
) -> None:
    clear, ceilings = field
    if "intensity" in settings.families:
        boxes = np.stack([columns[name] for name in BOX], 1)
        for channel, plane in planes.items():
            around = near_background(plane, clear, boxes)
            columns[f"background_{channel}"] = around
            mean = columns[f"intensity_mean_{channel}"]
            columns[f"intensity_mean_corrected_{channel}"] = mean - around
            columns[f"saturated_fraction_{channel}"] = _saturated(listed, plane, ceilings[channel])
    if "neighbours" in settings.families:
        centres = np.stack([columns["centroid_y_px"], columns["centroid_x_px"]], 1)
        columns.update(neighbour_features(centres, listed.area.astype(np.float64)))


def _saturated(listed: Regions, plane: Floats, ceiling: float | None) -> Floats:
    if ceiling is None:
        return np.full(len(listed), np.nan)
    if len(listed) == 0:
        return np.zeros(0)
    full = (plane.ravel()[listed.pixels] >= ceiling).astype(np.float64)
    share: Floats = np.add.reduceat(full, listed.start[:-1]) / listed.area
    return share


def _parent_labels(listed: Regions, objects: FrameObjects, kind: str) -> npt.NDArray[Any]:
    parents = objects.parents.get(kind)
    if parents is None:
        return np.zeros(len(listed), np.int64)
    if len(listed) and int(listed.labels[-1]) >= len(parents):
        raise UsageError(
            f"parents of {kind} name {len(parents) - 1} objects, the labels go up to "
            f"{int(listed.labels[-1])}."
        )
    out: npt.NDArray[Any] = np.asarray(parents)[listed.labels].astype(np.int64)
    return out
