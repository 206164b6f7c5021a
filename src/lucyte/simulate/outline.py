"""The outline of a cell: harmonics, a protrusion, teeth; smooth when it rounds up."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lucyte.simulate.traits import HARMONICS

if TYPE_CHECKING:
    from lucyte.simulate.life import Pose

DIRECTIONS = 256


@lru_cache(maxsize=1)
def directions() -> npt.NDArray[np.float64]:
    """The angle of each direction in which an outline is held (the inverse of ``turn_of``)."""
    part = 4 * np.arange(DIRECTIONS) / DIRECTIONS - 2
    dy = np.where(np.abs(part) <= 1, part, np.sign(part) * 2 - part)
    dx = 1 - np.abs(part)
    angles: npt.NDArray[np.float64] = np.arctan2(dy, dx)
    return angles


def draw_outline(pose: Pose) -> npt.NDArray[np.float64]:
    """Radius in px and ruffles (-1 to 1) in ``DIRECTIONS`` directions (2, n)."""
    traits, angles, soft = pose.traits, directions(), 1 - pose.rounding
    orders = np.arange(2, 2 + HARMONICS)[:, None]
    turned = orders * angles + (traits.phases + traits.drifts * pose.frame)[:, None]
    shape = 1 + (1 - 0.9 * pose.rounding) * (traits.waves[:, None] * np.cos(turned)).sum(0)
    where, length, width = traits.tail
    aside = (angles - where - 0.1 * pose.frame + np.pi) % (2 * np.pi) - np.pi
    shape = shape + soft * length * np.exp(-((aside / width) ** 2))
    if traits.spikes:
        bent = 2.2 * np.sin(2 * angles + traits.phases[0]) + np.sin(3 * angles + traits.phases[1])
        tooth = 0.5 + 0.5 * np.cos(traits.spikes * angles + bent)
        tall = 0.10 + 0.08 * np.cos(5 * angles + traits.phases[2])
        shape = shape + soft * tall * tooth**3
    ruffles = np.cos((9 + traits.texture[0] % 14) * angles + traits.phases[1] + 0.3 * pose.frame)
    return np.stack([pose.radius_px * np.clip(shape, 0.4, 2.1), ruffles])
