"""What a simulated world is made of; every number that shapes it, with its unit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.plan import Settings

CHANNELS = ("EGFP", "mRFP", "TL")
"""Channel names of every simulated image; w1, w2, w3 in CELLULAR's file names."""

PLANTS = ("none", "tint", "corner", "stripe", "gain", "frequency")
"""The shortcuts that can be planted."""


class LayoutSettings(Settings):
    """How the experiment is laid out on plates."""

    conditions: tuple[str, str] = Field(
        ("fed", "starved"), description="without and with starvation, in this order"
    )
    wells_per_condition: int = Field(3, ge=1)
    sites_per_well: int = Field(1, ge=1)
    frames: int = Field(5, ge=1)
    first_time_index: int = Field(0, ge=0, description="number of the first frame in file names")
    interval_h: float = Field(1.0, gt=0)
    start_h: float = Field(0.5, ge=0, description="hours of starvation before the first frame")
    size_px: int = Field(2048, ge=24, description="height and width of a field")
    cells: int = Field(250, ge=1, description="expected number in the first frame of a field")
    plates: int = Field(1, ge=1, description="each well is on every plate")
    days: int = Field(1, ge=1, description="plates are spread over these days")
    date: str = Field("260101", pattern=r"^[0-9]{6}$", description="of the first day, yymmdd")


class CellSettings(Settings):
    """What cells look like and do. Nothing here but ``effect`` depends on the condition."""

    cell_px: float = Field(126.0, gt=8, description="mean side of a cell's box")
    effect: float = Field(1.0, ge=0, le=1, description="0: starvation changes nothing in the cells")
    onset_h: float = Field(2.5, gt=0, description="time constant of the response")
    spots: int = Field(26, ge=0, description="places in a cell where a spot may form")
    decoys: float = Field(2.0, ge=0, description="per cell: spots of equal light, any condition")
    spot_photons: float = Field(900.0, ge=0)
    photons: float = Field(460.0, gt=0, description="median peak light of the cytoplasm")
    expression_sd: float = Field(1.0, ge=0, description="of the logarithm, between cells")
    silent: float = Field(0.07, ge=0, le=1, description="cells that hardly express")
    defocused: float = Field(0.09, ge=0, le=1, description="cells out of focus")
    step: float = Field(0.10, ge=0, description="of movement per frame, in cell_px")
    division_rate: float = Field(0.02, ge=0, le=0.5, description="per cell and frame")
    death_rate: float = Field(0.012, ge=0, le=0.5, description="per cell and frame")


class OpticsSettings(Settings):
    """From light to counts."""

    psf_px: float = Field(1.7, ge=0, description="standard deviation of the point spread")
    medium_photons: tuple[float, float, float] = Field((55.0, 45.0, 1500.0), description="per px")
    vignetting: float = Field(0.18, ge=0, lt=0.9, description="light lost in the corner")
    bleed_egfp_to_mrfp: float = Field(0.04, ge=0, lt=1)
    bleed_mrfp_to_egfp: float = Field(0.01, ge=0, lt=1)
    shift_mrfp_px: tuple[float, float] = Field((0.0, 0.0), description="y, x of mRFP against EGFP")
    bleaching: float = Field(0.03, ge=0, lt=1, description="light lost per frame")
    well_sd: float = Field(0.12, ge=0, description="of log expression and response, between wells")
    plate_sd: float = Field(0.0, ge=0, description="of log lamp power, between plates")
    day_sd: float = Field(0.0, ge=0, description="of log lamp power and medium, between days")
    gain: float = Field(1.0, gt=0, description="counts per photon")
    offset_counts: float = Field(100.0, ge=0)
    read_noise_counts: float = Field(3.0, ge=0)
    full_counts: int = Field(4095, ge=1, le=65535, description="where the camera saturates")
    noise: bool = True


class ShortcutSettings(Settings):
    """Something that tells the conditions apart but is not in the cells."""

    kind: Literal["none", "tint", "corner", "stripe", "gain", "frequency"] = "none"
    strength: float = Field(0.0, ge=0, le=1)
    sham: bool = Field(False, description="go through every motion, plant nothing")


class WorldSettings(Settings):
    """Everything that shapes a simulated plate but the seed."""

    layout: LayoutSettings = LayoutSettings()
    cell: CellSettings = CellSettings()
    optics: OpticsSettings = OpticsSettings()
    shortcut: ShortcutSettings = ShortcutSettings()

    @field_validator("layout")
    @classmethod
    def _two_conditions(cls, layout: LayoutSettings) -> LayoutSettings:
        if len(set(layout.conditions)) < 2 or not all(layout.conditions):
            raise ValueError("conditions must be two different names")
        return layout


def condition_index(settings: WorldSettings, condition: str) -> int:
    """0 for the condition without starvation, 1 for the one with it; refuses other names."""
    if condition not in settings.layout.conditions:
        raise unknown("condition", condition, settings.layout.conditions)
    return settings.layout.conditions.index(condition)


def other_condition(settings: WorldSettings, condition: str) -> str:
    """The condition of the twin."""
    return settings.layout.conditions[1 - condition_index(settings, condition)]


def demo_settings() -> WorldSettings:
    """The demo plate: 2 conditions x 6 wells x 2 sites x 5 frames at 512 x 512."""
    return WorldSettings(
        layout=LayoutSettings(wells_per_condition=6, sites_per_well=2, size_px=512, cells=40),
        cell=CellSettings(cell_px=48.0),
        optics=OpticsSettings(psf_px=0.8),
    )


def cellular_settings() -> WorldSettings:
    """Fields of the size and density of CELLULAR's: 2048 x 2048 with about 250 cells."""
    return WorldSettings()


def tiny_settings(wells_per_condition: int = 2, frames: int = 3) -> WorldSettings:
    """A plate that renders in a moment, for tests: 160 x 160 with a few cells of 48 px."""
    demo = demo_settings()
    layout = demo.layout.model_copy(
        update={
            "wells_per_condition": wells_per_condition,
            "sites_per_well": 1,
            "frames": frames,
            "size_px": 160,
            "cells": 7,
        }
    )
    return demo.model_copy(update={"layout": layout})


def shortcut_settings(
    kind: str, strength: float = 1.0, *, sham: bool = False, base: WorldSettings | None = None
) -> WorldSettings:
    """A world in which one shortcut is planted and the cells do not depend on the condition.

    Parameters
    ----------
    kind : str
        One of ``PLANTS``.
    strength : float
        From 0 (nothing) to 1 (as plain as the tint of the CELLULAR fields).
    sham : bool
        Go through every motion and plant nothing.
    base : WorldSettings, optional
        The rest of the world; the demo plate by default.

    Raises
    ------
    UsageError
        Unknown kind, or a strength outside 0 to 1.
    """
    if kind not in PLANTS:
        raise unknown("shortcut", kind, PLANTS)
    if not 0 <= strength <= 1:
        raise UsageError(f"shortcut strength {strength:g}: write a number from 0 to 1.")
    base = base or demo_settings()
    planted = ShortcutSettings.model_validate({"kind": kind, "strength": strength, "sham": sham})
    without = base.cell.model_copy(update={"effect": 0.0})
    return base.model_copy(update={"shortcut": planted, "cell": without})
