"""Does an object stand out of the noise around it? A network sees shapes in pure noise too."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

CLEAR = 6.0
"""Standard errors between an object and its surroundings; the blobs of white noise reach 5."""


def clearness(
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.int32],
    boxes: npt.NDArray[np.float32],
    noise: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    r"""By how many standard errors each object differs from what surrounds it.

    .. math:: z_k = \max_c \frac{|\bar x_{c,k} - \bar b_{c,k}|}{\sigma_c / \sqrt{A_k}}

    with :math:`\bar b` the mean of the pixels without object in the box enlarged to twice its
    sides, and :math:`\sigma` the pixel noise.

    Parameters
    ----------
    image : array C Y X
        Raw units; pixels that are no number count for nothing.
    labels : int32 array Y X
        1 to n.
    boxes : float32 array n x 4
        x0, y0, x1, y1 of each label.
    noise : float array C
        Pixel noise of each channel, raw units.

    Returns
    -------
    float array n
        Infinite where nothing but objects surrounds it.
    """
    out = np.zeros(len(boxes), np.float64)
    for plane, sigma in zip(image, noise, strict=True):
        out = np.maximum(out, _of_plane(np.ascontiguousarray(plane), labels, boxes, float(sigma)))
    return out


@numba.njit(cache=True, nogil=True)
def _of_plane(plane: Any, labels: Any, boxes: Any, sigma: float) -> Any:
    height, width = labels.shape
    out = np.zeros(len(boxes), np.float64)
    for k in range(len(boxes)):
        x0, y0, x1, y1 = boxes[k]
        wide, high = (x1 - x0) / 2 + 1, (y1 - y0) / 2 + 1
        inside = outside = 0.0
        n = m = 0
        for y in range(max(0, int(y0 - high)), min(height, int(y1 + high))):
            for x in range(max(0, int(x0 - wide)), min(width, int(x1 + wide))):
                value = float(plane[y, x])
                if not np.isfinite(value):
                    continue
                if labels[y, x] == k + 1:
                    inside += value
                    n += 1
                elif labels[y, x] == 0:
                    outside += value
                    m += 1
        if n and m:
            out[k] = abs(inside / n - outside / m) * np.sqrt(n) / sigma
        elif n:
            out[k] = np.inf
    return out
