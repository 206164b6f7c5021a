"""Correction of one frame, in the order in which light came: illumination, shift, bleed, medium."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.correct.background import auto_radius_px, background_varies, subtract_background
from lucyte.correct.bleed_through import bleed_matrix, unmix
from lucyte.correct.illumination import Flatfield, apply_flatfields
from lucyte.correct.planes import names_of, planes_of
from lucyte.correct.registration import Shift, measure_shift, move_back
from lucyte.measure.stains import is_transmitted
from lucyte.schema.errors import unknown
from lucyte.schema.image import Length
from lucyte.schema.plan import CorrectSettings

SMALLEST_PX = 0.05
"""Shifts up to the precision of their measure are left."""
BACKGROUND_NEEDED = 0.1
"""Background is uneven where it changes by this much of the light above it."""


@dataclass(frozen=True)
class CorrectionFit:
    """What was estimated once for the plate and holds for each of its frames.

    Attributes
    ----------
    flatfields : mapping of channel to Flatfield
        Only of channels to be corrected.
    shifts : mapping of channel to Shift
        Only of channels to be moved.
    background : mapping of channel to float
        How much the background changes over a field against the light above it.
    notes : tuple of str
        What was asked for and not done, and why.
    """

    flatfields: Mapping[str, Flatfield] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    background: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes when anything that was estimated does."""
        flats = {name: asdict(flat) for name, flat in self.flatfields.items()}
        shifts = {name: list(shift) for name, shift in self.shifts.items()}
        whole = [flats, shifts, dict(self.background), self.notes]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def correct_frame(
    image: xr.DataArray, settings: CorrectSettings, fit: CorrectionFit | None = None
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Correct one frame.

    Parameters
    ----------
    image : image C Y X or C Z Y X (or without C)
        Raw counts.
    settings : CorrectSettings
    fit : CorrectionFit, optional
        From ``estimate_fit``. Without it there is no flat field, and shift and need are measured
        on this frame alone.

    Returns
    -------
    image
        The same, untouched, where nothing is asked for or needed; else float32 counts.
    done : tuple of str
        One clause per correction, with its size.

    Raises
    ------
    UsageError
        A channel that is not there, a matrix that cannot be inverted, a radius in um where the
        pixel size is unknown.
    """
    fit = fit or CorrectionFit()
    done: list[str] = []
    out = image
    if settings.illumination != "off" and fit.flatfields:
        out, clauses = apply_flatfields(out, fit.flatfields)
        done += clauses
    out, clauses = _register(out, settings, fit)
    done += clauses
    if settings.bleed_through:
        matrix = bleed_matrix(names_of(image), settings.bleed_through)
        flats = [fit.flatfields.get(name) for name in names_of(image)]
        zero = [0.0 if flat is None else flat.offset_counts for flat in flats]
        out = out.copy(data=unmix(out.values, matrix, zero))
        done += [
            f"bleed-through: {fraction:.1%} of {source} taken from {to}"
            for to, sources in settings.bleed_through.items()
            for source, fraction in sources.items()
        ]
    out, clauses = _subtract(out, settings, fit)
    return out, (*done, *clauses)


def reference_channel(image: xr.DataArray, settings: CorrectSettings) -> str:
    """The channel that others are registered to: the one asked for, or the first of light."""
    names, wanted = names_of(image), settings.registration_reference
    if wanted is not None and wanted not in names:
        raise unknown("channel", wanted, names, "In correct.registration_reference.")
    emitting = [name for name in names if not is_transmitted(name)]
    return wanted or (emitting or list(names))[0]


def background_radius_px(image: xr.DataArray, settings: CorrectSettings) -> float:
    """The radius asked for in px, or one that suits the field's size."""
    if settings.background_radius == "auto":
        return auto_radius_px((image.sizes["Y"], image.sizes["X"]))
    return Length.parse(settings.background_radius).px(image.attrs.get("pixel_size_um"))


def shifts_of(image: xr.DataArray, reference: str) -> dict[str, Shift]:
    """The shift of every other channel of emitted light against the reference."""
    planes = dict(planes_of(image))
    return {
        name: measure_shift(planes[reference], plane)
        for name, plane in planes.items()
        if name != reference and not is_transmitted(name)
    }


def background_need(image: xr.DataArray, radius_px: float) -> dict[str, float]:
    """``background_varies`` of every channel of emitted light."""
    return {
        name: background_varies(plane, radius_px)
        for name, plane in planes_of(image)
        if not is_transmitted(name)
    }


def _register(
    image: xr.DataArray, settings: CorrectSettings, fit: CorrectionFit
) -> tuple[xr.DataArray, tuple[str, ...]]:
    if settings.registration == "off" or "C" not in image.dims:
        return image, ()
    reference = reference_channel(image, settings)
    shifts = dict(fit.shifts)
    if not shifts and settings.registration == "on" and not fit.notes:
        shifts = {k: v for k, v in shifts_of(image, reference).items() if v.believed}
    shifts = {name: shift for name, shift in shifts.items() if shift.length_px > SMALLEST_PX}
    if not shifts:
        return image, ()
    values = np.array(image.values, dtype=np.float32)
    for index, name in enumerate(names_of(image)):
        if name in shifts:
            values[index] = move_back(values[index], (shifts[name].y_px, shifts[name].x_px))
    done = tuple(
        f"registration: {name} moved by {-s.y_px:+.2f}, {-s.x_px:+.2f} px (y, x) onto {reference}"
        for name, s in shifts.items()
    )
    return image.copy(data=values), done


def _subtract(
    image: xr.DataArray, settings: CorrectSettings, fit: CorrectionFit
) -> tuple[xr.DataArray, tuple[str, ...]]:
    if settings.background == "off":
        return image, ()
    radius = background_radius_px(image, settings)
    names = [name for name in names_of(image) if not is_transmitted(name)]
    if settings.background == "auto":
        need = fit.background or background_need(image, radius)
        names = [name for name in names if need.get(name, 0.0) > BACKGROUND_NEEDED]
    if not names:
        return image, ()
    values = np.array(image.values, dtype=np.float32)
    stack = values if "C" in image.dims else values[None]
    for index, name in enumerate(names_of(image)):
        if name in names:
            stack[index] = _each_plane(stack[index], radius)
    done = f"background: local, radius {radius:.0f} px, taken from {', '.join(names)}"
    return image.copy(data=values), (done,)


def _each_plane(stack: npt.NDArray[np.float32], radius_px: float) -> npt.NDArray[np.float32]:
    if stack.ndim == 2:
        return subtract_background(stack, radius_px)
    return np.stack([subtract_background(plane, radius_px) for plane in stack])
