"""Plate scope, before the fields: what corrections need to know of the whole plate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from lucyte.correct.fit import estimate_fit
from lucyte.correct.frame import CorrectionFit, correct_frame
from lucyte.correct.pair import before_after
from lucyte.measure.stains import is_transmitted
from lucyte.report.content import CorrectionPair
from lucyte.schema.errors import InputError
from lucyte.schema.image import channel_names, frame, time_indices
from lucyte.schema.plan import CorrectSettings, Plan
from lucyte.schema.plate import Field

FRAMES = 24
"""Frames looked at for a whole plate, one per field as far as fields go."""


def fit_corrections(plan: Plan, fields: Sequence[Field]) -> CorrectionFit | None:
    """Estimate what is one for the plate; None where the plan asks for nothing of the kind."""
    settings = plan.correct
    if settings.illumination == settings.registration == "off" and settings.background != "auto":
        return None
    return estimate_fit(settings, (pixels for _, pixels in _some_frames(plan, fields, FRAMES)))


def show_corrections(
    plan: Plan, fields: Sequence[Field], fit: CorrectionFit | None
) -> tuple[CorrectionPair, ...]:
    """Every corrected channel of one field before and after."""
    if plan.correct == CorrectSettings():
        return ()
    for here, pixels in _some_frames(plan, fields, 1):
        corrected, done = correct_frame(pixels, plan.correct, fit)
        if not done:
            return ()
        names = [name for name in channel_names(pixels) if not is_transmitted(name)] or [""]
        pairs = []
        for name in names:
            before, after = before_after(pixels, corrected, name)
            if not np.array_equal(before, after):
                title = f"Channel {name}" if name else "Correction"
                pairs.append(
                    CorrectionPair(title, before, after, f"{here.field_id}: {'; '.join(done)}.")
                )
        return tuple(pairs)
    return ()


def _some_frames(
    plan: Plan, fields: Sequence[Field], count: int
) -> Iterator[tuple[Field, xr.DataArray]]:
    """Frames spread over the plate; those that cannot be read are named where they are due."""
    picks = np.unique(np.linspace(0, len(fields) - 1, min(count, len(fields))).astype(int))
    for place, index in enumerate(picks):
        try:
            image = fields[index].source.open()
            times = time_indices(image)
            yield fields[index], project(frame(image, times[place % len(times)]), plan)
        except InputError:
            continue


def project(pixels: xr.DataArray, plan: Plan) -> xr.DataArray:
    """The frame that is worked on: as it is, or its maximum over Z where the plan says so."""
    if "Z" not in pixels.dims or plan.input.projection == "none":
        return pixels
    return pixels.max("Z", keep_attrs=True)
