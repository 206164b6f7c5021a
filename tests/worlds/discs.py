"""Cells as discs: red light says the class; green light and the size say nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

PX = 16
CHANNELS = ("red", "green")


class Made(NamedTuple):
    """Pictures with what is known of them."""

    crops: npt.NDArray[np.uint16]
    names: list[str]
    groups: list[str]
    masks: npt.NDArray[np.bool_]


def discs(n: int, seed: int) -> Made:
    """So many cells, every other one ``on``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:PX, :PX]
    red = np.where(np.arange(n) % 2, 900.0, 300.0) * rng.uniform(0.8, 1.2, n)
    green = rng.uniform(200, 900, n)
    radius = rng.uniform(4, 7, n)
    masks = np.hypot(y - 7.5, x - 7.5)[None] < radius[:, None, None]
    light = np.stack([red, green], 1)[:, :, None, None] * masks[:, None]
    crops = rng.poisson(100 + light).astype(np.uint16)
    names = ["on" if k % 2 else "off" for k in range(n)]
    return Made(crops, names, [f"well {k // 2 % 8}" for k in range(n)], masks)


def measure(light: npt.NDArray[np.uint16], masks: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Mean light of each cell."""
    inside = np.where(masks[:, None], light.astype(float), np.nan)
    means = np.nanmean(inside, axis=(2, 3))
    return pd.DataFrame({"mean_red": means[:, 0], "mean_green": means[:, 1]})
