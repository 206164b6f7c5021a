"""Spots of the cell at the centre of each crop, as label images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.measure.regions import regions
from lucyte.measure.spots import find_spots


def crop_spots(
    crops: npt.NDArray[Any], masks: npt.NDArray[np.bool_], diameter_px: float
) -> npt.NDArray[np.int32]:
    """Spots of one channel, numbered from 1 in every crop.

    Parameters
    ----------
    crops : array N Y X
        One channel, raw units.
    masks : bool array N Y X
        The cell's own px; spots outside are not looked for.
    diameter_px : float
        Of a spot.

    Returns
    -------
    int32 array N Y X
    """
    out = np.zeros(masks.shape, dtype=np.int32)
    for k, (plane, mask) in enumerate(zip(crops, masks, strict=True)):
        if mask.any():
            own = regions(mask.astype(np.int32))
            out[k] = find_spots(own, plane.astype(np.float64), diameter_px).index + 1
    return out
