"""What world ``leigh`` is made of: every number that shapes it, with its unit."""

from __future__ import annotations

from pydantic import Field, model_validator

from lucyte.schema.plan import Settings

LEIGH_CHANNELS = ("TMRM", "Hoechst")
"""Light of mitochondria, which goes with their membrane potential, and of nuclei."""


class LeighSettings(Settings):
    """Diseased and healthy cells on plates, and compounds at doses on the diseased ones."""

    plates: int = Field(2, ge=1, le=99, description="every treatment is on every plate")
    controls: int = Field(8, ge=1, le=40, description="wells of each line per plate, vehicle only")
    replicates: int = Field(2, ge=1, le=20, description="wells per treatment, dose and plate")
    rescuers: int = Field(2, ge=0, le=40, description="compounds that bring health back")
    toxics: int = Field(1, ge=0, le=40, description="compounds that harm, and look like neither")
    inert: int = Field(2, ge=0, le=40, description="compounds that do nothing")
    doses_um: tuple[float, ...] = Field((0.1, 0.32, 1.0, 3.2, 10.0), min_length=1)
    rows: int = Field(8, ge=2, le=32)
    columns: int = Field(12, ge=2, le=48)
    sites: int = Field(1, ge=1, le=20, description="fields per well")
    names: tuple[str, str] = Field(("disease", "wild_type"), description="of the two lines")

    potential: float = Field(
        0.5, description="log of the disease's mitochondrial light over wild type's; may be < 0"
    )
    maxima: tuple[float, ...] = Field(
        (1.0, 0.6), min_length=1, description="rescue at the highest effect, compounds in turn"
    )
    ec50_um: tuple[float, ...] = Field(
        (0.6, 1.5), min_length=1, description="of rescuers, in turn; a rescue's half"
    )
    lc50_um: tuple[float, ...] = Field((1.0,), min_length=1, description="of toxics, in turn")
    hill: float = Field(1.4, gt=0)
    edge: float = Field(0.0, description="log of the light in the outermost wells")
    well_sd: float = Field(0.06, ge=0, description="of log light, between wells")
    plate_sd: float = Field(0.1, ge=0, description="of log light, between plates")
    cell_sd: float = Field(0.25, ge=0, description="of log light, between cells of a well")

    size_px: int = Field(192, ge=64, le=4096, description="height and width of a field")
    cells: int = Field(14, ge=1, description="expected number in a field without poison")
    cell_px: float = Field(34.0, gt=10, description="mean diameter")
    filaments: int = Field(12, ge=1, description="mitochondria per cell")
    filament_px: int = Field(14, ge=2, description="mean length of one")
    photons: float = Field(260.0, gt=0, description="light of a px of a mitochondrion, wild type")
    nucleus_photons: float = Field(500.0, gt=0)
    haze: float = Field(0.12, ge=0, description="light of the cytoplasm, of a mitochondrion's")
    background: float = Field(30.0, ge=0, description="photons per px")
    psf_px: float = Field(1.0, ge=0)
    pixel_size_um: float = Field(0.45, gt=0)
    offset_counts: float = Field(100.0, ge=0)
    read_noise_counts: float = Field(3.0, ge=0)
    noise: bool = True

    @model_validator(mode="after")
    def _fits(self) -> LeighSettings:
        if self.wells_per_plate > self.rows * self.columns:
            raise ValueError(
                f"{self.wells_per_plate} wells asked for, a plate of {self.rows} x {self.columns} "
                f"has {self.rows * self.columns}; fewer compounds, doses or replicates"
            )
        if len(set(self.names)) < 2 or not all(self.names):
            raise ValueError("names must be two different names")
        if any(dose <= 0 for dose in (*self.doses_um, *self.ec50_um, *self.lc50_um)):
            raise ValueError("doses are above 0")
        return self

    @property
    def wells_per_plate(self) -> int:
        """Wells in use."""
        compounds = self.rescuers + self.toxics + self.inert
        return 2 * self.controls + compounds * len(self.doses_um) * self.replicates


def tiny_leigh() -> LeighSettings:
    """A world that is made in a moment, for tests: two plates of 14 small fields."""
    return LeighSettings(
        controls=3,
        replicates=1,
        rescuers=1,
        toxics=1,
        inert=0,
        doses_um=(0.1, 1.0, 3.2, 10.0),
        rows=4,
        columns=6,
        size_px=96,
        cells=5,
        cell_px=28.0,
    )
