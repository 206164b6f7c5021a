"""Cutting crops: cells at the centre of a square, and places without any cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.measure.frame import NAMELESS
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names
from lucyte.schema.objects import BOX, Labels

_NEEDED = ("label", *BOX)


def cut_crops(
    image: xr.DataArray,
    labels: Labels,
    table: pd.DataFrame,
    px: int,
    *,
    limit: int | None = None,
    target: str = "condition",
    foreground: npt.NDArray[np.bool_] | None = None,
) -> CropSet:
    """Squares of side ``px`` around the box centres of objects.

    Parameters
    ----------
    image : DataArray C Y X or Y X
        One frame, raw units.
    labels : int32 array Y X
        The kind of object that ``table`` lists.
    table : DataFrame
        Rows of the objects table, in the order in which crops are wanted: ``label`` and the box;
        ``object_id, field_id, time_index, plate, well`` and ``target`` where known.
    px : int
        Side of a crop. A crop that would leave the image is not cut.
    limit : int or None
        Stop after so many crops.
    target : str
        Column of class names.
    foreground : bool array Y X or None
        Any object of any kind; ``labels > 0`` where None.

    Returns
    -------
    CropSet
        Groups are ``plate/well``.

    Raises
    ------
    UsageError
        A missing column, labels of another size than the image.
    """
    pixels, names = _pixels(image, px)
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise UsageError(f"cutting crops needs the columns {', '.join(missing)} of the objects.")
    if labels.shape != pixels.shape[1:]:
        raise UsageError(f"labels are {labels.shape}, the image is {pixels.shape[1:]}.")
    height, width = labels.shape
    top = np.floor((table["y0_px"].to_numpy() + table["y1_px"].to_numpy() - px) / 2 + 0.5)
    left = np.floor((table["x0_px"].to_numpy() + table["x1_px"].to_numpy() - px) / 2 + 0.5)
    fits = (top >= 0) & (left >= 0) & (top + px <= height) & (left + px <= width)
    rows = np.flatnonzero(fits)[:limit]
    corners = np.stack([top[rows], left[rows]], 1).astype(int)
    chosen = table.iloc[rows]
    cut = _cut(labels, corners, px)
    masks = cut == chosen["label"].to_numpy()[:, None, None]
    any_object = cut > 0 if foreground is None else _cut(foreground, corners, px)

    def text(name: str) -> tuple[str, ...]:
        known = chosen[name] if name in chosen.columns else [""] * len(chosen)
        return tuple(str(value) for value in known)

    return CropSet(
        crops=_cut(pixels, corners, px),
        channels=names,
        object_ids=text("object_id"),
        labels=text(target),
        groups=tuple(f"{p}/{w}" for p, w in zip(text("plate"), text("well"), strict=True)),
        masks=masks,
        foreground=any_object,
        distance_px=np.zeros(len(rows)),
        kind=("cell",) * len(rows),
        field_ids=text("field_id"),
        time_index=chosen["time_index"].to_numpy(dtype=np.int64)
        if "time_index" in chosen.columns
        else np.zeros(len(rows), np.int64),
        unit="well",
    )


def background_patches(
    image: xr.DataArray, foreground: npt.NDArray[np.bool_], px: int, n: int, seed: int
) -> CropSet:
    """Squares of side ``px`` without any object, at random places, no two overlapping by half.

    Parameters
    ----------
    image : DataArray C Y X or Y X
        One frame, raw units.
    foreground : bool array Y X
        Any object of any kind.
    px : int
        Side of a patch.
    n : int
        Patches wanted; fewer, or none, where there is no room.
    seed : int

    Returns
    -------
    CropSet
        Kind ``background``, names empty but for ``object_ids``; ``distance_px`` is from the
        patch's centre to the nearest px of any object, infinite where there is no object.
    """
    pixels, names = _pixels(image, px)
    if foreground.shape != pixels.shape[1:]:
        raise UsageError(f"foreground is {foreground.shape}, the image is {pixels.shape[1:]}.")
    corners = _free_corners(foreground, px, n, seed)
    count = len(corners)
    return CropSet(
        crops=_cut(pixels, corners, px),
        channels=names,
        object_ids=tuple(f"background/{k}" for k in range(count)),
        labels=("",) * count,
        groups=("",) * count,
        masks=np.zeros((count, px, px), dtype=np.bool_),
        foreground=_cut(foreground, corners, px),
        distance_px=_distances(foreground, corners + px // 2),
        kind=("background",) * count,
        field_ids=("",) * count,
        time_index=np.zeros(count, np.int64),
    )


def _free_corners(
    foreground: npt.NDArray[np.bool_], px: int, n: int, seed: int
) -> npt.NDArray[np.int64]:
    """Upper left corners of squares without foreground, at least half a side apart."""
    height, width = foreground.shape
    none = np.zeros((0, 2), np.int64)
    if n < 1 or height < px or width < px:
        return none
    total = np.zeros((height + 1, width + 1), np.int64)
    total[1:, 1:] = foreground.cumsum(0).cumsum(1)
    inside = total[px:, px:] - total[:-px, px:] - total[px:, :-px] + total[:-px, :-px]
    free = np.flatnonzero(inside == 0)
    if len(free) == 0:
        return none
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(free))
    taken: dict[tuple[int, int], tuple[int, int]] = {}
    apart = max(1, (px + 1) // 2)
    for position in free[order[: 200 * n]]:
        y, x = divmod(int(position), inside.shape[1])
        if _alone(taken, y, x, apart):
            taken[y // apart, x // apart] = (y, x)
            if len(taken) == n:
                break
    return np.array(list(taken.values()), dtype=np.int64).reshape(-1, 2)


def _alone(taken: dict[tuple[int, int], tuple[int, int]], y: int, x: int, apart: int) -> bool:
    """Whether no corner taken is nearer than ``apart`` in both directions; a bin holds one."""
    row, column = y // apart, x // apart
    for i in (row - 1, row, row + 1):
        for j in (column - 1, column, column + 1):
            near = taken.get((i, j))
            if near is not None and abs(y - near[0]) < apart and abs(x - near[1]) < apart:
                return False
    return True


def _distances(
    foreground: npt.NDArray[np.bool_], centres: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    if len(centres) == 0 or not foreground.any():
        return np.full(len(centres), np.inf)
    from scipy.spatial import cKDTree

    edge = foreground.copy()
    edge[1:-1, 1:-1] &= ~(
        foreground[:-2, 1:-1] & foreground[2:, 1:-1] & foreground[1:-1, :-2] & foreground[1:-1, 2:]
    )
    return np.asarray(cKDTree(np.argwhere(edge)).query(centres)[0], dtype=np.float64)


def _pixels(image: xr.DataArray, px: int) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    if px < 1:
        raise UsageError(f"a crop needs a side of at least 1 px, got {px}.")
    values = np.asarray(image.values)
    if image.dims == ("Y", "X"):
        return values[None], (NAMELESS,)
    if image.dims != ("C", "Y", "X"):
        raise UsageError(
            f"{image.attrs.get('source') or 'image'}: crops are cut from one frame C Y X, got "
            f"{' '.join(str(axis) for axis in image.dims)}."
        )
    return values, channel_names(image)


def _cut(array: npt.NDArray[Any], corners: npt.NDArray[np.int64], px: int) -> npt.NDArray[Any]:
    squares = [array[..., y : y + px, x : x + px] for y, x in corners]
    if not squares:
        return np.zeros((0, *array.shape[:-2], px, px), dtype=array.dtype)
    return np.stack(squares)
