"""The independent unit: the level at which the cause was assigned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError, unknown

Names = npt.NDArray[np.str_]
LEVELS = ("well", "field")


@dataclass(frozen=True)
class Units:
    """What is kept together, and what n counts.

    Attributes
    ----------
    name : str
        ``well``, ``field`` or a column.
    values : str array N
        The unit of each object (``plate/well``).
    why : str
        How it was chosen, in words.
    """

    name: str
    values: Names
    why: str


def independent_units(objects: pd.DataFrame, target: str, setting: str = "auto") -> Units:
    """Find the unit of each object.

    ``auto`` takes the well where wells are known: the target is constant in each (it was assigned
    to wells), or every class is in two wells or more. Else it takes the field.

    Parameters
    ----------
    objects : DataFrame
        With the identity columns; rows with a known target.
    target : str
        Column that is learned.
    setting : str
        ``auto``, ``well``, ``field`` or the name of a column.

    Raises
    ------
    UsageError
        No such column, or objects without a value in it.
    """
    if setting != "auto":
        return _asked_for(objects, setting)
    wells = _level(objects, "well")
    if wells is not None and len(np.unique(wells)) > 1:
        if _constant_within(objects[target], wells):
            return Units("well", wells, f"{target} does not vary within a well")
        if _fewest_per_class(objects[target], wells) >= 2:
            return Units("well", wells, "every class is in two wells or more")
    fields = _level(objects, "field")
    if fields is not None:
        return Units("field", fields, "wells are not known or do not hold every class twice")
    raise UsageError(
        "objects have neither a well nor a field, so what is independent is unknown; "
        "name a column with classify.group."
    )


def text_column(objects: pd.DataFrame, name: str) -> Names:
    """A column as text, an empty string where the value is missing."""
    if name not in objects.columns:
        raise unknown("column", name, [str(each) for each in objects.columns][:16])
    column = objects[name]
    text = column.astype(object).where(column.notna(), "").astype(str)
    return text.str.strip().to_numpy(dtype=str)


def _asked_for(objects: pd.DataFrame, setting: str) -> Units:
    values = _level(objects, setting) if setting in LEVELS else None
    if values is None:
        values = text_column(objects, setting)
    empty = int((values == "").sum())
    if empty:
        raise UsageError(
            f"group column {setting!r} has no value for {empty} of {len(values)} objects; "
            "fill it in, or choose another with classify.group."
        )
    return Units(setting, values, "asked for")


def _level(objects: pd.DataFrame, level: str) -> Names | None:
    if level == "field":
        return _known(text_column(objects, "field_id")) if "field_id" in objects else None
    if "well" not in objects:
        return None
    wells = text_column(objects, "well")
    if (wells == "").any():
        return None
    if "plate" not in objects:
        return wells
    plates = text_column(objects, "plate")
    return np.array([f"{p}/{w}" if p else w for p, w in zip(plates, wells, strict=True)], dtype=str)


def _known(values: Names) -> Names | None:
    return None if (values == "").any() else values


def _constant_within(target: pd.Series, units: Names) -> bool:
    return bool(target.astype(str).groupby(units).nunique().max() == 1)


def _fewest_per_class(target: pd.Series, units: Names) -> int:
    return int(pd.Series(units, index=target.index).groupby(target.astype(str)).nunique().min())
