"""One global Otsu threshold per 3-D image and channel, counted plane by plane."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.classify.patch_kernels import add_levels
from lucyte.schema.errors import InputError

Counts = npt.NDArray[np.int64]
FLOAT_BINS = 256
"""Bins between the least and the greatest value where pixels are not 8 or 16 bit."""


@dataclass(frozen=True)
class Levels:
    """How many pixels of an image have which value.

    Attributes
    ----------
    counts : int64 array
    values : array
        The value of each bin; its centre where a bin holds several values.
    """

    counts: Counts
    values: npt.NDArray[Any]


def otsu_level(levels: Levels) -> float:
    r"""The value that parts an image in two with the greatest variance between the parts.

    .. math:: t^* = \arg\max_t \; w_0(t)\, w_1(t)\, (\mu_0(t) - \mu_1(t))^2

    What lies **above** it is foreground. Counts stay whole numbers, so that the sums are exact
    however large the image is. An image of one value gives that value.

    Raises
    ------
    ValueError
        No pixel.

    References
    ----------
    Otsu 1979, doi 10.1109/TSMC.1979.4310076.
    """
    at = np.flatnonzero(levels.counts)
    if not len(at):
        raise ValueError("an image without pixels has no threshold.")
    if len(at) == 1:
        return float(levels.values[at[0]])
    counts = levels.counts[at].astype(np.float64)
    values = levels.values[at].astype(np.float64)
    below = np.cumsum(counts)[:-1]
    light = np.cumsum(counts * values)
    above = counts.sum() - below
    between = below * above * (light[:-1] / below - (light[-1] - light[:-1]) / above) ** 2
    # Levels that no px has part the image alike; the lowest of them is the one below the gap.
    return float(levels.values[at[int(np.argmax(between))]])


def stack_levels(image: xr.DataArray, name: str, threads: int = 1) -> dict[str, Levels]:
    """Histograms of every channel of a stack, in one pass (two where pixels are not 8 or 16 bit).

    All levels of 8 and 16 bit pixels are bins of their own; else there are `FLOAT_BINS`.

    Parameters
    ----------
    image : DataArray C Z Y X
        Any part may be lazy; at most ``threads`` planes are in memory.
    name : str
        For messages.
    threads : int

    Raises
    ------
    InputError
        A value that is not finite.
    """
    channels = [str(each) for each in image["C"].values]
    planes = [(c, z) for c in range(image.sizes["C"]) for z in range(image.sizes["Z"])]
    whole = image.dtype in (np.uint8, np.uint16)
    ranges = None if whole else _ranges(image, name, planes)
    bins = 2 ** (8 * image.dtype.itemsize) if whole else FLOAT_BINS

    def count(mine: Iterable[tuple[int, int]]) -> Counts:
        own = np.zeros((len(channels), 4, bins), np.int64)
        for c, z in mine:
            plane = plane_of(image, c, z)
            add_levels(own[c], plane if ranges is None else _binned(plane, *ranges[c]))
        total: Counts = own.sum(axis=1)
        return total

    counts = sum(share(count, planes, threads))
    return {
        channel: Levels(counts[c], np.arange(bins) if ranges is None else _centres(*ranges[c]))
        for c, channel in enumerate(channels)
    }


def plane_of(image: xr.DataArray, c: int, z: int) -> npt.NDArray[Any]:
    """One plane, computed."""
    return np.asarray(image.data[c, z])


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(work: Any, items: list[Any], threads: int) -> list[Any]:
    """Do ``work`` on interleaved shares of the items, one per thread (0: per core)."""
    n = max(1, min(threads or cores(), len(items)))
    if n == 1:
        return [work(items)]
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(work, [items[i::n] for i in range(n)]))


def _ranges(
    image: xr.DataArray, name: str, planes: list[tuple[int, int]]
) -> list[tuple[float, float]]:
    low = np.full(image.sizes["C"], np.inf)
    high = np.full(image.sizes["C"], -np.inf)
    for c, z in planes:
        plane = plane_of(image, c, z)
        low[c], high[c] = np.minimum(low[c], plane.min()), np.maximum(high[c], plane.max())
        if not (np.isfinite(low[c]) and np.isfinite(high[c])):
            channel = str(image["C"].values[c])
            raise InputError(
                name,
                f"channel {channel} has values that are not numbers in plane {z};",
                "without them a threshold has no meaning. Replace them, or leave the stack out.",
            )
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _centres(low: float, high: float) -> npt.NDArray[np.float64]:
    width = (high - low) / FLOAT_BINS
    return np.asarray(low + (np.arange(FLOAT_BINS) + 0.5) * width, dtype=np.float64)


def _binned(plane: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint16]:
    if high <= low:
        return np.zeros(plane.shape, np.uint16)
    at = (plane.astype(np.float64) - low) * (FLOAT_BINS / (high - low))
    return np.minimum(at, FLOAT_BINS - 1).astype(np.uint16)
