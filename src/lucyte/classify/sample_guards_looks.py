"""What a picture looks like without its cell: border or background, and its light as a whole."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage as ndi

from lucyte.learn.crop_statistics import crop_statistics
from lucyte.schema.samples import Samples

Bools = npt.NDArray[np.bool_]
BORDER = 1 / 16
"""Width of the ring, as a share of the side; at least 2 px."""
HALO_PX = 3
"""Px around a mask that still hold the cell's light."""
QUANTILES = (5, 25, 50, 75, 95)


def border_table(samples: Samples) -> tuple[pd.DataFrame, str]:
    """Statistics of pixels that are not the cell: outside its mask, else the ring at the border.

    Returns
    -------
    DataFrame
        Per channel ``c``: ``c:mean``, ``c:sd``, ``c:q05`` ... ``c:q95``, ``c:step`` (mean
        difference of neighbours, which is grain); per pair ``a-b:mean``. nan where a mask leaves
        fewer than 16 px.
    str
        What was looked at, in words.
    """
    shape = samples.images.shape[2:]
    ring, width = _ring((int(shape[0]), int(shape[1])))
    rows = []
    for at in range(len(samples)):
        picture = np.asarray(samples.images[at]).astype(np.float32)
        if samples.masks is None:
            outside = ring
        else:
            outside = ~ndi.binary_dilation(samples.masks[at], iterations=HALO_PX)
        rows.append(_outside(picture, outside))
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
    return pd.DataFrame(np.asarray(rows), columns=columns), where


def light_table(samples: Samples, file_bytes: npt.ArrayLike | None = None) -> pd.DataFrame:
    """Level, spread, tint and sharpness of whole pictures, and file size where it is known."""
    table = crop_statistics(samples.images, samples.channels)
    keep = [
        name
        for name in table.columns
        if name.endswith((":mean", ":sd", ":edge_1px", ":grain_1px", ":q50"))
    ]
    out = table[keep].copy()
    if file_bytes is not None:
        sizes = np.asarray(file_bytes, dtype=np.float64)
        if np.isfinite(sizes).all():
            out["file size"] = sizes
    return out


def picture_table(samples: Samples) -> pd.DataFrame:
    """All statistics of whole pictures, cells included: what others are measured against."""
    return crop_statistics(samples.images, samples.channels)


def _outside(picture: npt.NDArray[np.float32], outside: Bools) -> list[float]:
    beside = outside[:, 1:] & outside[:, :-1]
    means: list[float] = []
    out: list[float] = []
    for layer in picture:
        px = layer[outside]
        if px.size < 16:
            out += [np.nan] * (len(QUANTILES) + 3)
            means.append(np.nan)
            continue
        steps = np.abs(np.diff(layer, axis=1))[beside]
        means.append(float(px.mean()))
        out += [means[-1], float(px.std()), *np.percentile(px, QUANTILES).tolist()]
        out.append(float(steps.mean()) if steps.size else np.nan)
    out += [a - b for a, b in combinations(means, 2)]
    return out


def _ring(shape: tuple[int, int]) -> tuple[Bools, int]:
    width = max(2, round(min(shape) * BORDER))
    ring: npt.NDArray[Any] = np.ones(shape, dtype=np.bool_)
    ring[width:-width, width:-width] = False
    return ring, width
