"""Resampling an image to the size a network was trained for, whole or in part, the same way.

Means of 2 x 2 pixels until less than a factor of two is left, then bilinear: nothing aliases, and a
tile of an image holds what the whole image holds there.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def halved(image: Floats) -> Floats:
    """Means of 2 x 2 pixels, C Y X; an odd last row or column is repeated."""
    _, height, width = image.shape
    if height % 2 or width % 2:
        image = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    rows = image[:, ::2] + image[:, 1::2]
    return np.asarray((rows[:, :, ::2] + rows[:, :, 1::2]) / np.float32(4), np.float32)


def halvings(px_per_px: float) -> int:
    """How often to halve before sampling one pixel per ``px_per_px`` source pixels."""
    return max(0, int(np.floor(np.log2(max(px_per_px, 1e-6)) + 0.25)))


def sample_window(
    image: npt.NDArray[Any], px_per_px: float, origin: tuple[int, int], shape: tuple[int, int]
) -> Floats:
    """A window of the image as it looks after resampling the whole of it.

    Parameters
    ----------
    image : array C Y X
        Any unit; the whole image.
    px_per_px : float
        Source px per px of the result.
    origin, shape : (y, x), (height, width)
        The window in px of the result; what lies outside the image is nan.

    Returns
    -------
    float32 array C height width
    """
    times = halvings(px_per_px)
    block = 2**times
    low = [max(0, int(np.floor((o - 1) * px_per_px)) // block * block - block) for o in origin]
    high = [
        min(length, int(np.ceil((o + side + 1) * px_per_px)) + 2 * block)
        for o, side, length in zip(origin, shape, image.shape[1:], strict=True)
    ]
    if high[0] <= low[0] or high[1] <= low[1]:
        return np.full((len(image), *shape), np.nan, np.float32)
    part = np.ascontiguousarray(image[:, low[0] : high[0], low[1] : high[1]], np.float32)
    for _ in range(times):
        part = halved(part)
    whole = (float(image.shape[1]), float(image.shape[2]))
    start = (low[0] / block, low[1] / block)
    return np.asarray(_window(part, px_per_px, block, start, whole, origin, shape), np.float32)


@numba.njit(cache=True, nogil=True)
def _window(
    part: Any, px_per_px: float, block: int, start: Any, whole: Any, origin: Any, shape: Any
) -> Any:
    channels, height, width = part.shape
    out = np.full((channels, shape[0], shape[1]), np.float32(np.nan), np.float32)
    edge = 0.49 * px_per_px  # a pixel that lies in the image by half is seen
    for i in range(shape[0]):
        at_y = (origin[0] + i + 0.5) * px_per_px
        if at_y < -edge or at_y > whole[0] + edge:
            continue
        y = min(max(at_y / block - 0.5 - start[0], 0.0), height - 1.0)
        iy = int(y)
        jy, ty = min(iy + 1, height - 1), np.float32(y - iy)
        for j in range(shape[1]):
            at_x = (origin[1] + j + 0.5) * px_per_px
            if at_x < -edge or at_x > whole[1] + edge:
                continue
            x = min(max(at_x / block - 0.5 - start[1], 0.0), width - 1.0)
            ix = int(x)
            jx, tx = min(ix + 1, width - 1), np.float32(x - ix)
            for c in range(channels):
                top = part[c, iy, ix] * (1 - tx) + part[c, iy, jx] * tx
                low = part[c, jy, ix] * (1 - tx) + part[c, jy, jx] * tx
                out[c, i, j] = top * (1 - ty) + low * ty
    return out
