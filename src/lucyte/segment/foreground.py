"""Foreground by one threshold: where the light is more than background."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage as ndi

from lucyte.segment.light import Plane, background_spread
from lucyte.segment.operations import Mask, fill_holes, level, opened

_NOISES = 3.0
Threshold = Literal["otsu", "local", "li", "triangle"]


def foreground(
    values: Plane, side: float, method: Threshold = "otsu", sensitivity: float = 1.0
) -> Mask:
    """Where there is an object: above the threshold, small holes filled, specks and hairs gone.

    Parameters
    ----------
    values : float32 array Y X
        Light above background, 0 at background.
    side : float
        Diameter of a typical object in px of this array.
    method : str
        ``local`` moves Otsu's threshold with the mean light around, between half and 1.5 of it.
    sensitivity : float
        Multiplies the threshold's distance from background.
    """
    surface = threshold_surface(values, side, method)
    mask = fill_holes(values > surface * np.float32(sensitivity), 0.4 * side**2)
    return opened(mask, side)


def threshold_surface(values: Plane, side: float, method: Threshold) -> Plane:
    """The level at every px; infinite where nothing stands out.

    Returns
    -------
    float32 array Y X
        One number everywhere but for ``local``.
    """
    if float(values.max()) - float(values.min()) <= 1e-6:
        return np.full_like(values, np.inf)
    # Where there are no objects a rule divides the noise.
    floor = _NOISES * background_spread(values)
    one = np.float32(max(level(values, "otsu" if method == "local" else method), floor))
    if method != "local":
        return np.full_like(values, one)
    around = ndi.gaussian_filter(values, 1.5 * side, mode="nearest")
    out: Plane = np.clip(around, 0.5 * one, 1.5 * one)
    return out
