"""Local background: the light between the cells, as a smooth surface under them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.correct.planes import Plane, block_means, block_quantiles, enlarge, finite

BLOCKS_PER_RADIUS = 3
LOW = 0.2
AUTO_RADIUS = 1 / 7
"""Radius against the shorter side where none is given."""


def auto_radius_px(shape: tuple[int, int]) -> float:
    """A radius that holds some medium in most fields: a seventh of the shorter side."""
    return max(8.0, AUTO_RADIUS * min(shape))


def estimate_background(plane: npt.NDArray[np.generic], radius_px: float) -> Plane:
    """The background of a plane.

    Low quantiles of blocks (a third of the radius wide) after averaging out pixel noise; then
    the low quantile of all blocks within the radius, so that a block that lies inside cells takes
    the level of its surroundings, and the high quantile of that, so that slopes stay (an opening
    with quantiles); smoothed over the radius and interpolated.

    Parameters
    ----------
    plane : array Y X
    radius_px : float
        Larger than clumps of cells. Where everything within it is cells, the background reads
        too high and cells come out too dark.

    Returns
    -------
    float32 array Y X
        In the plane's own counts, the camera's offset included.

    References
    ----------
    Sternberg 1983, doi 10.1109/MC.1983.1654163 (rolling ball), with quantiles for the minimum,
    which noise would pull down.
    """
    from scipy import ndimage as ndi

    values = finite(plane)
    block = max(1.0, radius_px / BLOCKS_PER_RADIUS)
    rows, columns = (max(1, round(side / block)) for side in values.shape)
    calm = block_means(values, max(1, min(4, int(block // 4))))
    grid = block_quantiles(calm, min(rows, calm.shape[0]), min(columns, calm.shape[1]), LOW)
    reach = np.hypot(
        *np.mgrid[
            -BLOCKS_PER_RADIUS : BLOCKS_PER_RADIUS + 1, -BLOCKS_PER_RADIUS : BLOCKS_PER_RADIUS + 1
        ]
    )
    within = reach <= BLOCKS_PER_RADIUS
    low = ndi.percentile_filter(grid, 100 * LOW, footprint=within, mode="nearest")
    # on a slope the low quantile lies downhill; the high quantile of it lies back uphill
    low = ndi.percentile_filter(low, 100 * (1 - LOW), footprint=within, mode="nearest")
    smooth = ndi.gaussian_filter(low, 0.5 * BLOCKS_PER_RADIUS, mode="nearest")
    return enlarge(smooth, (values.shape[0], values.shape[1]))


def subtract_background(plane: npt.NDArray[np.generic], radius_px: float) -> Plane:
    """Light above the local background; below 0 where noise is, nothing is clipped."""
    return finite(plane) - estimate_background(plane, radius_px)


def background_varies(plane: npt.NDArray[np.generic], radius_px: float) -> float:
    """How much the background changes over the field against the light above it (0: not at all)."""
    values = finite(plane)
    surface = estimate_background(values, radius_px)
    step = max(1, min(values.shape) // 512)
    above = (values - surface)[::step, ::step]
    light = float(np.quantile(above, 0.98) - np.median(above))
    change = float(np.quantile(surface, 0.95) - np.quantile(surface, 0.05))
    floor = 1e-6 * abs(float(np.median(values)))
    return change / light if light > floor else 0.0
