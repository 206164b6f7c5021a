"""Light above its surroundings: several channels as one plane on which dim and bright cells count.

Each channel loses its local background, is divided by its own noise, and is compressed by
``asinh``: linear within the noise, logarithmic above it, so that a cell 100 times brighter than
another is not 100 times more of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Plane = npt.NDArray[np.float32]

_LOW, _LOWER = 0.15, 0.05
_SPREADS, _SPAN = 3.0, 0.035
_GRID_LIMIT = 4
_NARROWEST = 0.14
_TAIL = 2.5
_BRIGHTEST, _FAINT = 0.998, 20.0


def finite(plane: npt.NDArray[Any]) -> Plane:
    """The plane as float32; pixels that are nan or infinite become its median, no light at all."""
    values = np.asarray(plane, dtype=np.float32)
    bad = ~np.isfinite(values)
    if bad.any():
        values = values.copy()
        values[bad] = np.median(values[~bad]) if not bad.all() else 0.0
    return values


def local_background(plane: Plane, window_px: float) -> Plane:
    """A smooth surface under the cells: low quantile of each window, smoothed, interpolated.

    Parameters
    ----------
    plane : float32 array Y X
    window_px : float
        Side of a window; several object diameters, so that each holds some background. In a
        smaller picture down to 0.14 of it, so that there are four windows along the longer side.

    Returns
    -------
    float32 array Y X
        One number, a lower quantile, where the plane is smaller than a few windows: one object
        may fill it.
    """
    window_px = max(min(window_px, max(plane.shape) / _GRID_LIMIT), _NARROWEST * window_px)
    counts = [max(1, round(side / window_px)) for side in plane.shape]
    if max(counts) < _GRID_LIMIT:
        return np.full_like(plane, np.quantile(plane, _LOWER))
    rows = np.linspace(0, plane.shape[0], counts[0] + 1).astype(int)
    columns = np.linspace(0, plane.shape[1], counts[1] + 1).astype(int)
    step = max(1, int(window_px // 32))
    grid = np.array(
        [
            [np.quantile(plane[a:b:step, c:d:step], _LOW) for c, d in _pairs(columns)]
            for a, b in _pairs(rows)
        ],
        dtype=np.float32,
    )
    surface = lower_envelope(grid)
    return enlarge(surface.astype(np.float32), (plane.shape[0], plane.shape[1]))


def lower_envelope(grid: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Quadratic surface through the low values of a grid; high ones (cells) hardly count."""
    y, x = np.meshgrid(
        np.linspace(-1, 1, grid.shape[0]), np.linspace(-1, 1, grid.shape[1]), indexing="ij"
    )
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    values = grid.reshape(-1).astype(np.float64)
    weight = np.ones_like(values)
    surface = values
    for _ in range(12):
        root = np.sqrt(weight)
        surface = terms @ np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        rest = values - surface
        below = np.abs(rest[rest <= 0])
        spread = max(1.4826 * float(np.median(below)) if len(below) else 0.0, 1e-6)
        weight = np.where(rest > 0, 1 / (1 + (rest / spread) ** 2), 1.0)
    return surface.reshape(grid.shape)


def above_background(plane: Plane, window_px: float, smooth_px: float) -> Plane:
    """The smoothed plane less its own background: the quantile must be one of quiet values."""
    quiet = ndi.gaussian_filter(plane, smooth_px, mode="nearest")
    out: Plane = quiet - local_background(quiet, window_px)
    return out


def compress(above: Plane, scale: float) -> Plane:
    """``asinh(above / scale)``: linear below the scale, logarithmic beyond; 0 below background."""
    out: Plane = np.arcsinh(np.maximum(above, 0) / np.float32(scale)).astype(np.float32)
    return out


def light(planes: Sequence[npt.NDArray[Any]], window_px: float, smooth_px: float) -> Plane:
    """Mean over channels of the light above background, each in units of its own noise.

    Parameters
    ----------
    planes : sequence of array Y X
        One per channel, raw units.
    window_px : float
        Window of :func:`local_background`.
    smooth_px : float
        Standard deviation of the Gaussian that quiets noise before compression.

    Returns
    -------
    float32 array Y X
        Compressed light, 0 at background.
    """
    total: Plane | None = None
    for plane in planes:
        quiet = above_background(finite(plane), window_px, smooth_px)
        span = float(np.quantile(quiet, 0.995)) - float(np.median(quiet))
        scale = max(_SPREADS * background_spread(quiet), _SPAN * span)
        part = compress(quiet, scale) if scale > 0 else np.zeros_like(quiet)
        total = part if total is None else total + part
    assert total is not None
    return total / np.float32(len(planes))


