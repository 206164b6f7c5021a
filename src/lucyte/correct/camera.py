"""The camera's offset, read from the images themselves: where noise would vanish, light is zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lucyte.correct.planes import Plane, block_means, second_differences

BLOCK_PX = 16
BINS = 16
STRAIGHT = 0.97
"""Correlation of noise variance and mean below which the line is not believed."""

Points = npt.NDArray[np.float64]


def noise_points(plane: Plane) -> Points:
    """Mean and noise variance of blocks of a plane, without blocks near the top of the range.

    Returns
    -------
    array (n, 2)
    """
    if min(plane.shape) < 2 * BLOCK_PX:
        return np.empty((0, 2))
    mean = block_means(plane[1:-1, 1:-1], BLOCK_PX)
    variance = block_means(second_differences(plane) ** 2, BLOCK_PX) / 36
    top = block_means((plane[1:-1, 1:-1] >= plane.max()).astype(np.float32), BLOCK_PX)
    keep = top == 0
    points: Points = np.stack([mean[keep], variance[keep]], axis=1).astype(np.float64)
    return points


def estimate_offset(points: Sequence[Points]) -> float | None:
    """Counts without light, by photon transfer: ``variance = gain (mean - offset) + read^2``.

    Smooth places alone show the noise: of blocks of about equal mean, the less variable fifth is
    used. That scales the line but does not move where it meets zero. Read noise moves it down, by
    ``read^2 / gain``.

    Parameters
    ----------
    points : sequence of array (n, 2)
        From ``noise_points``, of any number of frames of one channel.

    Returns
    -------
    float or None
        None where noise does not rise with light in a straight line (compressed, processed or
        too few pixels) or the offset comes out negative.

    References
    ----------
    Janesick 2007, Photon Transfer, doi 10.1117/3.725073.
    """
    every = np.concatenate([np.empty((0, 2)), *points])
    if len(every) < 10 * BINS:
        return None
    low, high = np.quantile(every[:, 0], [0.01, 0.95])
    edges = np.linspace(low, high, BINS + 1)
    which = np.digitize(every[:, 0], edges) - 1
    means, variances = [], []
    for index in range(BINS):
        of_bin = every[which == index]
        if len(of_bin) >= 10:
            quiet = of_bin[of_bin[:, 1] <= np.quantile(of_bin[:, 1], 0.2)]
            means.append(quiet[:, 0].mean())
            variances.append(quiet[:, 1].mean())
    if len(means) < 4 or np.ptp(means) == 0 or np.ptp(variances) == 0:
        return None
    if np.corrcoef(means, variances)[0, 1] < STRAIGHT:
        return None
    slope, zero = _median_line(np.array(means), np.array(variances))
    offset = -zero / slope if slope > 0 else -1.0
    return float(offset) if 0 <= offset < low else None


def _median_line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept by medians over all pairs (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    return slope, float(np.median(y - slope * x))
