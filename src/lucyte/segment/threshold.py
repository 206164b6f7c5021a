"""Nuclei or whole cells by threshold: light, candidates, outlines, splitting, judgement.

Found on a reduced image where objects are large, outlined on the full one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.foreground import foreground, threshold_surface
from lucyte.segment.light import (
    Plane,
    above_background,
    background_spread,
    enlarge,
    finite,
    light,
    linear_light,
    shrink,
)
from lucyte.segment.operations import flood, label
from lucyte.segment.outline import largest_pieces, object_levels, outline, renumber
from lucyte.segment.quality import CELL, NUCLEUS, accept
from lucyte.segment.size import estimate_diameter
from lucyte.segment.split import split_clumps, split_mask
from lucyte.segment.tree import best_patches

_WORK_PX = 24
_NUCLEUS_LEVEL, _CELL_LEVEL = 0.38, 0.16


@dataclass(frozen=True)
class Reduced:
    """Planes at the resolution the search works at.

    Attributes
    ----------
    factor : int
        Full-resolution px per px here.
    side : float
        Typical diameter in px here.
    bright : float32 array Y X
        Compressed light.
    linear : float32 array Y X
        Light above background in units of its spread, summed over channels.
    even : float32 array Y X
        Light above background, each channel at most 1, mean over channels.
    """

    factor: int
    side: float
    bright: Plane
    linear: Plane
    even: Plane


def reduce(planes: Sequence[npt.NDArray[Any]], diameter_px: float) -> Reduced:
    """Shrink until an object is about 24 to 48 px across; take the light above background."""
    factor = max(1, int(diameter_px // _WORK_PX))
    side = diameter_px / factor
    small = [shrink(finite(plane), factor) for plane in planes]
    smooth = max(0.06 * side, 0.7)
    linear = np.zeros_like(small[0])
    for plane in small:
        quiet = above_background(plane, 8 * side, 0.6 * smooth)
        scale = max(background_spread(quiet), 1e-3 * float(np.abs(quiet).max()))
        linear += quiet / np.float32(scale) if scale > 0 else 0
    bright = light(small, 8 * side, smooth)
    return Reduced(factor, side, bright, linear, linear_light(small, 8 * side, smooth))


def threshold_objects(planes: Sequence[npt.NDArray[Any]], settings: ObjectSettings) -> Labels:
    """Label image of one kind of object by threshold.

    Parameters
    ----------
    planes : sequence of array Y X
        Raw channels; summed after each is scaled by its own background.
    settings : ObjectSettings
        Threshold, sensitivity, diameter, smallest area, whether to split.

    Returns
    -------
    int32 array Y X
        Labels 1 to n, each one connected piece.
    """
    shape = planes[0].shape
    nothing = np.zeros(shape, np.int32)
    if min(shape) < 3:
        return nothing
    asked = settings.diameter_px
    diameter = estimate_diameter(planes) if asked == "auto" else float(asked)
    if diameter is None:
        return nothing
    small = reduce(planes, diameter)
    least = smallest_area(settings, diameter)
    found = _find(small, settings, least / small.factor**2)
    if not found.any():
        return nothing
    if small.factor == 1:
        return renumber(largest_pieces(found, least))
    return _outline_in_full(small, found, settings, (shape[0], shape[1]), least)


def smallest_area(settings: ObjectSettings, diameter_px: float) -> float:
    """The area in px below which an object is dropped: asked for, or a disc of a quarter."""
    if settings.min_area_px == "auto":
        return float(np.pi / 4 * (diameter_px / 4) ** 2)
    return float(settings.min_area_px)


def level_fraction(settings: ObjectSettings) -> float:
    """At which share of its own light an object ends."""
    return _NUCLEUS_LEVEL if settings.kind == "nucleus" else _CELL_LEVEL


def _find(small: Reduced, settings: ObjectSettings, least: float) -> Labels:
    fraction = level_fraction(settings)
    if settings.threshold != "adaptive":
        mask = foreground(small.even, small.side, settings.threshold, settings.sensitivity)
        if not settings.split:
            return label(mask).astype(np.int32)
        return split_mask(mask, small.bright, small.side)
    seeds = best_patches(small.bright, small.side, settings.sensitivity)
    if not seeds.any():
        return seeds
    near = ndi.distance_transform_edt(seeds == 0) < small.side
    territory = flood(-small.bright, seeds, near)
    levels = object_levels(small.linear, seeds, fraction)
    found = outline(small.linear, territory, levels, small.side, least)
    if settings.split:
        found = split_clumps(found, small.linear, small.side)
    standard = NUCLEUS if settings.kind == "nucleus" else CELL
    return accept(found, small.linear, small.side, standard, settings.sensitivity)


def _outline_in_full(
    small: Reduced,
    found: Labels,
    settings: ObjectSettings,
    shape: tuple[int, int],
    least: float,
) -> Labels:
    near = ndi.distance_transform_edt(found == 0) < 2
    territory = flood(-small.bright, found, near)
    factor = small.factor
    territory = np.repeat(np.repeat(territory, factor, 0), factor, 1)[: shape[0], : shape[1]]
    if settings.threshold == "adaptive":
        linear = enlarge(small.linear, shape, factor)
        levels = object_levels(small.linear, found, level_fraction(settings))
    else:
        surface = threshold_surface(small.even, small.side, settings.threshold)
        linear = enlarge(small.even - surface * np.float32(settings.sensitivity), shape, factor)
        levels = np.zeros(int(found.max()) + 1, np.float32)
        levels[0] = np.inf
    return outline(linear, territory, levels, small.side * factor, least)
