"""Spots: bright blobs of a few px, by the Laplacian of Gaussian at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.light import Plane, finite
from lucyte.segment.operations import flood, label
from lucyte.segment.outline import renumber

SPOT_PX = 5.0
_SCALES = (0.7, 1.0, 1.4)
_NOISES = 5.0


def find_spots(
    planes: Sequence[npt.NDArray[Any]],
    within: Labels | None,
    settings: ObjectSettings,
    anisotropy: float = 1.0,
) -> Labels:
    """Label spots that stand out from the noise where they lie.

    The response is the largest over three scales of ``-s**2 * LoG`` of the square root of the
    light, which makes photon noise even. Noise is the median absolute deviation of the response
    within the parents (everywhere without any). A spot is a maximum of more than five noises
    and the px around it, within a diameter, above half of it.

    Parameters
    ----------
    planes : sequence of array Y X
        Responses of several channels are summed in units of their noise.
    within : int32 array or None
        Parents; spots are looked for inside them only.
    settings : ObjectSettings
        ``diameter_px`` of a spot (``auto``: 5 px), ``sensitivity`` multiplies the five noises.
    anisotropy : float
        Step in Z over the size of a px, of a stack.

    References
    ----------
    Lindeberg 1998, doi 10.1023/A:1008045108935.
    """
    diameter = SPOT_PX if settings.diameter_px == "auto" else float(settings.diameter_px)
    shape = planes[0].shape
    if min(shape[-2:]) < 3:
        return np.zeros(shape, np.int32)
    steps = (anisotropy, 1.0, 1.0)[-len(shape) :]
    where = np.ones(shape, bool) if within is None else within > 0
    response = sum(in_noises(log_response(finite(p), diameter, steps), where) for p in planes)
    response = np.asarray(response, dtype=np.float32) / np.sqrt(len(planes))
    window = [max(3, int(diameter / step)) | 1 for step in steps]
    peak = (response == ndi.maximum_filter(response, size=window)) & where
    peak &= response > _NOISES * settings.sensitivity
    seeds = _one_px_per_plateau(peak)
    if not seeds.any():
        return np.zeros(shape, np.int32)
    near = ndi.distance_transform_edt(seeds == 0, sampling=steps) <= diameter / 2 + 0.5
    basin = flood(-response, seeds, near & where & (response > 0))
    height = np.zeros(int(seeds.max()) + 1, np.float32)
    height[seeds[seeds > 0]] = response[seeds > 0]
    spots = np.where(response >= 0.5 * height[basin], basin, 0).astype(np.int32)
    return _large_enough(spots, settings, diameter)


def log_response(plane: Plane, diameter_px: float, steps: Sequence[float] | None = None) -> Plane:
    """Largest scale-normalised ``-LoG`` of the square root of the light, per px.

    Parameters
    ----------
    plane : float32 array Y X or Z Y X
    diameter_px : float
        Of a spot, in px of Y and X.
    steps : sequence of float or None
        Size of a step along each axis in px of Y and X; None: 1.
    """
    root = np.sqrt(np.maximum(plane - plane.min(), 0))
    best: Plane | None = None
    for scale in _SCALES:
        sigma = scale * diameter_px / (2 * np.sqrt(2))
        each = np.zeros(root.shape, np.float32)
        sigmas = [sigma / step for step in steps or (1.0,) * root.ndim]
        smooth = ndi.gaussian_filter(root, sigmas, mode="nearest")
        for axis, along in enumerate(sigmas):
            # Differences: derivatives of a Gaussian narrower than a plane would not add up to 0.
            bend = ndi.correlate1d(smooth, (1, -2, 1), axis=axis, mode="nearest")
            each -= np.float32(along**2) * bend
        best = each if best is None else np.maximum(best, each)
    assert best is not None
    return best


def in_noises(response: Plane, where: npt.NDArray[np.bool_]) -> Plane:
    """A response less its median, in median absolute deviations of what lies ``where``."""
    values = response[where]
    if len(values) == 0:
        return np.zeros_like(response)
    middle = np.median(values)
    noise = 1.4826 * float(np.median(np.abs(values - middle)))
    floor = 1e-3 * float(np.abs(values).max())
    scale = max(noise, floor)
    return (response - middle) / np.float32(scale) if scale > 0 else np.zeros_like(response)


def _one_px_per_plateau(peak: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    found = label(peak, diagonal=True)
    flat = found.reshape(-1)
    first = np.unique(flat, return_index=True)
    seeds = np.zeros(flat.shape, np.int32)
    for name, position in zip(*first, strict=True):
        seeds[position] = name
    return seeds.reshape(found.shape)


def _large_enough(spots: Labels, settings: ObjectSettings, diameter: float) -> Labels:
    smallest = settings.min_area_px
    least = max(2.0, 0.1 * diameter**2) if smallest == "auto" else float(smallest)
    area = np.bincount(spots.reshape(-1))
    keep = area >= least
    keep[0] = False
    return renumber(np.where(keep[spots], spots, 0).astype(np.int32))
