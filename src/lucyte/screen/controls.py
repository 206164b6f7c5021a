"""Which wells are controls: by name, on every plate, or not at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError, unknown
from lucyte.screen.settings import ScreenSettings

DISEASE, WILD_TYPE, SHAM, TREATED = "disease", "wild_type", "sham", "treated"
FEWEST = 3
"""Wells of each control in the whole screen below which a spread says nothing."""
Names = npt.NDArray[np.str_]


def assign_roles(wells: pd.DataFrame, settings: ScreenSettings) -> Names:
    """``disease``, ``wild_type``, ``sham`` or ``treated`` for each well.

    Parameters
    ----------
    wells : DataFrame
        ``plate, well`` and the column of treatments.
    settings : ScreenSettings

    Raises
    ------
    UsageError
        No such column or name, one name for both controls, too few control wells, or a plate
        without both controls.
    """
    if settings.treatment not in wells.columns:
        raise unknown(
            "column", settings.treatment, [str(each) for each in wells.columns][:16],
            "Say which column holds the treatments.",
        )  # fmt: skip
    names = text(wells[settings.treatment])
    plates = text(wells["plate"])
    _check_names(names, settings)
    roles = np.full(len(names), TREATED, dtype="<U9")
    roles[np.isin(names, settings.sham)] = SHAM
    roles[names == settings.disease] = DISEASE
    roles[names == settings.wild_type] = WILD_TYPE
    _check_plates(roles, plates, settings)
    for role, name in ((DISEASE, settings.disease), (WILD_TYPE, settings.wild_type)):
        found = int((roles == role).sum())
        if found < FEWEST:
            raise UsageError(
                f"control {name!r} has {found} wells with cells; at least {FEWEST} are needed to "
                "know their spread."
            )
    return roles


def text(column: pd.Series) -> Names:
    """A column as trimmed text, an empty string where nothing stands."""
    filled = column.astype(object).where(column.notna(), "").astype(str)
    return filled.str.strip().to_numpy(dtype=str)


def _check_names(names: Names, settings: ScreenSettings) -> None:
    if settings.disease == settings.wild_type:
        raise UsageError(
            f"disease and wild type are both {settings.disease!r}; name two different controls."
        )
    found = sorted({str(name) for name in names if name})
    for option, name in (("disease", settings.disease), ("wild type", settings.wild_type)):
        if name not in found:
            raise unknown(f"{option} control", name, found, "Name a treatment of this plate map.")
    for name in settings.sham:
        if name not in found:
            raise unknown("sham treatment", name, found)
        if name in (settings.disease, settings.wild_type):
            raise UsageError(f"{name!r} cannot be sham and a control at once.")


def _check_plates(roles: Names, plates: Names, settings: ScreenSettings) -> None:
    lacking = {}
    for plate in np.unique(plates):
        own = set(roles[plates == plate])
        gone = [
            name
            for role, name in ((DISEASE, settings.disease), (WILD_TYPE, settings.wild_type))
            if role not in own
        ]
        if gone:
            lacking[str(plate) or "(no name)"] = gone
    if not lacking:
        return
    shown = "; ".join(
        f"plate {plate} has no well of {' nor of '.join(repr(n) for n in gone)}"
        for plate, gone in list(lacking.items())[:3]
    )
    apart = not any(
        {DISEASE, WILD_TYPE} <= set(roles[plates == plate]) for plate in np.unique(plates)
    )
    more = " No plate holds both, so the plate alone tells them apart." if apart else ""
    raise UsageError(
        f"{shown}: what is disease and what is plate cannot be told apart there.{more} "
        "Leave that plate out, or put both controls on every plate."
    )
