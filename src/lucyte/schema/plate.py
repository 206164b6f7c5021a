"""Plate: the fields of an experiment, each with its identity and a way to open its pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
import xarray as xr

from lucyte.schema.errors import UsageError

IDENTITY = ("plate", "batch", "day", "well", "site", "condition")


class ImageSource(Protocol):
    """Something that opens as one lazily backed image. Picklable, cheap to hold."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it reads, for fingerprints and messages."""

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        """The files that hold one frame."""

    def open(self) -> xr.DataArray:
        """The image, dims from ``T C Z Y X``; InputError names the damaged file."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with the input that does not end the run.

    Attributes
    ----------
    where : str
        The file, well or field it concerns.
    kind : str
        ``damaged``, ``missing_frame``, ``missing_channel``, ``missing_well``, ``duplicate``,
        ``unmatched`` or ``other``.
    message : str
        One line: what was found and what follows from it.
    """

    where: str
    kind: str
    message: str


@dataclass(frozen=True)
class Field:
    """One site of one well, over all its channels and frames.

    Attributes
    ----------
    plate, batch, day, well, site, condition : str
        Identity; an empty string where unknown.
    source : ImageSource
        Opens the pixels; ``T`` coordinates are the microscope's own frame numbers.
    channels : tuple of str
        Names along C (empty where there is no C axis).
    time_indices : tuple of int
        Frame numbers present. A missing one is absent.
    shape_yx : tuple of int
        Height and width in px.
    z_planes : int
        Number of planes; 1 where there is no Z axis.
    pixel_size_um, interval_s : float or None
        None means unknown.
    meta : mapping
        Further columns of the plate map (dose, replicate, split ...).
    flags : tuple of str
        Known before looking: ``display-referred``, ``lossy`` ...
    """

    plate: str
    well: str
    site: str
    source: ImageSource
    channels: tuple[str, ...]
    time_indices: tuple[int, ...]
    shape_yx: tuple[int, int]
    z_planes: int = 1
    batch: str = ""
    day: str = ""
    condition: str = ""
    pixel_size_um: float | None = None
    interval_s: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    @property
    def field_id(self) -> str:
        """``plate_well_site``, safe as a file name and unique in a Plate."""
        raw = "_".join(part for part in (self.plate, self.well, f"s{self.site}") if part)
        return re.sub(r"[^A-Za-z0-9.+-]+", "_", raw).strip("_") or "field"

    @property
    def identity(self) -> dict[str, str]:
        """The identity columns of this field."""
        return {name: str(getattr(self, name)) for name in IDENTITY}


@dataclass(frozen=True)
class Plate:
    """The fields of one or several plates and what was found wrong on the way.

    Attributes
    ----------
    fields : tuple of Field
        Ordered by plate, well (A1 before A10), site.
    layout : str
        Name of the layout that read it (``cellular``, ``ome-zarr-plate``, ``folder`` ...).
    problems : tuple of Problem
    """

    fields: tuple[Field, ...]
    layout: str
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, Field] = {}
        for each in self.fields:
            if each.field_id in seen:
                raise UsageError(
                    f"two fields share the identity {each.field_id!r}: "
                    f"{seen[each.field_id].source.paths[:1]} and {each.source.paths[:1]}; "
                    "give a layout or pattern that tells them apart."
                )
            seen[each.field_id] = each

    def table(self) -> pd.DataFrame:
        """One row per field: identity, shape, sizes, plate-map columns."""
        rows = [
            {
                "field_id": each.field_id,
                **each.identity,
                "frames": len(each.time_indices),
                "channels": ",".join(each.channels),
                "height_px": each.shape_yx[0],
                "width_px": each.shape_yx[1],
                "z_planes": each.z_planes,
                "pixel_size_um": each.pixel_size_um,
                "interval_s": each.interval_s,
                **dict(each.meta),
            }
            for each in self.fields
        ]
        return pd.DataFrame(rows)


def well_sort_key(well: str) -> tuple[int, str, int, str]:
    """Orders wells as a plate is read: A1, A2, A10, B1, ..., AA1; other names after."""
    match = re.fullmatch(r"([A-Za-z]{1,2})0*(\d+)", well)
    if match is None:
        return (1, "", 0, well)
    row = match[1].upper()
    return (0, row.rjust(2), int(match[2]), well)
