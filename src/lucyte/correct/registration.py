"""Shift between channels, by phase correlation; moved back by whole and part px."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lucyte.correct.planes import Plane, finite

LARGEST_PX = 1024
BELIEVED = 0.25
"""Correlation after the shift below which two channels have too little in common."""
UPSAMPLING = 20


class Shift(NamedTuple):
    """Displacement of a channel against the reference.

    Attributes
    ----------
    y_px, x_px : float
        A structure at p in the reference is at p + shift in the channel.
    agreement : float
        Correlation of the two after the channel was moved back (-1 to 1).
    """

    y_px: float
    x_px: float
    agreement: float

    @property
    def believed(self) -> bool:
        """Whether the channels have enough in common for the shift to mean something."""
        return self.agreement >= BELIEVED

    @property
    def length_px(self) -> float:
        """Size of the displacement."""
        return float(np.hypot(self.y_px, self.x_px))


def measure_shift(reference: npt.NDArray[np.generic], moving: npt.NDArray[np.generic]) -> Shift:
    """Measure how far a channel is displaced against the reference, to a twentieth of a px.

    The middle of the field (at most 1024 px) is compressed by a logarithm, so that outlines of
    cells count and the few brightest structures do not decide alone; freed of noise and slow
    changes; faded out at its border. What differs between the channels inside cells still pulls,
    by tenths of a px in one field: take the median over several.

    References
    ----------
    Guizar-Sicairos, Thurman, Fienup 2008, doi 10.1364/OL.33.000156.
    """
    from skimage import registration

    first, second = _prepared(reference), _prepared(moving)
    if first.std() == 0 or second.std() == 0:
        return Shift(0.0, 0.0, 0.0)
    find: Any = registration.phase_cross_correlation
    back = find(first, second, upsample_factor=UPSAMPLING, normalization=None)[0]
    shift = (-float(back[0]) + 0.0, -float(back[1]) + 0.0)
    moved = move_back(second, shift)
    edge = int(np.ceil(max(abs(s) for s in shift))) + 1
    inner = (slice(edge, -edge), slice(edge, -edge))
    if min(moved[inner].shape, default=0) < 8:
        return Shift(*shift, 0.0)
    agreement = np.corrcoef(first[inner].ravel(), moved[inner].ravel())[0, 1]
    return Shift(*shift, float(np.nan_to_num(agreement)))


def move_back(plane: npt.NDArray[np.generic], shift: tuple[float, float]) -> Plane:
    """Undo a displacement: ``out(p) = plane(p + shift)``, linear between px.

    The rows and columns that come from outside the field repeat its edge.
    """
    out = np.asarray(plane, dtype=np.float32)
    for axis, move in zip((-2, -1), shift, strict=True):
        whole = int(np.floor(move))
        part = np.float32(move - whole)
        at = np.arange(out.shape[axis])
        near = np.clip(at + whole, 0, out.shape[axis] - 1)
        far = np.clip(at + whole + 1, 0, out.shape[axis] - 1)
        moved = np.take(out, near, axis)
        out = moved if part == 0 else (1 - part) * moved + part * np.take(out, far, axis)
    return np.asarray(out, dtype=np.float32)


def _prepared(plane: npt.NDArray[np.generic]) -> Plane:
    from scipy import ndimage as ndi

    values = finite(plane)
    starts = [max(0, (side - LARGEST_PX) // 2) for side in values.shape]
    middle = values[starts[0] : starts[0] + LARGEST_PX, starts[1] : starts[1] + LARGEST_PX]
    above = np.maximum(middle - np.quantile(middle, 0.02), 0)
    light = np.log(above + np.median(above) + 1e-6 * above.max() + 1e-12)
    sharp = ndi.gaussian_filter(light, 2.0) - ndi.gaussian_filter(light, 16.0)
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in sharp.shape))
    return np.asarray((sharp - sharp.mean()) * window, dtype=np.float32)
