"""Film strips as pictures: a cell on its way across the border, one row per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.report.heat_maps import coloured

Floats = npt.NDArray[np.float64]
LOW, HIGH = 1.0, 99.7
"""Percentiles of a channel over the whole strip that are drawn black and white."""
HALF = 0.5
"""Change, as a share of black to white, that the difference draws in full colour."""
GAP = 2
"""White px between pictures."""


def film_strip(
    images: npt.NDArray[Any],
    zoom: int = 3,
    difference: bool = True,
    real: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.uint8]:
    """One cell's strip: steps from left to right, channels from top to bottom.

    Parameters
    ----------
    images : array S C Y X
        Raw units; channels of light alone. The first is the cell itself.
    zoom : int
        Px of the drawing per px.
    difference : bool
        Add a column with last less first: blue less, orange more, one scale for all channels, in
        shares of what black to white spans.
    real : array C Y X, optional
        Another cell, drawn last on the same scale.

    Returns
    -------
    uint8 array H W 3
    """
    light = images.astype(np.float64)
    rows = []
    for channel in range(light.shape[1]):
        low, high = np.percentile(light[:, channel], [LOW, HIGH])
        span = max(float(high - low), 1e-9)
        shown = np.clip((light[:, channel] - low) / span, 0, 1)
        pictures = [_grey(each) for each in shown]
        if difference:
            change = (light[-1, channel] - light[0, channel]) / span
            pictures.append(coloured(change, HALF))
        if real is not None:
            pictures.append(_grey(np.clip((real[channel] - low) / span, 0, 1)))
        rows.append(_beside([_zoomed(each, zoom) for each in pictures], axis=1))
    return _beside(rows, axis=0)


def animation_frames(images: npt.NDArray[Any], zoom: int = 3) -> list[npt.NDArray[np.uint8]]:
    """The strip as frames of a film, there and back, channels beside each other.

    Parameters
    ----------
    images : array S C Y X
    zoom : int
    """
    strip = [film_strip(images[:, [k]], zoom, difference=False) for k in range(images.shape[1])]
    side = images.shape[-1] * zoom
    there = []
    for step in range(len(images)):
        at = step * (side + GAP)
        there.append(_beside([each[:, at : at + side] for each in strip], axis=1))
    return there + there[-2:0:-1]


def write_film(path: str, images: npt.NDArray[Any], zoom: int = 3, each_s: float = 0.15) -> None:
    """Write a GIF that goes there and back without end.

    Parameters
    ----------
    path : str
    images : array S C Y X
    zoom : int
    each_s : float
        Seconds per picture.
    """
    from PIL import Image

    frames = [Image.fromarray(each) for each in animation_frames(images, zoom)]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=round(1000 * each_s), loop=0
    )


def _grey(picture: Floats) -> npt.NDArray[np.uint8]:
    return np.repeat(np.round(picture * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _zoomed(picture: npt.NDArray[np.uint8], zoom: int) -> npt.NDArray[np.uint8]:
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _beside(pictures: Sequence[npt.NDArray[np.uint8]], axis: int) -> npt.NDArray[np.uint8]:
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, dtype=np.uint8)
    parts = [part for each in pictures for part in (each, white)][:-1]
    return np.concatenate(parts, axis=axis)
