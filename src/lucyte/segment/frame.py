"""Segmenting one frame: every kind of object in the order of the plan, with parents."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.objects import FrameObjects, Labels
from lucyte.schema.plan import ObjectSettings, SegmentSettings
from lucyte.segment.channels import default_objects, planes_of
from lucyte.segment.grow import grow_cells, subtract_nuclei
from lucyte.segment.parents import parents_by_overlap
from lucyte.segment.spots import find_spots
from lucyte.segment.threshold import threshold_objects

__all__ = ["default_objects", "segment_frame"]

Parents = npt.NDArray[np.int32]


def segment_frame(
    image: xr.DataArray, settings: SegmentSettings, pixel_size_um: float | None = None
) -> FrameObjects:
    """Find the objects of one frame.

    Parameters
    ----------
    image : DataArray C Y X or Y X
        Raw units, named channels.
    settings : SegmentSettings
        Kinds in the order in which they are found; a kind may build on an earlier one.
    pixel_size_um : float or None
        Not needed by the classical methods, which work in px.

    Returns
    -------
    FrameObjects
        One label image per kind; parents of nuclei, cytoplasm and spots are cells where cells
        were found, otherwise the parent kind that the plan names.

    Raises
    ------
    UsageError
        Unknown channel, a channel of transmitted light, a kind listed twice or built on one that
        is not found before it, an axis T or Z.
    """
    labels: dict[str, Labels] = {}
    for each in settings.objects:
        if each.kind in labels:
            raise UsageError(f"segment.objects: {each.kind!r} is listed twice; keep one of them.")
        labels[each.kind] = _find(image, each, labels)
    named = {each.kind: each.parent for each in settings.objects}
    return FrameObjects(labels=labels, parents=_parents(labels, named))


def _find(image: xr.DataArray, settings: ObjectSettings, labels: dict[str, Labels]) -> Labels:
    if settings.method == "subtract":
        cells = _earlier(labels, settings.parent or "cell", settings)
        return subtract_nuclei(cells, _earlier(labels, "nucleus", settings))
    planes, _ = planes_of(image, settings)
    if settings.method == "grow":
        return grow_cells(
            planes, _earlier(labels, settings.parent or "nucleus", settings), settings
        )
    if settings.method == "log":
        default = next((kind for kind in ("cell", "nucleus") if kind in labels), None)
        parent = settings.parent or default
        within = _earlier(labels, parent, settings) if parent else None
        return find_spots(planes, within, settings)
    return threshold_objects(planes, settings)


def _earlier(labels: dict[str, Labels], kind: str, settings: ObjectSettings) -> Labels:
    if kind not in labels:
        raise unknown(
            f"parent kind of {settings.kind}",
            kind,
            labels,
            f"List {kind} before {settings.kind} in segment.objects.",
        )
    return labels[kind]


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
