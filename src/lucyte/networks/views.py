r"""What a network sees of a channel: a linear view and a logarithmic one, free of gain and offset.

Fluorescence has no absolute scale, and a bright cell beside a dim one leaves nothing of the dim
one in a linear view. With :math:`l, h` the 1st and 99.8th percentile of the whole image and
:math:`\sigma` its pixel noise:

.. math::
    v_1 = \min\left(\frac{\max(x - l, 0)}{h - l}, 1.5\right), \qquad
    v_2 = \frac{\log(1 + \max(x - l, 0) / 4\sigma)}{\log(1 + (h - l) / 4\sigma)}

Both come from the image, not from the tile, so that tiles of one image agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

VIEWS_PER_CHANNEL = 2
LOW_PERCENT, HIGH_PERCENT = 1.0, 99.8
SAMPLE = 1_000_000
"""Pixels that the percentiles are taken from, on a regular grid."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """What a channel's views are measured with, in raw units."""

    low: float
    high: float
    noise: float

    @property
    def flat(self) -> bool:
        """Nothing in this channel differs from anything else."""
        return not self.high > self.low

    def averaged(self, px: int) -> Scale:
        """The same after means of ``px`` x ``px`` pixels: that much less noise, no less than 8 bit.

        Without it dim parts of large objects, which are seen reduced, would be taken for noise.
        """
        floor = max((self.high - self.low) / 256, 1e-12)
        return replace(self, noise=max(self.noise / px, floor))


def scale_of(plane: npt.NDArray[Any]) -> Scale:
    """Percentiles and pixel noise of one channel of a whole image.

    Parameters
    ----------
    plane : array Y X
        Raw units; NaN is left out.

    Returns
    -------
    Scale
        ``low == high`` where the channel is constant or holds no number.
    """
    step = max(1, int(np.ceil(np.sqrt(plane.size / SAMPLE))))
    sample = np.asarray(plane[::step, ::step], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return Scale(0.0, 0.0, 1.0)
    low, high = np.percentile(sample, [LOW_PERCENT, HIGH_PERCENT])
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    # Neighbours of whole rows, as few rows as hold the sample: memory does not grow with the image.
    rows = np.asarray(plane[:: max(1, plane.size // SAMPLE)], dtype=np.float64)
    change = np.abs(np.diff(rows, axis=1))
    change = change[np.isfinite(change)]
    # Neighbours differ by sqrt(2) sigma; the median of |normal| is 0.6745 sigma.
    noise = float(np.median(change)) / 0.954 if change.size else 0.0
    return Scale(float(low), float(high), max(noise, (float(high) - float(low)) / 256, 1e-12))


def views(image: npt.NDArray[Any], scales: Sequence[Scale]) -> Floats:
    """The views of an image or of a part of it.

    Parameters
    ----------
    image : array C Y X
        Raw units. NaN becomes 0: nothing is seen there.
    scales : sequence of Scale
        One per channel, of the whole image.

    Returns
    -------
    float32 array, 2C Y X
        Linear and logarithmic view of each channel in turn. All zero for a flat channel.
    """
    out = np.zeros((VIEWS_PER_CHANNEL * len(image), *image.shape[1:]), np.float32)
    for c, (plane, scale) in enumerate(zip(image, scales, strict=True)):
        if scale.flat:
            continue
        above = np.asarray(plane, dtype=np.float32) - np.float32(scale.low)
        np.nan_to_num(above, copy=False, nan=0.0, posinf=scale.high - scale.low, neginf=0.0)
        np.maximum(above, 0, out=above)
        span, quiet = scale.high - scale.low, 4 * scale.noise
        np.minimum(above / np.float32(span), 1.5, out=out[2 * c])
        out[2 * c + 1] = np.log1p(above / np.float32(quiet)) / np.float32(np.log1p(span / quiet))
    return out
