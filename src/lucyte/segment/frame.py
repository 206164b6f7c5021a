"""Segmenting one frame: every kind of object in the order of the plan, with parents."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import FrameObjects, Labels
from lucyte.schema.plan import ObjectSettings, SegmentSettings
from lucyte.segment.channels import default_objects
from lucyte.segment.classical import find_classical, known_anisotropy
from lucyte.segment.finder import Finder, find_with
from lucyte.segment.parents import parents_by_overlap
from lucyte.segment.stack import join_planes

__all__ = ["default_objects", "segment_frame"]

Parents = npt.NDArray[np.int32]


def segment_frame(
    image: xr.DataArray,
    settings: SegmentSettings,
    pixel_size_um: float | None = None,
    finders: Mapping[str, Finder] | None = None,
    hints: Mapping[str, float] | None = None,
) -> FrameObjects:
    """Find the objects of one frame.

    Parameters
    ----------
    image : DataArray [C] [Z] Y X
        Raw units, named channels. A stack is segmented plane by plane and stitched, or in 3-D, as
        ``stack`` of each kind says; spots, tubes and growth are in 3-D.
    settings : SegmentSettings
        Kinds in the order in which they are found; a kind may build on an earlier one.
    pixel_size_um : float or None
        Instead of the image's own, for the ratio of the step in Z to it; in a plane the classical
        methods work in px.
    finders : mapping of str to Finder
        The opened model of each ``model`` that the settings name.
    hints : mapping of kind to float
        ``diameters_px`` of another frame of the same field; saves the search for the size.

    Returns
    -------
    FrameObjects
        One label image per kind; parents of nuclei, cytoplasm and spots are cells where cells
        were found, otherwise the parent kind that the plan names.

    Raises
    ------
    UsageError
        Unknown channel, a channel of transmitted light, a kind listed twice or built on one that
        is not found before it, an axis T, or a step in Z that is needed and unknown.
    """
    labels: dict[str, Labels] = {}
    sure: dict[str, npt.NDArray[np.float64]] = {}
    moves: dict[str, npt.NDArray[np.float64]] = {}
    sizes: dict[str, float] = {}
    for each in settings.objects:
        if each.kind in labels:
            raise UsageError(f"segment.objects: {each.kind!r} is listed twice; keep one of them.")
        if each.method == "network":
            if "Z" in image.dims:
                labels[each.kind] = _stacked(image, each, finders or {}, pixel_size_um)
                continue
            found = find_with(image, each, finders or {}, (hints or {}).get(each.kind))
            if np.isfinite(found.diameter_px):
                sizes[each.kind] = found.diameter_px
            labels[each.kind] = found.labels
            sure[each.kind] = np.concatenate([[np.nan], found.scores]).astype(np.float64)
            if found.uncertainty is not None:
                moves[each.kind] = np.concatenate([[np.nan], found.uncertainty]).astype(np.float64)
        else:
            labels[each.kind] = find_classical(image, each, labels, pixel_size_um)
    named = {each.kind: each.parent for each in settings.objects}
    parents = _parents(labels, named)
    return FrameObjects(labels, parents, sure, moves, sizes)


def _stacked(
    image: xr.DataArray,
    settings: ObjectSettings,
    finders: Mapping[str, Finder],
    pixel_size_um: float | None,
) -> Labels:
    """A model's planes stitched; a score of one plane is none of the object, so there is none."""
    planes = [find_with(image.isel(Z=z), settings, finders).labels for z in range(image.sizes["Z"])]
    step = known_anisotropy(image, settings, pixel_size_um)
    return join_planes(planes, anisotropy=step if len(planes) > 1 else None)


def _parents(labels: dict[str, Labels], named: dict[str, str | None]) -> dict[str, Parents]:
    out: dict[str, Parents] = {}
    for kind, mine in labels.items():
        # A cell grown from a nucleus is the nucleus's parent, not its child.
        parent = "cell" if kind != "cell" and "cell" in labels else named[kind]
        if kind == "cell" or parent is None or parent not in labels:
            out[kind] = np.zeros(int(mine.max(initial=0)) + 1, np.int32)
        elif kind == "cytoplasm":
            names = np.arange(int(mine.max(initial=0)) + 1, dtype=np.int32)
            out[kind] = np.where(np.isin(names, mine), names, 0).astype(np.int32)
            out[kind][:1] = 0
        else:
            out[kind] = parents_by_overlap(mine, labels[parent])
    return out
