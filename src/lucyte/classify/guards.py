"""Does the plate, the day or the place on the plate already tell the class? Asked beforehand."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lucyte.classify.units import independent_units, text_column
from lucyte.schema.finding import Finding, Verdict

ACQUISITION = ("plate", "batch", "day")
POSITION = ("row", "column", "well position")


@dataclass(frozen=True)
class Level:
    """How well one level of the design tells the class.

    Attributes
    ----------
    name : str
    values : int
        Distinct values.
    purity : float
        Share of units that share their value with no unit of another class.
    shared : int
        Values that hold two units or more; without any, purity is no evidence.
    """

    name: str
    values: int
    purity: float
    shared: int


def confounding(
    objects: pd.DataFrame, target: str = "condition", group: str = "auto"
) -> tuple[Finding, ...]:
    """Announce what else than the biology tells the classes apart in this design.

    Parameters
    ----------
    objects : DataFrame
        Identity columns and the target; one row per object, or one per well.
    target : str
    group : str
        As in `independent_units`.

    Returns
    -------
    tuple of Finding
        ``data.acquisition`` (plate, batch, day) and ``data.position`` (row, column, and the same
        well on every plate). Fails where a level tells the class of every unit.

    Raises
    ------
    UsageError
        No such column.
    """
    units = unit_table(objects, target, group)
    n, name = len(units), str(units.attrs["unit"])
    return (
        _finding(
            units,
            target,
            [level(units, each) for each in ACQUISITION if each in units],
            "data.acquisition",
            f"Is {target} spread over plates and days, so that neither tells the class?",
            (n, name),
        ),
        _finding(
            units,
            target,
            [level(units, each) for each in POSITION if each in units],
            "data.position",
            f"Is {target} spread over the plate, so that the place does not tell the class?",
            (n, name),
        ),
    )


def unit_table(objects: pd.DataFrame, target: str, group: str = "auto") -> pd.DataFrame:
    """One row per unit and class: ``unit, class`` and the levels that are known."""
    labels = text_column(objects, target)
    known = objects[labels != ""]
    labels = labels[labels != ""]
    units = independent_units(known, target, group)
    out = pd.DataFrame({"unit": units.values, "class": labels})
    for name in ACQUISITION:
        if name in known and (text_column(known, name) != "").all():
            out[name] = text_column(known, name)
    wells = text_column(known, "well") if "well" in known else np.array([], dtype=str)
    places = [re.fullmatch(r"([A-Za-z]{1,2})0*(\d+)", each) for each in wells]
    if places and all(places):
        out["row"] = [each[1].upper() for each in places if each]
        out["column"] = [each[2] for each in places if each]
        if "plate" in out and out["plate"].nunique() > 1:
            out["well position"] = wells
    out = out.drop_duplicates(["unit", "class"]).reset_index(drop=True)
    out.attrs["unit"] = units.name
    return out


def level(units: pd.DataFrame, name: str) -> Level:
    """How well the values of one column of `unit_table` tell the class."""
    pure = units.groupby(name)["class"].transform("nunique") == 1
    sizes = units.groupby(name).size()
    return Level(name, len(sizes), float(pure.mean()), int((sizes >= 2).sum()))


def _finding(
    units: pd.DataFrame,
    target: str,
    levels: list[Level],
    name: str,
    question: str,
    counted: tuple[int, str],
) -> Finding:
    n, unit = counted
    several = [each for each in levels if each.values > 1]
    worst = max(several, key=lambda each: (each.purity, each.shared), default=None)
    verdict, why = _judge(worst, levels, target, unit)
    per_class = units.groupby("class")["unit"].nunique()
    lonely = [str(each) for each in per_class.index[per_class == 1]]
    if lonely:
        why += f" Class {lonely[0]!r} is in one {unit} only, so that {unit} is the class."
        verdict = "fail"
    return Finding(
        name=name,
        question=question,
        verdict=verdict,
        statistic=worst.purity if worst else float("nan"),
        low=None,
        high=None,
        n=n,
        unit=unit,
        assumed=("the names in the plate map are right",),
        why=why,
        statistic_name="share told by the worst level",
        group="data",
        details={
            "levels": {each.name: each.purity for each in levels},
            "units_per_class": {str(k): int(v) for k, v in per_class.items()},
        },
    )


def _judge(worst: Level | None, levels: list[Level], target: str, unit: str) -> tuple[Verdict, str]:
    if worst is None:
        known = ", ".join(each.name for each in levels)
        if not known:
            return "inconclusive", "Neither plates, days nor places are known."
        return "inconclusive", (
            f"There is one {known.replace(', ', ', one ')} only: it cannot tell the classes "
            "apart, and nothing here shows that the result would hold on another."
        )
    if worst.purity == 1 and worst.shared:
        return "fail", (
            f"Each {worst.name} holds one class of {target} only: whatever differs between "
            f"{worst.name}s (light, medium, handling) cannot be told from the biology."
        )
    if worst.purity == 1:
        return "inconclusive", (
            f"Every {unit} has a {worst.name} of its own, so its effect cannot be told from "
            "the class's."
        )
    if worst.purity == 0:
        return "pass", f"Every {worst.name} holds several classes."
    return "inconclusive", (
        f"{worst.purity:.0%} of the {unit}s share their {worst.name} with no other class; "
        "compare within those that hold several."
    )
