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
    factor, (height, width) = small.factor, seeds.shape
    mask = np.repeat(np.repeat(mask, factor, 0), factor, 1)[:height, :width]
    bright = np.repeat(np.repeat(small.bright, factor, 0), factor, 1)[:height, :width]
    away = ndi.distance_transform_edt(seeds == 0) / nucleus
    steps = np.round(64 * away - 32 * bright / max(float(bright.max()), 1e-6)).astype(np.int32)
    labels = flood(steps, seeds, mask | (seeds > 0))
    labels = fill_labels(largest_pieces(labels, 1), 0.4 * diameter**2)
    out: Labels = np.where(seeds > 0, seeds, labels).astype(np.int32)
    return out


def subtract_nuclei(cells: Labels, nuclei: Labels) -> Labels:
    """Cytoplasm: the cell without any nucleus, under the cell's own label."""
    out: Labels = np.where(nuclei > 0, 0, cells).astype(np.int32)
    return out
