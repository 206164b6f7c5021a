"""How far the area (in volumes, the volume) is off, wherever it lies."""

from __future__ import annotations

import math

from lucyte.stats.foreground import PixelCounts


def area_error(counts: PixelCounts) -> float:
    """``|prediction - truth| / truth`` of the foreground; nan without any in the truth.

    References
    ----------
    Maier-Hein et al. 2024 (absolute volume difference), doi 10.1038/s41592-023-02151-z.
    """
    if not counts.truth:
        return math.nan
    return abs(counts.prediction - counts.truth) / counts.truth