def linear_light(planes: Sequence[npt.NDArray[Any]], window_px: float, smooth_px: float) -> Plane:
    """Mean over channels of the light above background, not compressed; each at most 1.

    A channel's 1 is its own brightest 0.2 %, or 20 spreads of its background where cells are fewer
    than that; so debris does not rule, and a channel without cells stays near 0. One level for the
    image belongs here: on compressed light it would lie in the haloes.

    Returns
    -------
    float32 array Y X
    """
    total: Plane | None = None
    for plane in planes:
        quiet = above_background(finite(plane), window_px, smooth_px)
        top = linear_scale(quiet)
        part = np.minimum(quiet / np.float32(top), 1) if top > 0 else np.zeros_like(quiet)
        total = part if total is None else total + part
    assert total is not None
    return total / np.float32(len(planes))


def linear_scale(quiet: Plane) -> float:
    """The light above background that counts as 1 in :func:`linear_light`."""
    return max(float(np.quantile(quiet, _BRIGHTEST)), _FAINT * background_spread(quiet))


def background_spread(quiet: Plane) -> float:
    """Spread of the background of a plane whose low background is about 0.

    The lower half of a background is undisturbed by cells: the distance from its mode down to its
    16th percentile is one standard deviation. Where cells fill the picture the mode is theirs; the
    mean depth of what lies below 0 then gives the smaller, right answer.
    """
    step = max(1, quiet.size // 250_000)
    sample = np.sort(quiet.reshape(-1)[::step])
    mode = half_sample_mode(sample)
    below = sample[sample <= mode]
    spread = float(mode - np.quantile(below, 0.32)) if len(below) else 0.0
    under = sample[sample < 0]
    return min(spread, _TAIL * float(-under.mean())) if len(under) else spread


def half_sample_mode(rising: npt.NDArray[np.floating[Any]]) -> float:
    """The mode of sorted numbers: the densest half of the densest half, and so on.

    References
    ----------
    Bickel & Fruehwirth 2006, doi 10.1016/j.csda.2005.07.011.
    """
    values = rising
    while len(values) > 3:
        half = (len(values) + 1) // 2
        width = values[half - 1 :] - values[: len(values) - half + 1]
        narrowest = width == width.min()
        # Plateaus of equal widths are common in integer images: take their middle.
        positions = np.flatnonzero(narrowest)
        start = int(positions[len(positions) // 2])
        values = values[start : start + half]
    return float(np.mean(values)) if len(values) else 0.0


def shrink(plane: Plane, factor: int) -> Plane:
    """Means of ``factor`` by ``factor`` blocks; a rest at the far edges is averaged alone."""
    if factor == 1:
        return plane
    height, width = plane.shape
    pad = ((0, -height % factor), (0, -width % factor))
    padded = np.pad(plane, pad, mode="edge")
    blocks = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    out: Plane = blocks.mean(axis=(1, 3), dtype=np.float32)
    return out


def enlarge(plane: Plane, shape: tuple[int, int], factor: float | None = None) -> Plane:
    """Bilinear interpolation of block means back to ``shape``."""
    out = plane
    for axis, size in enumerate(shape):
        n = out.shape[axis]
        block = factor or size / n
        centre = np.clip((np.arange(size) + 0.5) / block - 0.5, 0, n - 1)
        low = np.minimum(centre.astype(int), max(n - 2, 0))
        high = np.minimum(low + 1, n - 1)
        weight = (centre - low).astype(np.float32)
        weight = weight[:, None] if axis == 0 else weight[None, :]
        out = np.take(out, low, axis) * (1 - weight) + np.take(out, high, axis) * weight
    result: Plane = out.astype(np.float32, copy=False)
    return result


def _pairs(edges: npt.NDArray[Any]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pairwise(edges)]
