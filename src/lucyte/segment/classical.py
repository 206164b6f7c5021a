"""One kind of object by a method without training, in a plane or in a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.channels import planes_of
from lucyte.segment.grow import grow_cells, grow_solid, subtract_nuclei
from lucyte.segment.organelles import threshold_organelles
from lucyte.segment.ridge import find_ridges
from lucyte.segment.size import estimate_diameter
from lucyte.segment.solid import solid_objects
from lucyte.segment.spots import find_spots
from lucyte.segment.stack import segment_stack
from lucyte.segment.threshold import threshold_objects

Planes = Sequence[npt.NDArray[Any]]


def find_classical(
    image: xr.DataArray,
    settings: ObjectSettings,
    labels: Mapping[str, Labels],
    pixel_size_um: float | None = None,
) -> Labels:
    """Find one kind.

    Parameters
    ----------
    image : DataArray [C] [Z] Y X
    settings : ObjectSettings
    labels : mapping of str to int32 array
        Kinds found before.
    pixel_size_um : float or None
        Instead of the image's own; only its ratio to the step in Z matters.

    Returns
    -------
    int32 array [Z] Y X

    Raises
    ------
    UsageError
        A channel or parent that is not there, an axis T, or a method that works in 3-D while the
        step in Z is unknown.
    """
    if settings.method == "subtract":
        cells = earlier(labels, settings.parent or "cell", settings)
        return subtract_nuclei(cells, earlier(labels, "nucleus", settings))
    planes, _ = planes_of(image, settings)
    parents = _parents(labels, settings)
    if planes[0].size == 0:
        return np.zeros(planes[0].shape, np.int32)
    if planes[0].ndim == 3 and len(planes[0]) == 1:
        # One plane is a plane: there is nothing to bend or to stitch along Z.
        flat = None if parents is None else parents[0]
        return _in_plane([plane[0] for plane in planes], flat, settings)[None]
    if planes[0].ndim == 2:
        return _in_plane(planes, parents, settings)
    known = known_anisotropy(image, settings, pixel_size_um)
    return _in_stack(planes, parents, settings, known, image.attrs.get("source") or "image")


def known_anisotropy(
    image: xr.DataArray, settings: ObjectSettings, pixel_size_um: float | None = None
) -> float | None:
    """Step in Z over the size of a px: asked for, or from the image, or None."""
    if settings.anisotropy != "auto":
        return settings.anisotropy
    step, size = image.attrs.get("z_step_um"), pixel_size_um or image.attrs.get("pixel_size_um")
    return float(step) / float(size) if step and size else None


def earlier(labels: Mapping[str, Labels], kind: str, settings: ObjectSettings) -> Labels:
    """Labels of a kind that must have been found before.

    Raises
    ------
    UsageError
        It was not.
    """
    if kind not in labels:
        raise unknown(
            f"parent kind of {settings.kind}",
            kind,
            labels,
            f"List {kind} before {settings.kind} in segment.objects.",
        )
    return labels[kind]


def _parents(labels: Mapping[str, Labels], settings: ObjectSettings) -> Labels | None:
    """Where the objects are looked for, or what they grow from; None for everywhere."""
    if settings.method == "grow":
        return earlier(labels, settings.parent or "nucleus", settings)
    organelle = settings.kind.startswith("organelle:")
    if settings.method == "threshold" and not organelle:
        return None
    # Organelles lie outside the nucleus; spots may be foci in it.
    usual = ("cell",) if organelle else ("cell", "nucleus")
    parent = settings.parent or next((kind for kind in usual if kind in labels), None)
    return earlier(labels, parent, settings) if parent else None


def _in_plane(planes: Planes, parents: Labels | None, settings: ObjectSettings) -> Labels:
    if settings.method == "grow":
        assert parents is not None
        return grow_cells(planes, parents, settings)
    if settings.method == "log":
        return find_spots(planes, parents, settings)
    if settings.method == "ridge":
        return find_ridges(planes, parents, settings)
    if settings.kind.startswith("organelle:"):
        return threshold_organelles(planes, parents, settings)
    return threshold_objects(planes, settings)


def _in_stack(
    planes: Planes,
    parents: Labels | None,
    settings: ObjectSettings,
    anisotropy: float | None,
    where: str,
) -> Labels:
    organelle = settings.kind.startswith("organelle:")
    if settings.method == "threshold" and settings.stack == "planes" and not organelle:
        return _stitched(planes, settings, anisotropy)
    if anisotropy is None:
        raise UsageError(
            f"{where}: {settings.kind} by {settings.method} works in 3-D and the step in Z over "
            f"the size of a px is unknown here. Write anisotropy = 3.0 (or what it is) for "
            f"{settings.kind} in the plan."
        )
    if settings.method == "grow":
        assert parents is not None
        return grow_solid(planes, parents, settings, anisotropy)
    if settings.method == "log":
        return find_spots(planes, parents, settings, anisotropy)
    if settings.method == "ridge":
        return find_ridges(planes, parents, settings, anisotropy)
    if organelle:
        return threshold_organelles(planes, parents, settings, anisotropy)
    diameter = _diameter(planes, settings)
    if diameter is None:
        return np.zeros(planes[0].shape, np.int32)
    return solid_objects(planes, settings, diameter, anisotropy)


def _stitched(planes: Planes, settings: ObjectSettings, anisotropy: float | None) -> Labels:
    diameter = _diameter(planes, settings)
    if diameter is None:
        return np.zeros(planes[0].shape, np.int32)
    one_size = settings.model_copy(update={"diameter_px": diameter})
    return segment_stack(
        np.stack([np.asarray(plane) for plane in planes], axis=1),
        lambda channels: threshold_objects(list(channels), one_size),
        anisotropy=anisotropy,
    )


def _diameter(planes: Planes, settings: ObjectSettings) -> float | None:
    """One size for all planes: asked for, or that in the plane with the most light."""
    if settings.diameter_px != "auto":
        return float(settings.diameter_px)
    light = np.zeros(len(planes[0]))
    for volume in planes:
        spread = np.array([np.ptp(np.nanquantile(p, (0.5, 0.99))) for p in _finite(volume)])
        light += spread / max(float(spread.max(initial=0)), 1e-9)
    best = int(light.argmax())
    return estimate_diameter([volume[best] for volume in planes])


def _finite(volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values = np.asarray(volume, dtype=np.float32)
    return np.where(np.isfinite(values), values, 0)
