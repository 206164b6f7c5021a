"""Organelles by threshold: in every parent cell a level of its own.

A dim cell beside a bright one has organelles too: the level is chosen from the light of each
parent alone, and lies at least four noises above what is usual in it, so that an even cell has
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.light import Plane, finite
from lucyte.segment.operations import Level, label, level
from lucyte.segment.outline import renumber
from lucyte.segment.solid import Solid, split_solid
from lucyte.segment.split import split_mask

ORGANELLE_PX = 6.0
_NOISES = 4.0
_AROUND = 1.5


def threshold_organelles(
    planes: Sequence[npt.NDArray[Any]],
    within: Labels | None,
    settings: ObjectSettings,
    anisotropy: float = 1.0,
) -> Labels:
    """Label compact organelles, each within one parent.

    Parameters
    ----------
    planes : sequence of array Y X or Z Y X
        Raw channels; summed, each by its own spread in the parents.
    within : int32 array or None
        Parents; None: the whole image is one.
    settings : ObjectSettings
        ``threshold``: ``adaptive`` and ``local`` take the light above its mean around, within
        about three diameters, ``otsu``, ``li`` and ``triangle`` the light itself;
        ``diameter_px`` (``auto``: 6 px), ``sensitivity``, ``min_area_px`` (``auto``: a tenth of
        the diameter's square), ``split``.
    anisotropy : float
        Step in Z over the size of a px, of a stack.

    Returns
    -------
    int32 array of the shape of a plane

    References
    ----------
    Otsu 1979, doi 10.1109/TSMC.1979.4310076.
    """
    side = ORGANELLE_PX if settings.diameter_px == "auto" else float(settings.diameter_px)
    shape = planes[0].shape
    parents = np.ones(shape, np.int32) if within is None else within
    if min(shape[-2:]) < 3 or not (parents > 0).any():
        return np.zeros(shape, np.int32)
    steps = np.array((anisotropy, 1.0, 1.0))[-len(shape) :]
    values = np.zeros(shape, np.float32)
    for plane in planes:
        quiet = ndi.gaussian_filter(finite(plane), 0.7 / steps, mode="nearest")
        if settings.threshold in ("adaptive", "local"):
            quiet = quiet - _mean_around(quiet, parents > 0, _AROUND * side / steps)
        spread = _spread(quiet[parents > 0])
        values += quiet / np.float32(spread) if spread > 0 else 0
    mask = values > _levels(values, parents, settings)[parents]
    pieces = _split(mask, values, side, anisotropy) if settings.split else label(mask)
    smallest = settings.min_area_px
    least = max(2.0, 0.1 * side**2) if smallest == "auto" else float(smallest)
    return _each_in_one_parent(np.where(mask, pieces, 0), parents, least)


def _each_in_one_parent(pieces: npt.NDArray[Any], parents: Labels, least: float) -> Labels:
    """A piece across a border between two parents is two; those too small are dropped."""
    inside = pieces > 0
    code = pieces[inside].astype(np.int64) * (int(parents.max()) + 1) + parents[inside]
    _, name, area = np.unique(code, return_inverse=True, return_counts=True)
    out = np.zeros(pieces.shape, np.int32)
    out[inside] = np.where(area[name] >= least, name + 1, 0)
    return renumber(out)


def _levels(values: Plane, parents: Labels, settings: ObjectSettings) -> npt.NDArray[np.float32]:
    """Level of each parent; infinite for the background."""
    out = np.full(int(parents.max()) + 1, np.inf, np.float32)
    asked = settings.threshold
    rule: Level = "otsu" if asked == "adaptive" or asked == "local" else asked
    for name, place in enumerate(ndi.find_objects(parents), 1):
        if place is None:
            continue
        mine = values[place][parents[place] == name]
        usual = float(np.median(mine))
        if float(mine.max()) - float(mine.min()) <= 1e-6:
            continue
        above = max(level(mine, rule) - usual, _NOISES * _spread(mine))
        out[name] = usual + above * settings.sensitivity
    return out


def _mean_around(plane: Plane, where: npt.NDArray[np.bool_], sigmas: npt.NDArray[Any]) -> Plane:
    """Gaussian mean of the px within the parents alone."""
    weight = ndi.gaussian_filter(where.astype(np.float32), sigmas, mode="nearest")
    total = ndi.gaussian_filter(np.where(where, plane, 0), sigmas, mode="nearest")
    out: Plane = (total / np.maximum(weight, 1e-6)).astype(np.float32)
    return out


def _spread(values: Plane) -> float:
    """Standard deviation of the lower half, which organelles hardly touch."""
    middle = np.median(values)
    return 1.4826 * float(np.median(middle - values[values <= middle]))


def _split(
    mask: npt.NDArray[np.bool_], values: Plane, side: float, anisotropy: float
) -> npt.NDArray[np.integer[Any]]:
    positive = np.maximum(values, 0)
    if mask.ndim == 2 or not mask.any():
        return split_mask(mask, positive, side) if mask.ndim == 2 else label(mask)
    return split_solid(mask, Solid(1, side, anisotropy, positive))
