"""What world ``organelles`` is made of: every number that shapes it, with its unit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lucyte.schema.plan import Settings

ORGANELLES = ("mitochondria", "early_endosomes", "recycling")
"""Channels in which classes may differ."""
ORGANELLE_CHANNELS = (*ORGANELLES, "nucleus")
"""Channels of every stack, in order."""
LINES = ("line_A", "line_B", "line_C", "line_D", "line_E", "line_F")
"""Names of the six classes."""


class OrganelleSettings(Settings):
    """Six cell lines that differ in shape and arrangement of organelles, and in nothing else."""

    carrier: Literal["organelles", "contacts", "mixed", "nothing"] = Field(
        "organelles", description="which differences are planted; see the table of designs"
    )
    effect: float = Field(1.0, ge=0, le=1, description="0: the lines do not differ")
    cultures: int = Field(8, ge=1, le=999, description="per line; the independent unit")
    stacks: int = Field(1, ge=1, le=99, description="per culture")
    culture_sd: float = Field(0.05, ge=0, description="of a line's planted levels, by culture")
    nuisance_sd: float = Field(0.15, ge=0, description="of levels that tell nothing, by culture")
    lamp_sd: float = Field(0.12, ge=0, description="of log light per channel, between cultures")

    planes: int = Field(12, ge=3, le=200)
    size_px: int = Field(512, ge=64, le=4096, description="height and width of a stack")
    pixel_size_um: float = Field(0.1, gt=0)
    z_step_um: float = Field(0.4, gt=0)
    cell_um: float = Field(18.0, gt=4, description="mean diameter of a cell")
    density: float = Field(0.8, gt=0, le=1, description="of cells, 1: as tight as they fit")
    cell_sd: float = Field(0.25, ge=0, description="of log expression, between cells")

    mitochondria_um: float = Field(0.9, gt=0, description="length per um2 of a cell, in every line")
    fragment_um: tuple[float, float] = Field(
        (0.6, 20.0), description="mean length of a mitochondrion at level 0 and 1"
    )
    branches_per_um: tuple[float, float] = Field((0.0, 0.14), description="at level 0 and 1")
    endosomes: float = Field(0.2, gt=0, description="per um2 of a cell, in every line")
    endosomes_near: tuple[float, float] = Field(
        (1.2, 6.0),
        description="beta distribution of the way from nucleus to edge at level 0; 1 mirrors it",
    )
    endosome_um: float = Field(0.24, gt=0, description="median radius")
    recycling_um: tuple[float, float] = Field(
        (0.9, 3.2), description="spread of the recycling compartment at level 0 and 1"
    )
    contact_um: float = Field(0.25, gt=0, description="an endosome within this touches")
    contact_share: tuple[float, float] = Field(
        (0.05, 0.85), description="of endosomes that touch mitochondria, at level 0 and 1"
    )

    photons: tuple[float, float, float, float] = Field(
        (34.0, 14.0, 18.0, 60.0), description="mean light per voxel of a cell, per channel"
    )
    haze: float = Field(0.25, ge=0, lt=1, description="share of the light that is in no organelle")
    background: float = Field(12.0, ge=0, description="photons per voxel")
    psf_um: float = Field(0.11, ge=0, description="spread of a point in the plane")
    psf_z_um: float = Field(0.35, ge=0, description="spread of a point across planes")
    offset_counts: float = Field(100.0, ge=0)
    read_noise_counts: float = Field(2.5, ge=0)
    noise: bool = True


def tiny_organelles(cultures: int = 2) -> OrganelleSettings:
    """A world that is made in a moment, for tests: 6 planes of 128 px, small cells."""
    return OrganelleSettings(
        cultures=cultures, planes=6, size_px=128, pixel_size_um=0.2, z_step_um=0.7, cell_um=12.0
    )
