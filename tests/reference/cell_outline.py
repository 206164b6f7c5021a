"""Which cell a pixel belongs to, by definition: angles by atan2, one pixel at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def radius_at(pose: Any, angle: float) -> float:
    """Distance from the centre to the outline in one direction, px."""
    traits, soft = pose.traits, 1 - pose.rounding
    shape = 1.0
    for index in range(len(traits.waves)):
        phase = traits.phases[index] + traits.drifts[index] * pose.frame
        wave = traits.waves[index] * math.cos((index + 2) * angle + phase)
        shape += (1 - 0.9 * pose.rounding) * wave
    where, length, width = traits.tail
    aside = math.remainder(angle - where - 0.1 * pose.frame, 2 * math.pi)
    shape += soft * length * math.exp(-((aside / width) ** 2))
    if traits.spikes:
        bent = 2.2 * math.sin(2 * angle + traits.phases[0])
        bent += math.sin(3 * angle + traits.phases[1])
        tooth = 0.5 + 0.5 * math.cos(traits.spikes * angle + bent)
        shape += soft * (0.10 + 0.08 * math.cos(5 * angle + traits.phases[2])) * tooth**3
    return float(pose.radius_px * min(2.1, max(0.4, shape)))


def owner(poses: Sequence[Any], y: int, x: int) -> tuple[int, float]:
    """The track that owns the pixel (0 for none) and how near it is to its outline, in radii."""
    best, track, margin = 1.0, 0, 1.0
    for pose in poses:
        dy, dx = y - pose.y_px, x - pose.x_px
        rho = math.hypot(dy, dx) / radius_at(pose, math.atan2(dy, dx))
        margin = min(margin, abs(rho - 1), abs(rho - best) if track else 1.0)
        if rho < best:
            best, track = rho, pose.track_id
    return track, margin
