"""Fields that exist only in memory, for what writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from lucyte.schema.image import make_image
from lucyte.schema.plate import Field

SHAPE = (20, 30)


@dataclass(frozen=True)
class MemorySource:
    """Pixels that are made when they are asked for."""

    channels: tuple[str, ...] = ("GFP", "RFP")
    times: tuple[int, ...] = (1, 2, 4)
    shape: tuple[int, int] = SHAPE
    seed: int = 0
    paths: tuple[str, ...] = field(default=("raw/a.tif", "raw/b.tif"))

    def open(self) -> xr.DataArray:
        shape = (len(self.times), len(self.channels), *self.shape)
        pixels = np.random.default_rng(self.seed).integers(0, 4000, shape).astype(np.uint16)
        return make_image(pixels, "TCYX", channels=self.channels, time_indices=self.times)


def make_field(
    well: str = "B03", site: str = "1", plate: str = "", seed: int = 0, **more: Any
) -> Field:
    """A field of three frames (1, 2 and 4) and two channels."""
    source = MemorySource(seed=seed)
    return Field(
        plate=plate,
        well=well,
        site=site,
        source=source,
        channels=source.channels,
        time_indices=source.times,
        shape_yx=SHAPE,
        **more,
    )


def labels(seed: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Label images that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 9, SHAPE).astype(np.int32)
