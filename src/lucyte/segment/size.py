"""How large are the objects of this image? Estimated from 8 to 150 px, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.segment.foreground import foreground
from lucyte.segment.light import finite, light, shrink

SMALLEST_PX, LARGEST_PX = 6.0, 200.0
START_PX = 30.0
_WORK_PX = 24


def estimate_diameter(planes: Sequence[npt.NDArray[Any]]) -> float | None:
    """Typical diameter of the objects, in px.

    The largest discs that fit into the foreground, weighted by their area: of touching objects
    each holds its own disc, so that clumps do not count as one. Smoothing and resolution depend
    on the answer, so it is asked again until it stays.

    Parameters
    ----------
    planes : sequence of array Y X
        The channels the objects show in.

    Returns
    -------
    float or None
        None where nothing stands out.
    """
    values = [finite(plane) for plane in planes]
    diameter = START_PX
    for _ in range(5):
        factor = max(1, int(diameter // _WORK_PX))
        side = diameter / factor
        small = [shrink(plane, factor) for plane in values]
        if min(small[0].shape) < 3:
            return None
        bright = light(small, 8 * side, max(0.05 * side, 0.7))
        mask = foreground(bright, side)
        if not mask.any():
            return None
        found = _inscribed(mask, side)
        if found is None:
            return None
        settled = abs(found * factor - diameter) < 0.1 * diameter
        diameter = float(np.clip(found * factor, SMALLEST_PX, LARGEST_PX))
        if settled:
            break
    return diameter


def _inscribed(mask: npt.NDArray[np.bool_], side: float) -> float | None:
    """Area-weighted median diameter of the largest discs within the mask."""
    depth = ndi.distance_transform_edt(mask)
    smooth = ndi.gaussian_filter(depth, max(0.5, side / 20))
    window = int(max(3, side / 4)) | 1
    peak = (smooth == ndi.maximum_filter(smooth, size=window)) & (depth >= 1.5)
    radius = np.sort(depth[peak])
    if len(radius) == 0:
        return None
    weight = np.cumsum(radius**2)
    return float(2 * radius[np.searchsorted(weight, weight[-1] / 2)])
