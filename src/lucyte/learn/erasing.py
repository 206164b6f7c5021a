"""What stands in for a pixel that is taken away: the choice every perturbation has to state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]

BASELINES = ("local_background", "black", "mean")
MASK = "mask:"
FEWEST_PX = 16
"""Pixels outside the cell from which a background is read; with fewer the crop's rim serves."""


def light_channels(channels: Sequence[str]) -> tuple[int, ...]:
    """Positions of the channels of light; those named ``mask:...`` are not."""
    return tuple(at for at, name in enumerate(channels) if not name.startswith(MASK))


def baseline_image(
    crops: npt.NDArray[Any],
    channels: Sequence[str],
    baseline: str | npt.NDArray[Any] = "local_background",
) -> Floats:
    """The picture from which erased pixels are taken.

    Parameters
    ----------
    crops : array N C Y X
        Raw units.
    channels : sequence of C str
    baseline : str or array
        ``local_background``: median of the crop outside the cell's own mask where the crops carry
        one, else of the crop's rim. ``black``: 0, which in fluorescence is a value that does
        occur. ``mean``: mean of the crop. Or an array of shape ``C``, ``C Y X`` or ``N C Y X``.

    Returns
    -------
    float array N C Y X
        Mask channels as they are in ``crops``.

    Raises
    ------
    UsageError
        An unknown baseline, or an array of another shape.
    """
    out = crops.astype(np.float64)
    light = list(light_channels(channels))
    if not isinstance(baseline, str):
        given = np.asarray(baseline, dtype=np.float64)
        if given.ndim == 1:
            given = given[:, None, None]
        try:
            out[:, light] = np.broadcast_to(given, out.shape)[:, light]
        except ValueError:
            raise UsageError(
                f"a baseline must have shape C, C Y X or N C Y X for crops {crops.shape}, "
                f"got {np.asarray(baseline).shape}."
            ) from None
        return out
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    if baseline == "black":
        out[:, light] = 0.0
    elif baseline == "mean":
        out[:, light] = out[:, light].mean(axis=(2, 3), keepdims=True)
    else:
        out[:, light] = _local_background(out, channels)[:, light, None, None]
    return out


def _local_background(crops: Floats, channels: Sequence[str]) -> Floats:
    """``N C`` medians outside the mask, or of the rim."""
    masks = [at for at, name in enumerate(channels) if name.startswith(MASK)]
    rim = np.ones(crops.shape[2:], dtype=np.bool_)
    rim[1:-1, 1:-1] = False
    out = np.empty(crops.shape[:2])
    for n, crop in enumerate(crops):
        outside = (crop[masks] == 0).all(axis=0) if masks else rim
        if outside.sum() < FEWEST_PX:
            outside = rim
        out[n] = np.median(crop[:, outside], axis=1)
    return out
