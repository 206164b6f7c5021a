r"""Named channels as the colour picture that a foreign network was trained on.

.. math:: P_k = \min\Big(255, \mathrm{round} \sum_{c \in k} 255 \,
          \mathrm{clip}\big(\tfrac{I_c - a_c}{b_c - a_c}, 0, 1\big)\Big), \quad k = R, G, B
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

MERGED: Mapping[str, tuple[str, ...]] = {"R": ("mRFP", "TL"), "G": ("EGFP", "TL"), "B": ("TL",)}
"""CELLULAR's merged picture; ``io.cellular_merged.decode`` takes it apart again."""
PERCENTILES = (1.0, 99.8)


def colour_picture(
    image: npt.NDArray[Any],
    channels: Sequence[str],
    colours: Mapping[str, str | Sequence[str]] = MERGED,
    limits: Mapping[str, tuple[float, float]] | None = None,
) -> npt.NDArray[np.uint8]:
    """Add named channels up to red, green and blue.

    Parameters
    ----------
    image : array, C Y X
    channels : sequence of str
        Names of the planes.
    colours : mapping of "R", "G", "B" to a channel or several
        Several are added. A colour left out stays black.
    limits : mapping of channel to (black, white), optional
        In the image's units. By default 8-bit planes are taken as they are, all others from
        their 1st to their 99.8th percentile; raw light of the detector's own microscope is better
        given the limits with which its training pictures were made.

    Returns
    -------
    uint8 array, Y X 3

    Raises
    ------
    UsageError
        A channel or colour that does not exist, limits that do not rise, not an image C Y X.
    """
    planes = np.asarray(image)
    if planes.ndim != 3 or len(planes) != len(channels):
        raise UsageError(
            f"got an image of shape {planes.shape} for the channels {', '.join(channels)}; "
            "it must have axes C Y X, one plane per name."
        )
    for name in colours:
        if name not in ("R", "G", "B"):
            raise unknown("colour", name, "RGB")
    wanted = {key: (each,) if isinstance(each, str) else each for key, each in colours.items()}
    light: dict[str, npt.NDArray[np.float32]] = {}
    for name in dict.fromkeys(name for each in wanted.values() for name in each):
        if name not in channels:
            raise unknown("channel", name, channels, "Map it to a channel that the image has.")
        light[name] = _scaled(planes[list(channels).index(name)], name, limits)
    out = np.zeros((*planes.shape[1:], 3), dtype=np.uint8)
    for at, colour in enumerate("RGB"):
        names = wanted.get(colour, ())
        if names:
            total = np.add.reduce([light[name] for name in names])
            out[..., at] = np.minimum(np.rint(total), 255)
    return out


def three_colours(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image of any number of channels as three colours, for a network that knows no channels.

    One channel becomes grey; of two, the first is red and the second green, and blue is their
    mean; three are red, green and blue; of more, channel k adds to colour k modulo 3, at an equal
    share. Scaling as ``colour_picture`` does without limits.

    Parameters
    ----------
    image : array, Y X or C Y X

    Returns
    -------
    uint8 array, Y X 3
    """
    planes = np.asarray(image)
    planes = planes[None] if planes.ndim == 2 else planes
    if planes.ndim != 3 or 0 in planes.shape:
        raise UsageError(f"an image has axes Y X or C Y X, got shape {planes.shape}.")
    light = [_scaled(plane, str(at), None) for at, plane in enumerate(planes)]
    if len(light) == 1:
        parts = [light] * 3
    elif len(light) == 2:
        parts = [[light[0]], [light[1]], light]
    else:
        parts = [light[colour::3] for colour in range(3)]
    return np.stack([np.rint(np.mean(each, 0)).astype(np.uint8) for each in parts], -1)


def _scaled(
    plane: npt.NDArray[Any], name: str, limits: Mapping[str, tuple[float, float]] | None
) -> npt.NDArray[np.float32]:
    """One channel, 0 to 255; nan is black."""
    given = None if limits is None else limits.get(name)
    if limits is not None and given is None:
        raise unknown("channel", name, limits, "Give limits for every channel that is shown.")
    if given is None and plane.dtype == np.uint8:
        return plane.astype(np.float32)
    values = plane.astype(np.float32)
    if given is None:
        finite = values[np.isfinite(values)]
        low, high = np.percentile(finite, PERCENTILES) if finite.size else (0.0, 1.0)
        given = (float(low), float(high) if high > low else float(low) + 1.0)
    low, high = given
    if not high > low:
        raise UsageError(f"limits of {name} must rise, got {low:g} to {high:g}.")
    scaled = np.clip((values - np.float32(low)) * np.float32(255 / (high - low)), 0, 255)
    return np.where(np.isfinite(values), scaled, 0).astype(np.float32)
