"""Planes of an image one by one, without what is not a number; and coarse grids of a plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names

Plane = npt.NDArray[np.float32]


def finite(plane: npt.NDArray[Any]) -> Plane:
    """As float32; what is nan or infinite becomes the median of the rest."""
    values = np.asarray(plane, dtype=np.float32)
    bad = ~np.isfinite(values)
    if bad.any():
        values = values.copy()
        values[bad] = np.median(values[~bad]) if not bad.all() else 0.0
    return values


def names_of(image: xr.DataArray) -> tuple[str, ...]:
    """Channel names, or ``image`` where there is no C axis."""
    return channel_names(image) or ("image",)


def planes_of(image: xr.DataArray) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Each channel's plane Y X of one frame, in its own type; the brightest over Z.

    Raises
    ------
    UsageError
        An image of several frames.
    """
    if "T" in image.dims:
        raise UsageError(f"{image.attrs.get('source') or 'image'}: give one frame, got a T axis.")
    values = image.values if "C" in image.dims else image.values[None]
    for name, plane in zip(names_of(image), values, strict=True):
        yield name, plane.max(axis=0) if plane.ndim == 3 else plane


def block_means(plane: Plane, side: int) -> Plane:
    """Means of blocks of side x side px; the last rows and columns that fill none are left out."""
    side = max(1, min(side, *plane.shape))
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    cut = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.asarray(cut.mean(axis=(1, 3)), dtype=np.float32)


def block_quantiles(plane: Plane, rows: int, columns: int, quantile: float) -> Plane:
    """A low (or high) quantile of each of rows x columns nearly equal blocks."""
    down = np.linspace(0, plane.shape[0], rows + 1).astype(int)
    across = np.linspace(0, plane.shape[1], columns + 1).astype(int)
    grid = np.empty((rows, columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            block = plane[down[i] : down[i + 1], across[j] : across[j + 1]]
            grid[i, j] = np.quantile(block, quantile)
    return grid


def enlarge(grid: Plane, shape: tuple[int, int]) -> Plane:
    """Linear interpolation between the centres of a grid's blocks; flat beyond the outermost."""
    return np.asarray(
        _weights(shape[0], grid.shape[0]) @ grid @ _weights(shape[1], grid.shape[1]).T,
        dtype=np.float32,
    )


def _weights(length: int, blocks: int) -> Plane:
    at = np.clip((np.arange(length) + 0.5) * blocks / length - 0.5, 0, blocks - 1)
    low = np.minimum(at.astype(int), max(blocks - 2, 0))
    part = at - low
    weights = np.zeros((length, blocks), dtype=np.float32)
    weights[np.arange(length), low] = 1 - part
    weights[np.arange(length), np.minimum(low + 1, blocks - 1)] += part
    return weights


def noise(plane: Plane) -> float:
    """Standard deviation of the pixel noise, from second differences; 0 for a flat plane.

    References
    ----------
    Immerkaer 1996, doi 10.1006/cviu.1996.0060, with a median so that structure does not count.
    """
    if min(plane.shape) < 3:
        return 0.0
    second = second_differences(plane)
    step = max(1, second.size // 250_000)
    return float(np.median(np.abs(second.reshape(-1)[::step]))) / 0.6745 / 6.0


def second_differences(plane: Plane) -> Plane:
    """Second difference in both directions: 36 times the variance of white noise, no slopes."""
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    return np.asarray(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:], dtype=np.float32)
