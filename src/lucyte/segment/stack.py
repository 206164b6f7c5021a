"""A stack segmented plane by plane: any 2-D method, its planes reconciled, stitched and mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.segment.operations import Mask
from lucyte.segment.outline import renumber
from lucyte.segment.planes_agree import agree
from lucyte.segment.stitch import check_limits, stitch_planes

_WAIST = 0.7
_FLAT = 0.25


def segment_stack(
    image: npt.NDArray[Any],
    segment_plane: Callable[[npt.NDArray[Any]], Labels],
    *,
    min_overlap: float = 0.5,
    max_gap: int = 1,
    anisotropy: float | None = None,
) -> Labels:
    """Objects through Z from a 2-D method.

    Each plane is segmented alone; where planes disagree on one object or several the planes near
    decide (:mod:`lucyte.segment.planes_agree`); slices that overlap become one label
    (:mod:`lucyte.segment.stitch`); a label with a waist along Z is cut there; planes in which an
    object is missing are filled in.

    Parameters
    ----------
    image : array Z Y X, or any array whose first axis is Z
        What ``segment_plane`` takes, one entry per plane (for instance Z C Y X).
    segment_plane : callable
        One plane to a label image Y X.
    min_overlap : float
        Least share of the smaller of two slices that lies in the larger.
    max_gap : int
        Planes in which an object may be missing.
    anisotropy : float or None
        Step in Z over the size of a px. Where it is known, flakes are dropped: objects less than a
        quarter as high as they are wide that do not touch the first or last plane. None: unknown,
        nothing is dropped.

    Returns
    -------
    int32 array Z Y X
        Labels 1 to n.

    Raises
    ------
    UsageError
        No axis Z, or limits out of range.

    References
    ----------
    Stringer et al. 2021, doi 10.1038/s41592-020-01018-x.
    """
    if image.ndim < 3:
        raise UsageError(f"a stack has an axis Z before Y and X, got {image.ndim} axes.")
    check_limits(min_overlap, max_gap)
    _check_step(anisotropy)
    planes = [np.asarray(segment_plane(plane), dtype=np.int32) for plane in image]
    if not planes:
        return np.zeros((0, *image.shape[-2:]), np.int32)
    return join_planes(planes, min_overlap=min_overlap, max_gap=max_gap, anisotropy=anisotropy)


def join_planes(
    planes: Sequence[Labels],
    *,
    min_overlap: float = 0.5,
    max_gap: int = 1,
    anisotropy: float | None = None,
) -> Labels:
    """What :func:`segment_stack` does once every plane has its labels.

    Raises
    ------
    UsageError
        Limits out of range, planes of different sizes.
    """
    check_limits(min_overlap, max_gap)
    _check_step(anisotropy)
    stitched = stitch_planes(agree(planes, min_overlap), min_overlap=min_overlap, max_gap=max_gap)
    labels = fill_gaps(cut_waists(stitched))
    return labels if anisotropy is None else drop_flakes(labels, anisotropy)


def _check_step(anisotropy: float | None) -> None:
    if anisotropy is not None and not anisotropy > 0:
        raise UsageError(f"anisotropy is step in Z over px, above 0, got {anisotropy:g}.")


def cut_waists(labels: Labels) -> Labels:
    """Cut a label where its slices are far smaller than above and below: two objects, stacked.

    The cut is at the smallest slice whose radius is at most 0.7 of the largest on both sides.
    """
    out = labels.copy()
    fresh = int(labels.max(initial=0))
    for name, place in enumerate(ndi.find_objects(labels), 1):
        if place is None:
            continue
        area = (labels[place] == name).sum(axis=(1, 2))
        for low, high in _between_waists(area)[1:]:
            fresh += 1
            part = out[place][low:high]
            part[labels[place][low:high] == name] = fresh
    return renumber(out)


def _between_waists(area: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Half-open ranges of planes; empty planes at a cut belong to the part above."""
    radius = np.sqrt(area)
    here = np.flatnonzero(area > 0)
    inner = here[1:-1]
    for z in inner[np.argsort(radius[inner], kind="stable")]:
        if radius[z] <= _WAIST * min(radius[:z].max(), radius[z + 1 :].max()):
            cut = int(z) + int(radius[z + 1 :].argmax() >= radius[:z][::-1].argmax())
            first = _between_waists(area[:cut])
            second = [(a + cut, b + cut) for a, b in _between_waists(area[cut:])]
            return first + second
    return [(0, len(area))]


def fill_gaps(labels: Labels) -> Labels:
    """Fill planes in which an object is missing with the shape half way, on background alone."""
    out = labels.copy()
    for name, place in enumerate(ndi.find_objects(labels), 1):
        if place is None:
            continue
        mine = labels[place] == name
        present = np.flatnonzero(mine.any(axis=(1, 2)))
        for low, high in pairwise(present):
            for z in range(low + 1, high):
                shape = _between(mine[low], mine[high], (z - low) / (high - low))
                here = out[place][z]
                here[shape & (here == 0)] = name
    return out


def drop_flakes(labels: Labels, anisotropy: float) -> Labels:
    """Without objects much flatter than wide, unless the stack ends within them."""
    keep = np.ones(int(labels.max(initial=0)) + 1, dtype=np.bool_)
    for name, place in enumerate(ndi.find_objects(labels), 1):
        if place is None:
            continue
        low, high = place[0].start, place[0].stop
        widest = (labels[place] == name).sum(axis=(1, 2)).max()
        wide = 2 * np.sqrt(widest / np.pi)
        cut_off = low == 0 or high == len(labels)
        keep[name] = cut_off or (high - low) * anisotropy >= _FLAT * wide
    return renumber(np.where(keep[labels], labels, 0).astype(np.int32))


def _between(first: Mask, second: Mask, share: float) -> Mask:
    """The shape between two, by their signed distances."""
    depth = [
        ndi.distance_transform_edt(mask) - ndi.distance_transform_edt(~mask)
        for mask in (first, second)
    ]
    out: Mask = (1 - share) * depth[0] + share * depth[1] > 0
    return out
