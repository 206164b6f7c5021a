"""The charter of axes and units: what an image is, everywhere in Lucyte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from lucyte.schema.errors import UsageError, unknown

AXES = "TCZYX"


def make_image(
    data: Any,
    dims: str,
    *,
    channels: Sequence[str] | None = None,
    time_indices: Sequence[int] | None = None,
    pixel_size_um: float | None = None,
    z_step_um: float | None = None,
    interval_s: float | None = None,
    source: str = "",
    flags: Sequence[str] = (),
) -> xr.DataArray:
    """Wrap pixels as an image of the charter.

    Parameters
    ----------
    data : array (numpy or dask)
        Pixels in raw units (counts), any real or integer type.
    dims : str
        One letter per axis of ``data``, from ``T C Z Y X`` and in that order.
    channels : sequence of str
        Names along ``C``; required when ``C`` is there, unique, not empty.
    time_indices : sequence of int
        Frame numbers along ``T`` as the microscope counted them; default 0, 1, 2 ...
        A frame that is missing is absent here, never zeros.
    pixel_size_um, z_step_um : float or None
        Micrometres per pixel in Y and X, and per plane in Z. None means unknown.
    interval_s : float or None
        Seconds between consecutive frame numbers. None means unknown.
    source : str
        Where the pixels come from, for messages.
    flags : sequence of str
        What must be known before believing intensities, e.g. ``display-referred``.

    Raises
    ------
    UsageError
        Axes outside the charter or out of order, names that do not fit the axis.
    """
    check_dims(dims, source)
    if len(dims) != data.ndim:
        raise UsageError(
            f"{source or 'image'}: got {data.ndim} axes for dims {dims!r}; one letter per axis."
        )
    shape = dict(zip(dims, data.shape, strict=True))
    coords: dict[str, Any] = {}
    if "C" in dims:
        names = list(channels or [])
        if len(names) != shape["C"]:
            raise UsageError(
                f"{source or 'image'}: got {len(names)} channel names for {shape['C']} channels; "
                "name every channel once."
            )
        if len(set(names)) != len(names) or not all(names):
            raise UsageError(f"{source or 'image'}: channel names must be unique, got {names}.")
        coords["C"] = names
    elif channels:
        raise UsageError(f"{source or 'image'}: channel names given but there is no C axis.")
    if "T" in dims:
        times = list(range(shape["T"])) if time_indices is None else list(time_indices)
        if len(times) != shape["T"] or any(b <= a for a, b in pairwise(times)):
            raise UsageError(
                f"{source or 'image'}: time indices must rise and be one per frame, got {times}."
            )
        coords["T"] = times
    attrs = {
        "pixel_size_um": pixel_size_um,
        "z_step_um": z_step_um,
        "interval_s": interval_s,
        "source": source,
        "flags": tuple(flags),
    }
    return xr.DataArray(data, dims=tuple(dims), coords=coords, attrs=attrs)


def check_dims(dims: str, source: str = "") -> None:
    """Refuse axes outside ``T C Z Y X`` or out of order, or an image without Y and X."""
    where = source or "image"
    for axis in dims:
        if axis not in AXES:
            raise UsageError(
                f"{where}: has an axis {axis!r} that Lucyte does not keep. Allowed: T C Z Y X. "
                f"Select one position along it first (--select {axis}=0)."
            )
    if list(dims) != sorted(dims, key=AXES.index) or len(set(dims)) != len(dims):
        raise UsageError(f"{where}: axes must be in the order T C Z Y X, got {dims!r}.")
    if not dims.endswith("YX"):
        raise UsageError(f"{where}: an image needs Y and X, got {dims!r}.")


def channel_names(image: xr.DataArray) -> tuple[str, ...]:
    """Names along C, or an empty tuple where there is no C axis."""
    return tuple(str(name) for name in image.coords["C"].values) if "C" in image.dims else ()


def select_channel(image: xr.DataArray, name: str) -> xr.DataArray:
    """The plane(s) of one named channel; refuses a name that is not there."""
    names = channel_names(image)
    if name not in names:
        advice = f"Map names with --channels {name}=<one of these>."
        raise unknown(
            "channel", name, names, f"In {image.attrs.get('source') or 'image'}. {advice}"
        )
    return image.isel(C=names.index(name))


def time_indices(image: xr.DataArray) -> tuple[int, ...]:
    """Frame numbers along T, or (0,) where there is no T axis."""
    return tuple(int(t) for t in image.coords["T"].values) if "T" in image.dims else (0,)


def frame(image: xr.DataArray, time_index: int) -> xr.DataArray:
    """One frame (C[Z]YX, or without C) as numpy-backed pixels."""
    if "T" not in image.dims:
        if time_index != 0:
            raise UsageError(f"{image.attrs.get('source')}: has one frame, asked for {time_index}.")
        return image.compute()
    times = time_indices(image)
    if time_index not in times:
        raise unknown("time index", str(time_index), [str(t) for t in times])
    return image.isel(T=times.index(time_index)).compute()


@dataclass(frozen=True)
class Length:
    """A length setting: ``12 px``, ``3.5 um`` or ``0.5 diameter``.

    Attributes
    ----------
    value : float
    unit : str
        ``px``, ``um`` or ``diameter`` (of a typical object).
    """

    value: float
    unit: str

    def px(self, pixel_size_um: float | None, diameter_px: float | None = None) -> float:
        """This length in pixels; refuses when what the unit needs is unknown."""
        if self.unit == "px":
            return self.value
        if self.unit == "um":
            if pixel_size_um is None:
                raise UsageError(
                    f"length {self.value:g} um needs a pixel size, which is unknown here; "
                    "give --pixel-size-um or write the length in px."
                )
            return self.value / pixel_size_um
        if self.unit == "diameter":
            if diameter_px is None:
                raise UsageError(
                    f"length {self.value:g} diameter needs an object diameter; set diameter_px."
                )
            return self.value * diameter_px
        raise unknown("length unit", self.unit, ["px", "um", "diameter"])

    @classmethod
    def parse(cls, text: str | float | Length) -> Length:
        """Read ``"12 px"``, ``"3.5um"`` or a bare number (px)."""
        if isinstance(text, Length):
            return text
        if isinstance(text, int | float):
            return cls(float(text), "px")
        stripped = text.strip()
        number = stripped.rstrip("abcdefghijklmnopqrstuvwxyzµ ").strip()
        unit = stripped[len(number) :].strip().replace("µ", "u") or "px"
        try:
            value = float(number)
        except ValueError:
            raise UsageError(f"length {text!r}: write a number and px, um or diameter.") from None
        if unit not in ("px", "um", "diameter") or not np.isfinite(value):
            raise UsageError(f"length {text!r}: write a number and px, um or diameter.")
        return cls(value, unit)
