"""What world ``lineage`` is made of: every number that shapes it, with its unit."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field, field_validator

from lucyte.schema.errors import unknown
from lucyte.schema.plan import Settings

LINEAGE_CHANNELS = ("EGFP", "mRFP")
"""The reporter, bright in the second state, and the body of the cell; w1 and w2 in file names."""


class Rates(NamedTuple):
    """How often a cell switches.

    Attributes
    ----------
    on_per_h, off_per_h : float
        From the first state to the second, and back.
    """

    on_per_h: float
    off_per_h: float

    @property
    def share_on(self) -> float:
        """The share of time spent in the second state in the long run."""
        total = self.on_per_h + self.off_per_h
        return self.on_per_h / total if total else 0.0


class LineageSettings(Settings):
    """Cells that move, grow, divide, die, enter and leave, and switch between two states."""

    conditions: tuple[str, str] = Field(
        ("control", "treated"), description="the treatment is given to wells"
    )
    wells_per_condition: int = Field(6, ge=1, le=40)
    frames: int = Field(49, ge=1, description="time points planned; those in `gaps` are not taken")
    interval_h: float = Field(0.5, gt=0)
    gaps: tuple[int, ...] = Field((14, 30, 31), description="time points that were not imaged")
    start_h: float = Field(0.0, ge=0, description="hours of treatment before the first frame")
    size_px: int = Field(256, ge=48, description="height and width of a field")
    cells: int = Field(22, ge=1, description="expected number in the first frame of a field")
    pixel_size_um: float = Field(0.65, gt=0)
    date: str = Field("260101", pattern=r"^[0-9]{6}$", description="yymmdd")

    cell_px: float = Field(20.0, gt=5, description="mean diameter of a cell just born")
    step_px: float = Field(2.0, ge=0, description="of movement per frame")
    cycle_h: float = Field(14.0, gt=1, description="mean age at division")
    cycle_cv: float = Field(0.12, ge=0, lt=0.5)
    split_sd: float = Field(0.04, ge=0, lt=0.2, description="of a daughter's share of the mass")
    mitosis_h: float = Field(0.8, ge=0, description="rounded and bright before division")
    death_per_h: float = Field(0.006, ge=0, lt=1)
    dying_h: float = Field(1.2, ge=0, description="shrinking and bright before it is gone")

    states: tuple[str, str] = ("resting", "active")
    on_per_h: tuple[float, float] = Field((0.05, 0.2), description="per condition, mean of wells")
    off_per_h: tuple[float, float] = Field((0.15, 0.1), description="per condition, mean of wells")
    well_sd: float = Field(0.15, ge=0, lt=1, description="of the logarithm of rates, between wells")
    inheritance: float = Field(
        0.6, ge=0, le=1, description="correlation of two sisters' states at birth"
    )

    drift_px: tuple[float, float] = Field((0.1, -0.06), description="of the stage per frame, y, x")
    jump_rate: float = Field(0.05, ge=0, lt=1, description="stage jumps per frame")
    jump_px: float = Field(7.0, ge=0, description="spread of where a jump lands, y and x")
    bleaching: float = Field(0.008, ge=0, lt=1, description="light lost per frame taken")

    photons: float = Field(150.0, gt=0, description="mean light per px of a cell")
    contrast: float = Field(2.6, gt=0, description="reporter light, second state over first")
    expression_sd: float = Field(0.22, ge=0, description="of its logarithm, between families")
    background: float = Field(30.0, ge=0, description="photons per px")
    psf_px: float = Field(0.9, ge=0)
    offset_counts: float = Field(100.0, ge=0)
    read_noise_counts: float = Field(3.0, ge=0)
    noise: bool = True

    @field_validator("conditions", "states")
    @classmethod
    def _two_names(cls, names: tuple[str, str]) -> tuple[str, str]:
        if len(set(names)) < 2 or not all(names):
            raise ValueError("must be two different names")
        return names

    @field_validator("on_per_h", "off_per_h")
    @classmethod
    def _not_negative(cls, rates: tuple[float, float]) -> tuple[float, float]:
        if min(rates) < 0:
            raise ValueError("rates are 0 or more per hour")
        return rates

    @property
    def imaged(self) -> tuple[int, ...]:
        """Time indices of the frames that were taken."""
        left_out = set(self.gaps)
        return tuple(frame for frame in range(self.frames) if frame not in left_out)

    def rates(self, condition: str) -> Rates:
        """Mean rates over wells of a condition; refuses another name."""
        if condition not in self.conditions:
            raise unknown("condition", condition, self.conditions)
        index = self.conditions.index(condition)
        return Rates(self.on_per_h[index], self.off_per_h[index])


def tiny_lineage(wells_per_condition: int = 2, frames: int = 12) -> LineageSettings:
    """A plate that is made in a moment, for tests: 96 px, a few cells, one gap."""
    return LineageSettings(
        wells_per_condition=wells_per_condition, frames=frames, gaps=(5,), size_px=96, cells=5
    )
