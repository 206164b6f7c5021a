"""Where planes disagree on one object or several, the majority of the planes near decides.

A slice that holds several slices of a neighbouring plane is either two objects that ran together
in this plane or one that fell apart in the other. The planes two above and below vote on the same
footprint: the slice is divided, each px to the nearest part, or the parts are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.segment.operations import Mask

_REACH = 2
_NO_CRUMB = 0.15
_COVERS = 0.5


def agree(planes: Sequence[Labels], min_overlap: float = 0.5) -> list[Labels]:
    """The planes with slices divided or joined as the planes near them say.

    Parameters
    ----------
    planes : sequence of int32 array Y X
        Slices found plane by plane.
    min_overlap : float
        A part lies in a slice by at least this share of its own px.

    Returns
    -------
    list of int32 array Y X
    """
    out = [plane.copy() for plane in planes]
    sizes = [np.bincount(plane.reshape(-1)) for plane in planes]
    for z, plane in enumerate(planes):
        for name, place in enumerate(ndi.find_objects(plane), 1):
            if place is None:
                continue
            slice_px = plane[place] == name
            seen = {
                other: _parts(planes[other][place], slice_px, sizes[other], min_overlap)
                for other in range(max(0, z - _REACH), min(len(planes), z + _REACH + 1))
                if other != z
            }
            beside = [other for other in (z - 1, z + 1) if len(seen.get(other, [])) > 1]
            if not beside:
                continue
            votes = Counter(
                "several" if len(parts) > 1 else "one" for parts in seen.values() if parts
            )
            # The slice itself is a vote for one.
            if votes["several"] > votes["one"] + 1:
                nearest = planes[beside[0]][place]
                _divide(
                    out[z], place, slice_px, np.where(np.isin(nearest, seen[beside[0]]), nearest, 0)
                )
                continue
            for other in beside:
                first, *rest = seen[other]
                out[other][np.isin(planes[other], rest)] = first
    return out


def _parts(
    there: Labels, slice_px: Mask, size: npt.NDArray[np.int64], min_overlap: float
) -> list[int]:
    """Slices of another plane that make up this one, largest first; one alone if it covers it."""
    names, count = np.unique(there[slice_px], return_counts=True)
    inside = (names > 0) & (count >= min_overlap * size[names])
    parts = inside & (count >= _NO_CRUMB * slice_px.sum())
    if parts.sum() > 1:
        order = np.argsort(-count[parts], kind="stable")
        return [int(k) for k in names[parts][order]]
    covers = (names > 0) & (count >= _COVERS * slice_px.sum())
    return [int(k) for k in names[covers][:1]]


def _divide(
    plane: Labels, place: tuple[slice, ...], slice_px: Mask, parts: npt.NDArray[np.int32]
) -> None:
    """Each px of a slice to the nearest part, under new names."""
    nearest = ndi.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    owner = parts[tuple(nearest)]
    fresh = int(plane.max())
    here = plane[place]
    for k, name in enumerate(np.unique(owner[slice_px])[1:], 1):
        here[slice_px & (owner == name)] = fresh + k
