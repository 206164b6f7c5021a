"""Splitting: touching objects come apart where they are narrow or dim between them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.segment.light import Plane
from lucyte.segment.operations import Mask, flood, h_maxima, label
from lucyte.segment.quality import roundness

_RISE = 0.08
_LIGHT_WEIGHT = 0.5
_WHOLE = 0.95
_CONVEX = 0.93


def split_mask(mask: Mask, bright: Plane, side: float) -> Labels:
    """Watershed of a whole mask from the significant maxima of depth and light together.

    Depth is the distance to the background in radii, at most 1.3; light is relative to the
    brightest within a diameter. A maximum that does not rise by 0.08 above the pass to a higher
    one is no object of its own (h-maxima).

    Parameters
    ----------
    mask : bool array Y X
    bright : float32 array Y X
        Compressed light.
    side : float
        Diameter of a typical object in px.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    smooth = ndi.gaussian_filter(bright, side / 8)
    brightest = ndi.maximum_filter(smooth, size=int(side) | 1)
    depth = ndi.distance_transform_edt(mask)
    return _flood(mask, depth, side / 2, smooth / np.maximum(brightest, 1e-6), side)


def split_clumps(labels: Labels, linear: Plane, side: float) -> Labels:
    """The same for each label that is neither an ellipse nor convex; the others stay whole.

    Parameters
    ----------
    labels : int32 array Y X
    linear : float32 array Y X
        Light above background.
    side : float
        Diameter of a typical object in px.
    """
    names, ellipse, solidity = roundness(labels)
    out = labels.copy()
    fresh = int(labels.max(initial=0)) + 1
    places = ndi.find_objects(labels)
    for name, fit, solid in zip(names, ellipse, solidity, strict=True):
        place = places[int(name) - 1]
        if (fit > _WHOLE and solid > _CONVEX) or place is None:
            continue
        mask = np.pad(labels[place] == name, 1)
        light = ndi.gaussian_filter(np.pad(linear[place], 1, mode="edge"), side / 8)
        depth = ndi.distance_transform_edt(mask)
        relative = np.where(mask, light / max(float(light[mask].max()), 1e-6), 0)
        parts = _flood(mask, depth, min(float(depth.max()), side / 2), relative, side)[1:-1, 1:-1]
        more = parts > 1
        out[place][more] = fresh + parts[more] - 2
        fresh += max(int(parts.max()) - 1, 0)
    return out


def _flood(
    mask: Mask,
    depth: npt.NDArray[np.floating],
    radius: float,
    relative: npt.NDArray[np.floating],
    side: float,
) -> Labels:
    shape = np.minimum(depth / radius, 1.3) + _LIGHT_WEIGHT * np.where(mask, relative, 0)
    relief = ndi.gaussian_filter(shape, max(0.5, side / 20)).astype(np.float32)
    seeds = h_maxima(relief, _RISE)
    seeds[~mask] = 0
    found = flood(-relief, seeds, mask)
    # A piece that smoothing left without a maximum is still a piece.
    rest = label(mask & (found == 0))
    out: Labels = np.where(rest > 0, rest + int(found.max()), found).astype(np.int32)
    return out
