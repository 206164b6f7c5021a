"""Shortcuts planted in the light around the cells, and shams that plant nothing."""

from __future__ import annotations

import numpy as np

from lucyte.schema.errors import unknown
from lucyte.simulate.kernels import Stack
from lucyte.simulate.optics import Origin
from lucyte.simulate.settings import PLANTS, ShortcutSettings

TINT_PHOTONS = 20.0
CORNER_PHOTONS = 500.0
STRIPE_PHOTONS = 80.0
GAIN = 0.35
WAVE_PHOTONS = 14.0
WAVE_PERIOD_PX = 4.6


def plant(
    photons: Stack, shortcut: ShortcutSettings, starved: bool, size_px: int, origin: Origin
) -> Stack:
    """Plant a shortcut in part of a field (or in a crop that is an image of its own).

    Each depends on the condition alone, never on the cells:

    - ``tint``: medium light is added, green without starvation, red with it, through the cells;
    - ``corner``: with starvation a bright square of 6 % of the side at the first corner;
    - ``stripe``: with starvation a bright row of 2 px every eighth of the side;
    - ``gain``: with starvation everything is brighter (its own plate, its own lamp);
    - ``frequency``: with starvation a diagonal wave of 4.6 px in EGFP, without it its mean.

    Parameters
    ----------
    photons : float32 array (3, h, w)
    shortcut : ShortcutSettings
    starved : bool
    size_px : int
        Side of the whole image.
    origin : tuple of int
        Place of the first pixel in the whole image.

    Returns
    -------
    float32 array (3, h, w)
        The same array, bit for bit, at strength 0 and for shams.
    """
    if shortcut.kind not in PLANTS:
        raise unknown("shortcut", shortcut.kind, PLANTS)
    strength = 0.0 if shortcut.sham else shortcut.strength
    if shortcut.kind == "none" or strength == 0:
        return photons
    out = photons.copy()
    rows = np.arange(origin[0], origin[0] + photons.shape[1])[:, None]
    columns = np.arange(origin[1], origin[1] + photons.shape[2])[None, :]
    if shortcut.kind == "tint":
        out[1 if starved else 0] += np.float32(strength * TINT_PHOTONS)
    elif shortcut.kind == "frequency":
        wave = float(starved) * np.cos(2 * np.pi * (rows + columns) / WAVE_PERIOD_PX)
        out[0] += (strength * WAVE_PHOTONS * (1 + wave)).astype(np.float32)
    elif shortcut.kind == "gain" and starved:
        out *= np.float32(1 + strength * GAIN)
    elif shortcut.kind == "corner" and starved:
        side = max(3, round(0.06 * size_px))
        out[:2] += np.float32(strength * CORNER_PHOTONS) * ((rows < side) & (columns < side))
    elif shortcut.kind == "stripe" and starved:
        every = max(6, size_px // 8)
        out[:2] += np.float32(strength * STRIPE_PHOTONS) * ((rows % every < 2) & (columns >= 0))
    return out
