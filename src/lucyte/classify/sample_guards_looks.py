"""What a picture looks like without its cell: border or background, and its light as a whole."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage as ndi

from lucyte.schema.samples import Samples

Bools = npt.NDArray[np.bool_]
BORDER = 1 / 16
"""Width of the ring, as a share of the side; at least 2 px."""
HALO_PX = 3
"""Px around a mask that still hold the cell's light."""
FEWEST_PX = 16
BATCH = 64
QUANTILES = (5, 25, 50, 75, 95)


def border_table(samples: Samples) -> tuple[pd.DataFrame, str]:
    """Statistics of pixels that are not the cell: outside its mask, else the ring at the border.

    Returns
    -------
    DataFrame
        Per channel ``c``: ``c:mean``, ``c:sd``, ``c:q05`` ... ``c:q95``, ``c:step`` (mean
        difference of neighbours, which is grain); per pair ``a-b:mean``. nan where a mask leaves
        fewer than `FEWEST_PX`.
    str
        What was looked at, in words.
    """
    shape = samples.images.shape[2:]
    ring, width = _ring((int(shape[0]), int(shape[1])))
    parts = []
    for start in range(0, len(samples), BATCH):
        pictures = np.asarray(samples.images[start : start + BATCH]).astype(np.float32)
        if samples.masks is None:
            parts.append(_border(pictures, ring))
            continue
        masks = samples.masks[start : start + BATCH]
        free = [~ndi.binary_dilation(mask, iterations=HALO_PX) for mask in masks]
        parts += [_border(pictures[k : k + 1], each) for k, each in enumerate(free)]
    columns = []
    for name in samples.channels:
        columns += [f"{name}:mean", f"{name}:sd", *(f"{name}:q{q:02d}" for q in QUANTILES)]
        columns += [f"{name}:step"]
    columns += [f"{a}-{b}:mean" for a, b in combinations(samples.channels, 2)]
    where = (
        f"the outermost {width} px of each picture"
        if samples.masks is None
        else f"pixels {HALO_PX} px or more outside each cell's mask"
    )
    return pd.DataFrame(np.concatenate(parts), columns=columns), where


def light_table(pictures: pd.DataFrame, file_bytes: npt.ArrayLike | None = None) -> pd.DataFrame:
    """Level, spread, tint and sharpness of whole pictures, and file size where it is known.

    Parameters
    ----------
    pictures : DataFrame
        From `lucyte.learn.crop_statistics.crop_statistics`.
    file_bytes : array N, optional
    """
    ends = (":mean", ":sd", ":edge_1px", ":grain_1px", ":q50")
    out = pictures[[name for name in pictures.columns if name.endswith(ends)]].copy()
    if file_bytes is not None:
        sizes = np.asarray(file_bytes, dtype=np.float64)
        if np.isfinite(sizes).all():
            out["file size"] = sizes
    return out


def _border(pictures: npt.NDArray[np.float32], outside: Bools) -> npt.NDArray[np.float64]:
    """Statistics of the same pixels of every picture (N C Y X)."""
    beside = outside[:, 1:] & outside[:, :-1]
    n, channels = pictures.shape[:2]
    if outside.sum() < FEWEST_PX or not beside.any():
        width = channels * (len(QUANTILES) + 3) + channels * (channels - 1) // 2
        return np.full((n, width), np.nan)
    out: list[npt.NDArray[Any]] = []
    means = []
    for c in range(channels):
        px = pictures[:, c][:, outside]
        means.append(px.mean(axis=1))
        at = [round(q / 100 * (px.shape[1] - 1)) for q in QUANTILES]
        steps = np.abs(np.diff(pictures[:, c], axis=2))[:, beside].mean(axis=1)
        out += [means[-1], px.std(axis=1), *np.partition(px, at, axis=1)[:, at].T, steps]
    out += [a - b for a, b in combinations(means, 2)]
    return np.stack(out, axis=1).astype(np.float64)


def _ring(shape: tuple[int, int]) -> tuple[Bools, int]:
    width = max(2, round(min(shape) * BORDER))
    ring: npt.NDArray[Any] = np.ones(shape, dtype=np.bool_)
    ring[width:-width, width:-width] = False
    return ring, width
