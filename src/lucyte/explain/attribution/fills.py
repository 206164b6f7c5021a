r"""What stands in for what is taken away, the blurred crop included.

Black is a value that does occur in fluorescence, so no method here takes it unless it is asked to.
A blur removes structure and leaves the amount of light:

.. math:: b = G_\sigma * x, \quad \sigma = \text{side} / 8

References
----------
Fong and Vedaldi 2017, doi 10.1109/ICCV.2017.371 (a blurred picture as reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lucyte.learn.erasing import BASELINES, baseline_image, light_channels
from lucyte.schema.errors import unknown

FILLS = (*BASELINES, "blur")
BLUR = 1 / 8
"""Deviation of the blur over the crop's side."""


def fill_image(
    crops: npt.NDArray[Any], channels: Sequence[str], fill: str | npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Crops ``N C Y X`` as they are when nothing of them is left; masks stay.

    Parameters
    ----------
    crops : array N C Y X
    channels : sequence of C str
    fill : str or array
        One of `FILLS`, or an array; see `lucyte.learn.erasing.baseline_image`.

    Raises
    ------
    UsageError
        An unknown fill, or an array of another shape.
    """
    if isinstance(fill, str) and fill not in FILLS:
        raise unknown("baseline", fill, FILLS)
    if not isinstance(fill, str) or fill != "blur":
        return baseline_image(crops, channels, fill)
    out = crops.astype(np.float64)
    width = BLUR * crops.shape[-1]
    for at in light_channels(channels):
        out[:, at] = gaussian_filter(out[:, at], (0, width, width), mode="nearest")
    return out
