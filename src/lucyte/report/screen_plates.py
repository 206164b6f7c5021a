"""Plates of a screen as heat maps: what was done, rescue, distance from the axis, cells, B."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import pandas as pd
from markupsafe import Markup

from lucyte.report.legend import legend
from lucyte.report.markup import drawing, join, tag
from lucyte.report.palette import Style, diverging, ramp
from lucyte.report.plate_map import Cell, Grid, grid_of, place_of, plate_drawing
from lucyte.report.section import Figures
from lucyte.report.wording import count, named, number

MOST_PLATES = 8
Place = tuple[int, int]


def plate_figures(wells: pd.DataFrame, looks: Mapping[str, Style], figures: Figures) -> Markup:
    """One figure per plate; a line that says why where wells are not named like wells.

    Parameters
    ----------
    wells : DataFrame
        ``plate, well, treatment, dose, n_cells, rescue, b_score`` and, where known, ``off_axis``.
    looks : mapping of treatment to Style
    figures : Figures
    """
    wells = wells.assign(place=wells["well"].astype(str).map(place_of))
    strange = wells[wells["place"].isna()]
    if len(strange):
        words = f"Wells are not named like wells (A01), for example {strange['well'].iloc[0]}."
        return tag("p", words, class_="note")
    letters = {name: chr(ord("a") + at) if at < 26 else str(at + 1)
               for at, name in enumerate(looks)}  # fmt: skip
    plates = sorted({str(each) for each in wells["plate"]})
    drawn = [
        _plate(wells[wells["plate"].astype(str) == name], name, looks, letters, figures)
        for name in plates[:MOST_PLATES]
    ]
    if len(plates) > MOST_PLATES:
        more = f"{count(len(plates) - MOST_PLATES, 'further plate')} not drawn."
        drawn.append(tag("p", more, class_="note"))
    key = tag("div", legend(looks, marks=False, letters=letters, what="treatment"), class_="key")
    return key + join(drawn)


def _plate(
    wells: pd.DataFrame,
    plate: str,
    looks: Mapping[str, Style],
    letters: Mapping[str, str],
    figures: Figures,
) -> Markup:
    grid = grid_of(list(wells["place"]))
    size = 30.0 if len(grid.columns) > 8 else 40.0
    done = {
        row["place"]: Cell(
            looks[str(row["treatment"])].colour,
            letters[str(row["treatment"])],
            _title(row, f"{row['treatment']}{_dose(row)}"),
            False,
        )
        for row in wells.to_dict("records")
    }
    panels = [_panel("Treatment", grid, done, size, plate)]
    high = float(max(wells["n_cells"].max(), 1))
    scales: list[tuple[str, str, Callable[[float], str], tuple[float, float]]] = [
        ("Rescue (0 disease, 1 wild type)", "rescue", diverging, (-1, 1)),
        ("Distance from the axis (1: a control)", "off_axis", lambda x: ramp((x - 1) / 3), (1, 4)),
        ("Cells", "n_cells", lambda x: ramp(x / high), (0, high)),
        ("B-score of the margin", "b_score", lambda x: diverging(x / 4), (-4, 4)),
    ]
    for heading, column, colour, ends in scales:
        if column in wells and wells[column].notna().any():
            cells = _values(wells, column, colour)
            panels.append(_panel(heading, grid, cells, size, plate, _key(colour, ends)))
    slug = re.sub("[^A-Za-z0-9]+", "-", plate).strip("-") or "map"
    caption = (
        f"Plate {named(plate, 'plate name')}. Small dots: wells without images. Colours end at the "
        "ends of their keys; a dash where a value is not known."
    )
    return figures.figure(
        f"plate-{slug}", tag("div", join(panels), class_="panels maps"), caption, wide=True
    )


def _panel(
    heading: str,
    grid: Grid,
    cells: Mapping[Place, Cell],
    size: float,
    plate: str,
    key: Markup | None = None,
) -> Markup:
    alt = f"{named(plate, 'plate name')}: {heading}"
    picture = plate_drawing(grid, cells, size, alt)
    return tag("div", tag("h4", heading), picture, *([key] if key else []), class_="panel")


def _values(wells: pd.DataFrame, column: str, colour: Callable[[float], str]) -> dict[Place, Cell]:
    cells = {}
    for row in wells.to_dict("records"):
        value = float(row[column])
        known = math.isfinite(value)
        text = _tight(value, column == "n_cells") if known else "–"
        words = f"{number(value)}, {row['treatment']}{_dose(row)}"
        cells[row["place"]] = Cell(colour(value) if known else "#ffffff", text,
                                   _title(row, words), False)  # fmt: skip
    return cells


def _tight(value: float, whole: bool) -> str:
    """As short as a well allows: ``.4``, ``−1.2``, ``12``."""
    text = f"{value:.0f}" if whole or abs(value) >= 9.95 else f"{value:.1f}"
    text = text.replace("-0.0", "0.0")
    return re.sub(r"^(-?)0\.(?=[1-9])", r"\1.", text).replace("0.0", "0").replace("-", "−")


def _title(row: Mapping[object, object], words: str) -> str:
    return f"{row['well']}: {words}"


def _dose(row: Mapping[object, object]) -> str:
    dose = row["dose"]
    return f" {dose:g}" if isinstance(dose, int | float) and dose and math.isfinite(dose) else ""


def _key(colour: Callable[[float], str], ends: tuple[float, float]) -> Markup:
    low, high = ends
    steps = 24
    blocks = [
        tag("rect", x=i * 6, y=0, width=6.3, height=10,
            fill=colour(low + (high - low) * i / (steps - 1)))
        for i in range(steps)
    ]  # fmt: skip
    alt = f"from {number(low)} to {number(high)}"
    bar = drawing(steps * 6, 10, *blocks, alt=alt)
    return tag("div", number(low), bar, number(high), class_="ramp")
