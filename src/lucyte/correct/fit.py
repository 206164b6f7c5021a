"""What corrections need to know of the whole plate, from a sample of its frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from lucyte.correct.frame import (
    CorrectionFit,
    background_need,
    background_radius_px,
    reference_channel,
    shifts_of,
)
from lucyte.correct.illumination import Flatfield, FlatfieldEstimate
from lucyte.correct.registration import Shift
from lucyte.schema.plan import CorrectSettings

LOSS_NEEDED = 0.1
"""``auto`` corrects illumination where the darkest place loses this much light."""
SHIFT_NEEDED_PX = 0.5
FRAMES_NEEDED = 6
"""``auto`` needs this many frames: cells must be elsewhere in most of them."""
SPREAD_PX = 0.5
"""Shifts of single frames must lie this near their median, half of them."""


def estimate_fit(settings: CorrectSettings, frames: Iterable[xr.DataArray]) -> CorrectionFit | None:
    """Estimate flat fields, shifts between channels and the need for background subtraction.

    Frames are looked at one by one; of each only a coarse grid stays in memory. With ``auto`` a
    correction is kept only where it is clearly needed, and ``notes`` say what was found.

    Parameters
    ----------
    settings : CorrectSettings
    frames : iterable of image C Y X
        Raw frames from many fields of the plate, of one shape; two dozen are plenty.

    Returns
    -------
    CorrectionFit or None
        None where the settings ask for nothing that is estimated.
    """
    light = settings.illumination != "off"
    register = settings.registration != "off"
    need = settings.background == "auto"
    if not (light or register or need):
        return None
    estimate = FlatfieldEstimate()
    shifts: dict[str, list[Shift]] = {}
    varies: dict[str, list[float]] = {}
    count = 0
    for image in frames:
        count += 1
        if light:
            estimate.add(image)
        if register and "C" in image.dims:
            for name, shift in shifts_of(image, reference_channel(image, settings)).items():
                shifts.setdefault(name, []).append(shift)
        if need:
            for name, value in background_need(
                image, background_radius_px(image, settings)
            ).items():
                varies.setdefault(name, []).append(value)
    flats, flat_notes = _choose_flats(estimate.finish() if light else {}, settings, count)
    moved, shift_notes = _choose_shifts(shifts, settings)
    return CorrectionFit(
        flatfields=flats,
        shifts=moved,
        background={name: float(np.median(values)) for name, values in varies.items()},
        notes=(*flat_notes, *shift_notes),
    )


def _choose_flats(
    flats: dict[str, Flatfield], settings: CorrectSettings, frames: int
) -> tuple[dict[str, Flatfield], tuple[str, ...]]:
    if settings.illumination != "auto" or not flats:
        return flats, ()
    if frames < FRAMES_NEEDED:
        note = f"illumination: not estimated, {frames} frames are fewer than {FRAMES_NEEDED}"
        return {}, (note,)
    kept = {name: flat for name, flat in flats.items() if flat.loss >= LOSS_NEEDED}
    notes = tuple(
        f"illumination: {name} left as is, the darkest place loses {flat.loss:.0%}"
        for name, flat in flats.items()
        if name not in kept
    )
    return kept, notes


def _choose_shifts(
    shifts: dict[str, list[Shift]], settings: CorrectSettings
) -> tuple[dict[str, Shift], tuple[str, ...]]:
    kept: dict[str, Shift] = {}
    notes = []
    for name, measured in shifts.items():
        believed = [shift for shift in measured if shift.believed]
        if 2 * len(believed) <= len(measured):
            notes.append(f"registration: {name} left as is, too little in common to register")
            continue
        table = np.array(believed)
        y, x, agreement = (float(value) for value in np.median(table, axis=0))
        spread = float(np.median(np.hypot(table[:, 0] - y, table[:, 1] - x)))
        middle = Shift(y, x, agreement)
        if spread > SPREAD_PX:
            notes.append(f"registration: {name} left as is, frames disagree by {spread:.1f} px")
        elif settings.registration == "auto" and middle.length_px < SHIFT_NEEDED_PX:
            notes.append(f"registration: {name} left as is, it is off by {middle.length_px:.2f} px")
        else:
            kept[name] = middle
    return kept, tuple(notes)
