"""A frame before and after correction, on one grey scale, for a person to look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.correct.planes import finite, names_of, planes_of
from lucyte.schema.errors import unknown

Picture = npt.NDArray[np.uint8]


def before_after(
    before: xr.DataArray, after: xr.DataArray, channel: str
) -> tuple[Picture, Picture]:
    """One channel before and after, brought to a common level and scaled alike.

    The difference of the two medians is taken away first, so that a subtracted background does
    not merely look darker; then black is the 1 % and white the 99.5 % quantile of the first.

    Parameters
    ----------
    before, after : image C Y X
        The same frame.
    channel : str
        Without a C axis it does not matter.

    Returns
    -------
    tuple of uint8 array Y X
    """
    names = names_of(before)
    if "C" not in before.dims:
        channel = names[0]
    if channel not in names:
        raise unknown("channel", channel, names)
    first, second = (finite(dict(planes_of(image))[channel]) for image in (before, after))
    second = second + (np.median(first) - np.median(second))
    black, white = np.quantile(first, [0.01, 0.995])
    span = max(float(white - black), 1e-9)
    pictures = [
        np.rint(np.clip((plane - black) / span, 0, 1) ** 0.5 * 255).astype(np.uint8)
        for plane in (first, second)
    ]
    return pictures[0], pictures[1]
