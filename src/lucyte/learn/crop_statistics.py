"""What a whole crop looks like in a few dozen numbers, cell or not: levels, texture, rings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float32]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
STEPS = (1, 2, 4)
"""Sides, px, of the blocks whose differences are texture."""
RINGS = 4
BATCH = 64


def crop_statistics(crops: npt.NDArray[Any], channels: Sequence[str]) -> pd.DataFrame:
    """Statistics of whole crops, in raw units; no mask is used.

    Parameters
    ----------
    crops : array N C Y X
        Raw units, 8 px or more on a side.
    channels : sequence of C str

    Returns
    -------
    DataFrame
        Per channel ``c``: ``c:mean``, ``c:sd``, quantiles ``c:q50`` ..., ``c:edge_1px`` ... (mean
        absolute difference of neighbouring blocks of that side), ``c:grain_1px`` ... (the same
        over the standard deviation), ``c:ring_0`` ... (mean of rings from the centre outwards,
        minus the crop's mean). Per pair: ``a-b:mean``, ``a-b:q50``, ``a-b:correlation``. Grain
        and correlation of a flat crop are nan.

    Raises
    ------
    UsageError
        Another number of axes or channels, or crops below 8 px.
    """
    names = list(channels)
    if crops.ndim != 4 or crops.shape[1] != len(names):
        raise UsageError(f"got crops of shape {crops.shape} for {len(names)} channels (N C Y X).")
    if min(crops.shape[2:]) < 8:
        raise UsageError(f"crops must be 8 px or more on a side, got {crops.shape[2:]}.")
    rings = _rings(crops.shape[2], crops.shape[3])
    columns = _columns(names)
    out = np.empty((len(crops), len(columns)))
    for start in range(0, len(crops), BATCH):
        batch = crops[start : start + BATCH].astype(np.float32)
        single = [_channel(batch[:, at], rings) for at in range(len(names))]
        pairs = [_pair(batch[:, a], batch[:, b]) for a, b in combinations(range(len(names)), 2)]
        out[start : start + BATCH] = np.concatenate([*single, *pairs], axis=1)
    return pd.DataFrame(out, columns=columns)


def _columns(names: Sequence[str]) -> list[str]:
    columns = []
    for name in names:
        columns += [f"{name}:mean", f"{name}:sd"]
        columns += [f"{name}:q{round(100 * q):02d}" for q in QUANTILES]
        columns += [f"{name}:{what}_{step}px" for step in STEPS for what in ("edge", "grain")]
        columns += [f"{name}:ring_{ring}" for ring in range(RINGS)]
    for a, b in combinations(names, 2):
        columns += [f"{a}-{b}:{what}" for what in ("mean", "q50", "correlation")]
    return columns


def _channel(image: Floats, rings: Floats) -> Floats:
    flat = image.reshape(len(image), -1)
    mean, sd = flat.mean(axis=1), flat.std(axis=1)
    parts = [mean[:, None], sd[:, None], _quantiles(flat)]
    spread = np.where(sd > 0, sd, np.nan)  # a flat crop has no grain, which is not none
    for step in STEPS:
        blocks = _blocks(image, step)
        edge = (
            np.abs(np.diff(blocks, axis=1)).mean(axis=(1, 2))
            + np.abs(np.diff(blocks, axis=2)).mean(axis=(1, 2))
        ) / 2
        parts += [edge[:, None], (edge / spread)[:, None]]
    parts.append((flat - mean[:, None]) @ rings)
    out: Floats = np.concatenate(parts, axis=1)
    return out


def _pair(a: Floats, b: Floats) -> Floats:
    x, y = a.reshape(len(a), -1), b.reshape(len(b), -1)
    difference = x - y
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    correlation = np.divide(
        (x * y).sum(axis=1), norm, out=np.full_like(norm, np.nan), where=norm > 0
    )
    median = _quantiles(difference, (0.5,))[:, 0]
    out: Floats = np.stack([difference.mean(axis=1), median, correlation], axis=1)
    return out


def _quantiles(flat: Floats, which: Sequence[float] = QUANTILES) -> Floats:
    """Order statistics at the nearest rank."""
    at = [round(q * (flat.shape[1] - 1)) for q in which]
    out: Floats = np.partition(flat, at, axis=1)[:, at]
    return out


def _blocks(image: Floats, step: int) -> Floats:
    """Means of blocks of ``step`` px; an edge that does not fill a block is left out."""
    n, height, width = image.shape
    rows, columns = height // step, width // step
    cut = image[:, : rows * step, : columns * step]
    out: Floats = cut.reshape(n, rows, step, columns, step).mean(axis=(2, 4))
    return out


def _rings(height: int, width: int) -> Floats:
    """``(Y X) x RINGS`` weights that average over rings of equal width around the centre."""
    y = (np.arange(height) - (height - 1) / 2) / (height / 2)
    x = (np.arange(width) - (width - 1) / 2) / (width / 2)
    radius = np.sqrt(y[:, None] ** 2 + x[None, :] ** 2).ravel()
    ring = np.minimum((radius * RINGS).astype(int), RINGS - 1)
    weight = np.eye(RINGS, dtype=np.float32)[ring]
    out: Floats = weight / weight.sum(axis=0)
    return out
