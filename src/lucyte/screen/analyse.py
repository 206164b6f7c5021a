"""A screen from its wells: controls, positions, rescue, doses, hits, and what may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.screen.b_score import b_scores, crowded_lines, median_polish
from lucyte.screen.controls import DISEASE, TREATED, WILD_TYPE, assign_roles, text
from lucyte.screen.dose_response import FEWEST_DOSES, DoseResponse, fit_dose_response
from lucyte.screen.hits import axis_of, hit_table
from lucyte.screen.off_axis import OffAxis, off_axis
from lucyte.screen.plate_places import as_plate, place_of, shape_of
from lucyte.screen.positions import PositionEffect, position_effects, row_letters
from lucyte.screen.readout import MARGIN
from lucyte.screen.rescue import well_scores
from lucyte.screen.separation import Separation
from lucyte.screen.settings import ScreenSettings
from lucyte.screen.ssmd import ssmds
from lucyte.screen.verdicts import Seen, verdicts
from lucyte.screen.z_prime import z_primes

FIRM = 3
"""Cells of a well from which a feature is expected to be known."""
CELLS = "log_cells"
"""Column of the logarithm of cells per field: a treatment that kills leaves the axis by it."""


@dataclass(frozen=True)
class ScreenResult:
    """What a screen says.

    Attributes
    ----------
    wells : DataFrame
        What came in, and ``role, treatment, rescue`` (the well on its plate's axis), ``b_score,
        on_axis, off_axis``.
    hits : DataFrame
        See `hit_table`.
    separation : DataFrame
        ``plate, name, value, low, high, n_first, n_second, method, why``; an empty plate is all
        wells together, each against its plate's disease mean.
    positions : tuple of PositionEffect
        On the margin.
    doses : mapping of treatment to DoseResponse
        In units of rescue.
    not_fitted : mapping of treatment to str
        Why it has no dose response.
    crowded : tuple of (plate, line)
        Rows and columns in which a median polish may remove what is real.
    findings : tuple of Finding
    notes : tuple of str
    """

    wells: pd.DataFrame
    hits: pd.DataFrame
    separation: pd.DataFrame
    positions: tuple[PositionEffect, ...]
    doses: dict[str, DoseResponse]
    not_fitted: dict[str, str]
    crowded: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = field(default=())


def screen_wells(
    wells: pd.DataFrame,
    settings: ScreenSettings,
    profile: Sequence[str] = (),
    plates_held_out: bool = False,
) -> ScreenResult:
    """Everything about a screen that follows from one row per well.

    Parameters
    ----------
    wells : DataFrame
        ``plate, well, <treatment>, dose, n_fields, n_cells, margin`` and features; see
        `well_readouts`.
    settings : ScreenSettings
    profile : sequence of str
        Feature columns in which the distance from the axis is taken.
    plates_held_out : bool
        Whether the margins come from models that saw no cell of the same plate.

    Raises
    ------
    UsageError
        Controls that are not there (see `assign_roles`), or without a margin.
    """
    wells = wells.assign(role=assign_roles(wells, settings)).reset_index(drop=True)
    wells["treatment"] = text(wells[settings.treatment])
    _refuse_unscored(wells, settings)
    crowded = _crowded(wells)
    notes: list[str] = []
    if settings.position == "median_polish":
        wells = _polished(wells, (MARGIN, *settings.features))
        notes.append("Row and column effects of every plate were taken off by median polish.")
    axis = axis_of(wells, MARGIN)
    wells["rescue"] = well_scores(wells[MARGIN], wells["plate"].to_numpy(dtype=str), axis)
    wells["b_score"] = _b_scores(wells)
    line = _off_axis(wells, profile, notes)
    if line is not None:
        wells["on_axis"], wells["off_axis"] = line.on, line.off
    hits = hit_table(wells, settings)
    positions = _positions(wells, settings)
    doses, not_fitted = _doses(wells, settings)
    separation = _separations(wells, settings)
    seen = Seen(wells, hits, separation, positions, crowded, axis.gap, plates_held_out)
    return ScreenResult(
        wells, hits, separation, positions, doses, not_fitted, crowded,
        verdicts(seen, settings), tuple(notes),
    )  # fmt: skip


def _refuse_unscored(wells: pd.DataFrame, settings: ScreenSettings) -> None:
    """A plate whose controls were all used for training has no honest margin of them."""
    for role, name in ((DISEASE, settings.disease), (WILD_TYPE, settings.wild_type)):
        for plate, own in wells[wells["role"] == role].groupby("plate"):
            if not np.isfinite(own[MARGIN]).any():
                raise UsageError(
                    f"plate {str(plate) or '(no name)'}: every well of {name!r} was trained on "
                    "and has no out-of-fold margin; classify it with a model that held it out."
                )


def _places(wells: pd.DataFrame) -> list[tuple[int, int]] | None:
    """Where the wells lie; None where one is not named like a well."""
    found = [place_of(str(well)) for well in wells["well"]]
    known = [place for place in found if place is not None]
    return known if len(known) == len(found) else None


def _crowded(wells: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    places = _places(wells)
    if places is None:
        return ()
    shape, out = shape_of(places), []
    for plate, own in wells.groupby("plate", sort=True):
        here = [places[at] for at in own.index]
        used = np.isfinite(as_plate(np.ones(len(own)), here, shape))
        treated = as_plate((own["role"] == TREATED).to_numpy(float), here, shape) == 1
        for kind, at in crowded_lines(treated, used):
            out.append((str(plate), f"{kind} {row_letters(at) if kind == 'row' else at + 1}"))
    return tuple(out)


def _polished(wells: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    places = _places(wells)
    if places is None:
        raise UsageError(
            "position = median_polish needs wells named like A01; "
            f"got {str(wells['well'].iloc[0])!r}."
        )
    shape, wells = shape_of(places), wells.copy()
    for _, own in wells.groupby("plate", sort=True):
        here = [places[at] for at in own.index]
        for column in columns:
            plate = median_polish(as_plate(own[column], here, shape))
            kept = plate.residuals + plate.overall
            wells.loc[own.index, column] = [kept[place] for place in here]
    return wells


def _b_scores(wells: pd.DataFrame) -> npt.NDArray[np.float64]:
    places = _places(wells)
    out = np.full(len(wells), np.nan)
    if places is None:
        return out
    shape = shape_of(places)
    for _, own in wells.groupby("plate", sort=True):
        here = [places[at] for at in own.index]
        plate = as_plate(own[MARGIN], here, shape)
        if np.isfinite(plate).any():
            scores = b_scores(plate)
            out[own.index] = [scores[place] for place in here]
    return out


def _off_axis(wells: pd.DataFrame, profile: Sequence[str], notes: list[str]) -> OffAxis | None:
    cells = np.log(wells["n_cells"].clip(lower=0.5) / wells["n_fields"].clip(lower=1))
    role = wells["role"].to_numpy(dtype=str)
    table = wells[list(profile)].assign(**{CELLS: cells})
    try:
        found = off_axis(
            table,
            wells["plate"].to_numpy(dtype=str),
            role == DISEASE,
            role == WILD_TYPE,
            (wells["n_cells"] >= FIRM).to_numpy(),
        )
    except UsageError as error:
        notes.append(f"No distance from the axis: {error}")
        return None
    if found.left_out:
        shown = ", ".join(found.left_out[:4]) + (" ..." if len(found.left_out) > 4 else "")
        notes.append(f"{len(found.left_out)} features took no part in the distance ({shown}).")
    return found


def _positions(wells: pd.DataFrame, settings: ScreenSettings) -> tuple[PositionEffect, ...]:
    places = _places(wells)
    if places is None:
        return ()
    strata = [
        f"{plate}|{name}|{dose}"
        for plate, name, dose in zip(wells["plate"], wells["treatment"], wells["dose"], strict=True)
    ]
    return position_effects(
        wells[MARGIN], places, strata, shape_of(places), settings.permutations, settings.seed
    )


def _doses(
    wells: pd.DataFrame, settings: ScreenSettings
) -> tuple[dict[str, DoseResponse], dict[str, str]]:
    fitted: dict[str, DoseResponse] = {}
    refused: dict[str, str] = {}
    vehicle = wells.loc[wells["role"] == DISEASE, "rescue"].dropna()
    for name, own in wells[wells["role"] == TREATED].groupby("treatment", sort=True):
        known = own[own["dose"].gt(0) & own["rescue"].notna()]
        if own["dose"].isna().all():
            continue
        x = np.concatenate([np.zeros(len(vehicle)), known["dose"].to_numpy(float)])
        y = np.concatenate([vehicle.to_numpy(float), known["rescue"].to_numpy(float)])
        if known["dose"].nunique() < FEWEST_DOSES:
            refused[str(name)] = (
                f"{known['dose'].nunique()} doses with cells; a curve needs {FEWEST_DOSES}"
            )
            continue
        fitted[str(name)] = fit_dose_response(
            x, y, alpha=settings.alpha, permutations=min(settings.permutations, 999),
            seed=settings.seed,
        )  # fmt: skip
    return fitted, refused


def _separations(wells: pd.DataFrame, settings: ScreenSettings) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    starts = wells[wells["role"] == DISEASE].groupby("plate")[MARGIN].mean()
    together = wells.assign(**{MARGIN: wells[MARGIN] - wells["plate"].map(starts)})
    plates = [(str(plate), own) for plate, own in wells.groupby("plate", sort=True)]
    for plate, own in [*plates, *([("", together)] if len(plates) > 1 else [])]:
        for each in _both(own, settings):
            rows.append({"plate": plate if len(plates) > 1 or plate else "", **vars(each)})
    return pd.DataFrame(rows)


def _both(own: pd.DataFrame, settings: ScreenSettings) -> tuple[Separation, ...]:
    ill = own.loc[own["role"] == DISEASE, MARGIN]
    healthy = own.loc[own["role"] == WILD_TYPE, MARGIN]
    level = 1 - settings.alpha
    return (
        *z_primes(ill, healthy, level, settings.seed),
        *ssmds(ill, healthy, level, settings.seed),
    )
