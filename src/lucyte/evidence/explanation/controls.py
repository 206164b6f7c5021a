"""Control maps: what a relevance map must beat, because they know nothing of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lucyte.learn.erasing import light_channels

Floats = npt.NDArray[np.float64]

CONTROLS = {
    "moved": "the same map, moved",
    "centre": "a spot in the centre",
    "edge": "edges of the picture",
    "intensity": "bright pixels",
    "random": "random pixels",
}
"""They know the picture or nothing, but not the model."""
BLURRED = "blurred"
WORDS = {**CONTROLS, BLURRED: "a blurred copy of the map"}
CENTRE = 0.15
"""Standard deviation of the spot in the centre, as a share of the crop's side."""
COARSE = 1 / 8
"""Standard deviation of the blur, as a share of the crop's side."""


def control_maps(
    channels: Sequence[str], crops: npt.NDArray[Any], maps: Floats, rng: np.random.Generator
) -> dict[str, Floats]:
    """Maps of the shape of ``maps`` that know the picture or nothing, but not the model.

    Parameters
    ----------
    channels : sequence of C str
        Names along C of the crops; those named ``mask:...`` are no light.
    crops : array N C Y X
    maps : float array N L Y X
        L is the number of channels of light, or 1 for a map of all channels together.
    rng : numpy Generator

    Returns
    -------
    mapping of name (as in ``CONTROLS``) to float array N L Y X

    References
    ----------
    Adebayo et al. 2018, arXiv 1810.03292 (edges). Brocki and Chung 2023, arXiv 2304.13836
    (blurred copies do better in tests by perturbation, whatever they explain).
    """
    light = crops[:, list(light_channels(channels))].astype(np.float64)
    _, _, height, width = light.shape
    y = (np.arange(height) - (height - 1) / 2) / height
    x = (np.arange(width) - (width - 1) / 2) / width
    centre = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * CENTRE**2))
    slope = np.hypot(*np.gradient(light, axis=(2, 3)))
    moved = [np.roll(each, (_far(rng, height), _far(rng, width)), axis=(1, 2)) for each in maps]
    return {
        "moved": np.stack(moved) if moved else maps,
        "centre": np.broadcast_to(centre, maps.shape).copy(),
        "edge": _as_wide(_standard(slope), maps),
        "intensity": _as_wide(_standard(light), maps),
        "random": rng.random(maps.shape),
    }


def blurred(maps: Floats) -> Floats:
    """Each map without detail finer than an eighth of the crop."""
    sigma = COARSE * np.array(maps.shape[2:])
    out: Floats = gaussian_filter(maps, (0, 0, *sigma), mode="nearest")
    return out


def _far(rng: np.random.Generator, size: int) -> int:
    """A step that moves a map by a quarter to three quarters of the picture."""
    return int(rng.integers(size // 4, max(size // 4 + 1, 3 * size // 4)))


def _standard(values: Floats) -> Floats:
    """Each crop and channel with mean 0 and deviation 1, so that channels can be ranked."""
    spread = values.std(axis=(2, 3), keepdims=True)
    out: Floats = (values - values.mean(axis=(2, 3), keepdims=True)) / np.where(
        spread > 0, spread, 1.0
    )
    return out


def _as_wide(values: Floats, maps: Floats) -> Floats:
    """One plane per channel, or their sum where the map is one for all channels."""
    return values if values.shape[1] == maps.shape[1] else values.sum(axis=1, keepdims=True)
