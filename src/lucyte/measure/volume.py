"""Measuring one stack: one row per object in 3-D, with what has a plain meaning there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import ndimage as ndi

from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names
from lucyte.schema.objects import FrameObjects, Labels

Floats = npt.NDArray[np.float64]

NAMELESS = "light"
BOX_3D = ("x0_px", "y0_px", "z0_plane", "x1_px", "y1_px", "z1_plane")


def measure_volume(
    image: xr.DataArray,
    objects: FrameObjects,
    pixel_size_um: float | None = None,
    z_step_um: float | None = None,
) -> pd.DataFrame:
    """Measure every object of one stack.

    Parameters
    ----------
    image : DataArray [C] Z Y X
        Raw units.
    objects : FrameObjects
        Label images Z Y X of the same size.
    pixel_size_um, z_step_um : float or None
        Instead of the image's own; ``volume_um3`` is there only where both are known.

    Returns
    -------
    DataFrame
        One row per object, kinds in the order of ``objects.labels``, labels rising: ``kind``,
        ``label``, ``parent_label``, the half-open box (planes along Z), ``volume_px`` (voxels),
        ``area_px`` (largest slice), ``centroid_z_plane``, ``centroid_y_px``, ``centroid_x_px``,
        ``volume_um3``, and ``intensity_mean_<channel>``, nan where no voxel is finite.

    Raises
    ------
    UsageError
        No axis Z, an axis T, or label images of another size.
    """
    volumes = _volumes(image)
    shape = next(iter(volumes.values())).shape
    size = pixel_size_um or image.attrs.get("pixel_size_um")
    step = z_step_um or image.attrs.get("z_step_um")
    tables = []
    for kind, labels in objects.labels.items():
        if labels.shape != shape:
            raise UsageError(
                f"{image.attrs.get('source') or 'image'}: labels of {kind} are {labels.shape}, "
                f"the image is {shape}; they must be of one size."
            )
        names = np.unique(labels[labels > 0])
        columns = solid_features(labels, names)
        if size and step:
            voxel = float(size) ** 2 * float(step)
            columns["volume_um3"] = columns["volume_px"].astype(np.float64) * voxel
        for channel, values in volumes.items():
            columns[f"intensity_mean_{channel}"] = finite_mean(values, labels, names)
        parents = objects.parents.get(kind, np.zeros(int(labels.max(initial=0)) + 1, np.int32))
        head = {"kind": kind, "label": names.astype(np.int64)}
        head["parent_label"] = np.asarray(parents)[names].astype(np.int64)
        tables.append(pd.DataFrame({**head, **columns}, index=pd.RangeIndex(len(names))))
    full = [table for table in tables if len(table)] or tables
    if not full:
        return pd.DataFrame(columns=["kind", "label", "parent_label", *BOX_3D])
    return pd.concat(full, ignore_index=True)


def solid_features(
    labels: Labels, names: npt.NDArray[np.integer]
) -> dict[str, npt.NDArray[np.int64] | Floats]:
    """Box, volume, largest slice and centroid of the named labels, by column."""
    places = ndi.find_objects(labels)
    boxes = np.array(
        [[[s.start, s.stop] for s in places[int(name) - 1]] for name in names], dtype=np.int64
    ).reshape(len(names), 3, 2)
    columns: dict[str, npt.NDArray[np.int64] | Floats] = {}
    for end in (0, 1):
        for axis, unit in ((2, "x{}_px"), (1, "y{}_px"), (0, "z{}_plane")):
            columns[unit.format(end)] = boxes[:, axis, end]
    count = int(labels.max(initial=0)) + 1
    slices = np.array([np.bincount(p.reshape(-1), minlength=count) for p in labels])
    volume = slices.sum(axis=0)[names]
    columns["volume_px"] = volume.astype(np.int64)
    columns["area_px"] = slices.max(axis=0, initial=0)[names].astype(np.int64)
    inside = labels > 0
    mine = labels[inside]
    for column, along in zip(
        ("centroid_z_plane", "centroid_y_px", "centroid_x_px"), np.nonzero(inside), strict=True
    ):
        columns[column] = np.bincount(mine, weights=along, minlength=count)[names] / volume
    return columns


def finite_mean(values: Floats, labels: Labels, names: npt.NDArray[np.integer]) -> Floats:
    """Mean over the finite voxels of each label, nan where there are none."""
    good = (labels > 0) & np.isfinite(values)
    count = int(labels.max(initial=0)) + 1
    total = np.bincount(labels[good], weights=values[good], minlength=count)[names]
    n = np.bincount(labels[good], minlength=count)[names]
    out: Floats = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return out


def _volumes(image: xr.DataArray) -> dict[str, Floats]:
    where = image.attrs.get("source") or "image"
    if "T" in image.dims or "Z" not in image.dims:
        raise UsageError(
            f"{where}: measuring a volume takes one stack C Z Y X, got axes "
            f"{''.join(map(str, image.dims))}."
        )
    values = np.asarray(image.values, dtype=np.float64)
    if "C" not in image.dims:
        return {NAMELESS: values}
    return dict(zip(channel_names(image), values, strict=True))
