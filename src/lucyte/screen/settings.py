"""What a person chooses about a screen: which wells are controls, and what counts as a hit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lucyte.schema.plan import Settings


class ScreenSettings(Settings):
    """Controls by name, the readout, and the thresholds."""

    disease: str = Field(description="treatment of the wells that count as 0 (negative control)")
    wild_type: str = Field(description="treatment of the wells that count as 1 (positive control)")
    treatment: str = Field("condition", description="column that says what was done to a well")
    dose: str = Field("auto", description="column of doses; auto: one named dose or conc; none")
    sham: tuple[str, ...] = Field((), description="further treatments that are known to do nothing")
    features: tuple[str, ...] = Field((), description="features whose rescue is worked out too")
    unseen: bool = Field(False, description="the user's word: the model saw none of these wells")
    position: Literal["none", "median_polish"] = Field(
        "none", description="take row and column effects of each plate off before scoring"
    )
    min_wells: int = Field(3, ge=2, description="wells of a treatment and dose, for a test")
    least: float = Field(0.2, ge=0, description="rescue below which nothing is called a hit")
    off_least: float = Field(
        2.0, ge=0, description="distance from the axis, 1 is a control's, that counts as elsewhere"
    )
    few_cells: float = Field(
        0.25, ge=0, lt=1, description="cells per field, against disease, of a treatment that kills"
    )
    fdr: float = Field(0.05, gt=0, lt=1, description="false discovery rate among hits")
    alpha: float = Field(0.05, gt=0, lt=1, description="of intervals and single tests")
    margin: float = Field(
        0.1, gt=0, description="position effect that matters, of the way from disease to health"
    )
    permutations: int = Field(1999, ge=19)
    seed: int = Field(0, ge=0)
