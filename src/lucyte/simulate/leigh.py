"""World ``leigh``: a screen whose rescuers, poisons and doses are known.

Diseased cells differ from healthy ones in the light of their mitochondria alone. A rescuer moves
it towards health by a share ``r``; a poison kills, rounds cells up and breaks mitochondria:

    r = maximum / (1 + (EC50 / dose)^hill)        light = exp((1 - r) potential)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.simulate.leigh_cells import LeighCell, label_image, paint_cells, place_cells
from lucyte.simulate.leigh_settings import LeighSettings
from lucyte.simulate.streams import stream


@dataclass(frozen=True)
class Compound:
    """A compound and what it really does.

    Attributes
    ----------
    name : str
    kind : {"rescuer", "toxic", "inert"}
    ec50_um, maximum : float
        Of the rescue; nan and 0 where there is none.
    lc50_um : float
        Of the poison; nan where it is none.
    """

    name: str
    kind: str
    ec50_um: float
    maximum: float
    lc50_um: float

    def rescue(self, dose_um: float, hill: float) -> float:
        """The share of the way to health at a dose."""
        if not self.maximum:
            return 0.0
        return float(self.maximum / (1 + (self.ec50_um / dose_um) ** hill))

    def poison(self, dose_um: float) -> float:
        """0 to 1."""
        return 0.0 if np.isnan(self.lc50_um) else float(1 / (1 + (self.lc50_um / dose_um) ** 2))


@dataclass(frozen=True)
class LeighWell:
    """One well and what was done to it.

    Attributes
    ----------
    plate, well : str
    treatment : str
        The compound's name; empty for vehicle.
    line : str
    dose_um : float
        0 for vehicle.
    rescue, poison : float
        What really happens there, 0 to 1.
    edge : bool
        Is it one of the outermost wells?
    light : float
        Mean light of mitochondria, 1 is the healthy mean; plate, well and edge included.
    """

    plate: str
    well: str
    treatment: str
    line: str
    dose_um: float
    rescue: float
    poison: float
    edge: bool
    light: float

    @property
    def condition(self) -> str:
        """What a plate map would call it: the compound, or the line of a control."""
        return self.treatment or self.line


@dataclass(frozen=True)
class LeighField:
    """One site of a well; rendered when asked."""

    settings: LeighSettings
    seed: int
    well: LeighWell
    site: str

    @property
    def field_id(self) -> str:
        """``plate_well_site``, as a reader calls it."""
        return f"{self.well.plate}_{self.well.well}_s{self.site}"

    @property
    def _key(self) -> tuple[str, ...]:
        return (self.well.plate, self.well.well, self.site)

    @cached_property
    def cells(self) -> tuple[LeighCell, ...]:
        """The cells, labels from 1."""
        return place_cells(self.settings, self.seed, self._key, self.well.light, self.well.poison)

    def labels(self) -> npt.NDArray[np.int32]:
        """The label image, Y X."""
        return label_image(self.cells, self.settings.size_px)

    def image(self) -> npt.NDArray[np.uint16]:
        """Counts of both channels.

        Returns
        -------
        uint16 array (2, Y, X)
            ``TMRM, Hoechst``.
        """
        expected = paint_cells(self.cells, self.settings, self.seed, self._key)
        counts = expected
        if self.settings.noise:
            rng = stream(self.seed, "leigh noise", *self._key)
            read = rng.normal(0, self.settings.read_noise_counts, expected.shape)
            counts = rng.poisson(expected) + read
        whole = np.rint(counts + self.settings.offset_counts)
        return np.clip(whole, 0, 65535).astype(np.uint16)


@dataclass(frozen=True)
class LeighWorld:
    """A screen whose causes are known.

    Attributes
    ----------
    settings : LeighSettings
    seed : int
    compounds : tuple of Compound
    wells : tuple of LeighWell
    """

    settings: LeighSettings
    seed: int
    compounds: tuple[Compound, ...]
    wells: tuple[LeighWell, ...]

    @property
    def fields(self) -> Iterator[LeighField]:
        """Every site of every well, plate by plate."""
        for well in self.wells:
            for site in range(1, self.settings.sites + 1):
                yield LeighField(self.settings, self.seed, well, str(site))

    def truth(self) -> pd.DataFrame:
        """One row per well: ``plate, well, condition, line, treatment, dose_um, rescue, ...``."""
        rows = [{**vars(each), "condition": each.condition} for each in self.wells]
        return pd.DataFrame(rows)

    def platemap(self) -> pd.DataFrame:
        """What the person at the bench knows.

        ``control`` holds the line of wells without compound and is empty elsewhere: the column to
        learn from (``classify.target``).
        """
        table = self.truth()[["plate", "well", "condition", "line", "dose_um"]]
        return table.assign(
            control=[each.line if not each.treatment else "" for each in self.wells]
        )


def simulate_leigh(settings: LeighSettings | None = None, seed: int = 0) -> LeighWorld:
    """Lay out a screen; pixels are rendered when a field is asked for them.

    Treatments and controls lie at random places, drawn anew for each plate.

    Parameters
    ----------
    settings : LeighSettings, optional
    seed : int
        Same settings and seed, same pixels.

    Raises
    ------
    UsageError
        A negative seed.
    """
    if seed < 0:
        raise UsageError(f"seed {seed}: write a whole number from 0.")
    settings = settings or LeighSettings()
    compounds = _compounds(settings)
    wells = [
        well
        for number in range(1, settings.plates + 1)
        for well in _plate(settings, seed, f"L{number}", compounds)
    ]
    return LeighWorld(settings, seed, compounds, tuple(wells))


def _compounds(settings: LeighSettings) -> tuple[Compound, ...]:
    nan = float("nan")
    kinds = ["rescuer"] * settings.rescuers + ["toxic"] * settings.toxics
    kinds += ["inert"] * settings.inert
    out = []
    for at, kind in enumerate(kinds):
        turn = at if kind == "rescuer" else at - settings.rescuers
        out.append(
            Compound(
                name=f"{kind}-{turn + 1 if kind != 'inert' else turn - settings.toxics + 1}",
                kind=kind,
                ec50_um=settings.ec50_um[turn % len(settings.ec50_um)]
                if kind == "rescuer"
                else nan,
                maximum=settings.maxima[turn % len(settings.maxima)] if kind == "rescuer" else 0.0,
                lc50_um=settings.lc50_um[turn % len(settings.lc50_um)] if kind == "toxic" else nan,
            )
        )
    return tuple(out)


def _plate(
    settings: LeighSettings, seed: int, plate: str, compounds: tuple[Compound, ...]
) -> list[LeighWell]:
    disease, healthy = settings.names
    todo: list[tuple[Compound | None, str, float]] = []
    todo += [(None, line, 0.0) for line in (disease, healthy) for _ in range(settings.controls)]
    todo += [
        (compound, disease, dose)
        for compound in compounds
        for dose in settings.doses_um
        for _ in range(settings.replicates)
    ]
    places = [(r, c) for r in range(settings.rows) for c in range(settings.columns)]
    rng = stream(seed, "leigh layout", plate)
    order = rng.permutation(len(places))[: len(todo)]
    lamp = float(stream(seed, "leigh plate", plate).normal(0, settings.plate_sd))
    wells = []
    for at, (compound, line, dose) in zip(order, todo, strict=True):
        row, column = places[at]
        name = f"{_row_name(row)}{column + 1:02d}"
        rescue = compound.rescue(dose, settings.hill) if compound else 0.0
        poison = compound.poison(dose) if compound else 0.0
        edge = row in (0, settings.rows - 1) or column in (0, settings.columns - 1)
        own = float(stream(seed, "leigh well", plate, name).normal(0, settings.well_sd))
        log_light = settings.potential * (1 - rescue) if line == disease else 0.0
        light = float(np.exp(log_light + lamp + own + settings.edge * edge))
        treatment = compound.name if compound else ""
        wells.append(LeighWell(plate, name, treatment, line, dose, rescue, poison, edge, light))
    return sorted(wells, key=lambda each: (len(each.well), each.well))


def _row_name(row: int) -> str:
    return chr(65 + row) if row < 26 else "A" + chr(65 + row - 26)
