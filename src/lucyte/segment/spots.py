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
    planes: Sequence[npt.NDArray[Any]], within: Labels | None, settings: ObjectSettings
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
    within : int32 array Y X or None
        Parents; spots are looked for inside them only.
    settings : ObjectSettings
        ``diameter_px`` of a spot (``auto``: 5 px), ``sensitivity`` multiplies the five noises.

    References
    ----------
    Lindeberg 1998, doi 10.1023/A:1008045108935.
    """
    diameter = SPOT_PX if settings.diameter_px == "auto" else float(settings.diameter_px)
    shape = planes[0].shape
    if min(shape) < 3:
        return np.zeros(shape, np.int32)
    where = np.ones(shape, bool) if within is None else within > 0
    response = sum(_in_noises(log_response(finite(p), diameter), where) for p in planes)
    response = np.asarray(response, dtype=np.float32) / np.sqrt(len(planes))
    window = max(3, int(diameter)) | 1
    peak = (response == ndi.maximum_filter(response, size=window)) & where
    peak &= response > _NOISES * settings.sensitivity
    seeds = _one_px_per_plateau(peak)
    if not seeds.any():
        return np.zeros(shape, np.int32)
    near = ndi.distance_transform_edt(seeds == 0) <= diameter / 2 + 0.5
    basin = flood(-response, seeds, near & where & (response > 0))
    height = np.zeros(int(seeds.max()) + 1, np.float32)
    height[seeds[seeds > 0]] = response[seeds > 0]
    spots = np.where(response >= 0.5 * height[basin], basin, 0).astype(np.int32)
    return _large_enough(spots, settings, diameter)


def log_response(plane: Plane, diameter_px: float) -> Plane:
    """Largest scale-normalised ``-LoG`` of the square root of the light, per px."""
    root = np.sqrt(np.maximum(plane - plane.min(), 0))
    best: Plane | None = None
    for scale in _SCALES:
        sigma = scale * diameter_px / (2 * np.sqrt(2))
        each = (-(sigma**2) * ndi.gaussian_laplace(root, sigma, mode="nearest")).astype(np.float32)
        best = each if best is None else np.maximum(best, each)
    assert best is not None
    return best


def _in_noises(response: Plane, where: npt.NDArray[np.bool_]) -> Plane:
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
