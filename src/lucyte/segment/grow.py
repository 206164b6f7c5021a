"""Whole cells grown outwards from their nuclei, and what remains of a cell without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.foreground import foreground
from lucyte.segment.operations import flood
from lucyte.segment.outline import fill_labels, largest_pieces
from lucyte.segment.solid import reduce_stack, solid_foreground
from lucyte.segment.threshold import reduce

_CELL_TO_NUCLEUS = 2.0


def grow_cells(
    planes: Sequence[npt.NDArray[Any]], seeds: Labels, settings: ObjectSettings
) -> Labels:
    """One cell per nucleus, with the nucleus's label, out to where the light ends.

    A watershed on the distance from the nuclei, less half a nucleus where the light is brightest,
    starts from every nucleus and stops at the threshold: cells meet half way where the light is
    even. A nucleus without light around it is its own cell.

    Parameters
    ----------
    planes : sequence of array Y X
        Channels that fill the cell.
    seeds : int32 array Y X
        Nuclei.
    settings : ObjectSettings
        ``diameter_px`` is that of a cell; ``auto``: twice that of a nucleus.

    References
    ----------
    Jones et al. 2005, doi 10.1007/11569541_54 (growth from seeds that weighs light and distance).
    """
    area = np.bincount(seeds.reshape(-1))[1:]
    area = area[area > 0]
    if len(area) == 0:
        return np.zeros_like(seeds)
    nucleus = 2 * float(np.sqrt(np.median(area) / np.pi))
    asked = settings.diameter_px
    diameter = _CELL_TO_NUCLEUS * nucleus if asked == "auto" else float(asked)
    small = reduce(planes, diameter)
    rule = "otsu" if settings.threshold == "adaptive" else settings.threshold
    mask = foreground(small.bright, small.side, rule, settings.sensitivity)
    mask = _in_full(mask, small.factor, seeds.shape)
    bright = _in_full(small.bright, small.factor, seeds.shape)
    away = ndi.distance_transform_edt(seeds == 0) / nucleus
    steps = np.round(64 * away - 32 * bright / max(float(bright.max()), 1e-6)).astype(np.int32)
    labels = flood(steps, seeds, mask | (seeds > 0))
    labels = fill_labels(largest_pieces(labels, 1), 0.4 * diameter**2)
    out: Labels = np.where(seeds > 0, seeds, labels).astype(np.int32)
    return out


def grow_solid(
    volumes: Sequence[npt.NDArray[Any]],
    seeds: Labels,
    settings: ObjectSettings,
    anisotropy: float,
) -> Labels:
    """The same in a stack, with distances in 3-D.

    Parameters
    ----------
    volumes : sequence of array Z Y X
        Channels that fill the cell.
    seeds : int32 array Z Y X
        Nuclei.
    settings : ObjectSettings
        ``threshold``: one level for the stack; ``adaptive`` and ``local`` mean Otsu here.
    anisotropy : float
        Step in Z over the size of a px.
    """
    size = int(seeds.max(initial=0)) + 1
    widest = np.max([np.bincount(p.reshape(-1), minlength=size) for p in seeds], axis=0)[1:]
    widest = widest[widest > 0]
    if len(widest) == 0:
        return np.zeros_like(seeds)
    nucleus = 2 * float(np.sqrt(np.median(widest) / np.pi))
    asked = settings.diameter_px
    diameter = _CELL_TO_NUCLEUS * nucleus if asked == "auto" else float(asked)
    solid = reduce_stack(volumes, diameter, anisotropy)
    rule = "otsu" if settings.threshold == "adaptive" else settings.threshold
    mask = solid_foreground(solid, rule, settings.sensitivity)
    mask = _in_full(mask, solid.factor, seeds.shape)
    light = _in_full(solid.light, solid.factor, seeds.shape)
    away = ndi.distance_transform_edt(seeds == 0, sampling=(anisotropy, 1, 1)) / nucleus
    steps = np.round(64 * away - 32 * light / max(float(light.max()), 1e-6)).astype(np.int32)
    grown = flood(steps, seeds, mask | (seeds > 0))
    out: Labels = np.where(seeds > 0, seeds, grown).astype(np.int32)
    return out


def _in_full(blocks: npt.NDArray[Any], factor: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    wide = np.repeat(np.repeat(blocks, factor, -2), factor, -1)
    return wide[..., : shape[-2], : shape[-1]]


def subtract_nuclei(cells: Labels, nuclei: Labels) -> Labels:
    """Cytoplasm: the cell without any nucleus, under the cell's own label."""
    out: Labels = np.where(nuclei > 0, 0, cells).astype(np.int32)
    return out
