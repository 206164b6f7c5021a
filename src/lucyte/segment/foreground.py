"""Foreground by one threshold: where the compressed light is more than background."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.segment.light import Plane
from lucyte.segment.operations import Mask, fill_holes, level, opened

Threshold = Literal["otsu", "local", "li", "triangle"]


def foreground(
    bright: Plane, side: float, method: Threshold = "otsu", sensitivity: float = 1.0
) -> Mask:
    """Where there is an object: above the threshold, small holes filled, specks and hairs gone.

    Parameters
    ----------
    bright : float32 array Y X
        Compressed light, 0 at background.
    side : float
        Diameter of a typical object in px of this array.
    method : str
        ``local`` moves Otsu's threshold with the mean light around, between half and 1.5 of it.
    sensitivity : float
        Multiplies the threshold's distance from background.
    """
    if float(bright.max()) - float(bright.min()) <= 1e-6:
        return np.zeros(bright.shape, dtype=np.bool_)
    one = level(bright, "otsu" if method == "local" else method)
    surface: npt.NDArray[Any] | float = one * sensitivity
    if method == "local":
        around = ndi.gaussian_filter(bright, 1.5 * side, mode="nearest")
        surface = np.clip(around, 0.5 * one, 1.5 * one) * sensitivity
    mask = fill_holes(bright > surface, 0.4 * side**2)
    return opened(mask, side)
