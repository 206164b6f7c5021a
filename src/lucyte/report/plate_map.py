"""The plate as it stood on the microscope: wells coloured by condition, count and state."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.legend import legend
from lucyte.report.looks import condition_styles
from lucyte.report.markup import NOTHING, drawing, join, tag
from lucyte.report.palette import Style, ink_on, natural, ramp
from lucyte.report.section import Figures, Section, missing
from lucyte.report.wording import count, named, number, plural, sentence, short, things_of

FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of the plates one can buy: 6, 12, 24, 48, 96, 384 and 1536 wells."""
SPARSE = 6
"""A plate of which less than one well in so many was imaged is cut to the part in use."""
MOST_PLATES = 8
FEW_CONDITIONS = 8
"""A longer key stands below all drawings."""
MOST_LETTERS = 24


@dataclass(frozen=True)
class Grid:
    """The part of a plate that is drawn, as half-open ranges of rows and columns from 0."""

    rows: range
    columns: range
    wells: int

    @property
    def whole(self) -> bool:
        """Is the plate drawn in full?"""
        return len(self.rows) * len(self.columns) == self.wells


@dataclass(frozen=True)
class Cell:
    """How one well is drawn."""

    colour: str
    text: str
    title: str
    flagged: bool


def plate_map_section(content: ReportContent, figures: Figures) -> Section:
    """One drawing per plate and quantity."""
    title, wells = "Plate", content.wells
    if wells.empty:
        return Section("plate", title, absent=missing(content, "wells", "no wells are known"))
    wells = wells.assign(place=wells["well"].astype(str).map(place_of))
    if wells["place"].isna().any():
        strange = str(wells.loc[wells["place"].isna(), "well"].iloc[0])
        units = plural(content.unit_word)
        why = f"{units} are not named like wells (A01), for example {named(strange)}"
        return Section("plate", title, absent=missing(content, "wells", why))
    plates = natural(wells["plate"])
    body = join(
        _one_plate(content, wells[wells["plate"].astype(str) == plate], plate, figures)
        for plate in plates[:MOST_PLATES]
    )
    if len(plates) > MOST_PLATES:
        more = f"{count(len(plates) - MOST_PLATES, 'further plate')} not drawn."
        body += tag("p", more, class_="note")
    return Section("plate", title, body)


def place_of(well: str) -> tuple[int, int] | None:
    """Row and column from 0 of ``A01``, ``b3``, ``AA12``; None for any other name."""
    match = re.fullmatch(r"([A-Za-z]{1,2})0*([1-9]\d?)", well.strip())
    if match is None:
        return None
    row = 0
    for letter in match[1].upper():
        row = row * 26 + ord(letter) - ord("A") + 1
    place = row - 1, int(match[2]) - 1
    return place if place[0] < 32 and place[1] < 48 else None


def grid_of(places: list[tuple[int, int]]) -> Grid:
    """The smallest plate that has all these wells, cut where nearly empty."""
    down, across = max(row for row, _ in places) + 1, max(column for _, column in places) + 1
    rows, columns = next((r, c) for r, c in FORMATS if r >= down and c >= across)
    whole = rows * columns
    if len(places) * SPARSE >= whole:
        return Grid(range(rows), range(columns), whole)
    low = min(row for row, _ in places), min(column for _, column in places)
    return Grid(range(low[0], down), range(low[1], across), whole)


def row_name(row: int) -> str:
    """``A`` for 0, ``AA`` for 26."""
    return chr(65 + row) if row < 26 else "A" + chr(65 + row - 26)


def _one_plate(content: ReportContent, wells: pd.DataFrame, plate: str, figures: Figures) -> Markup:
    grid = grid_of(list(wells["place"]))
    panels = _panels(content, wells)
    size = 34.0 if len(grid.columns) > 12 else 46.0
    drawn = [
        tag(
            "div",
            tag("h4", heading),
            plate_drawing(grid, cells, size, f"{named(plate, 'plate name')}: {heading}"),
            key,
            class_="panel",
        )
        for heading, cells, key in panels
    ]
    looks = condition_styles(content)
    key = NOTHING
    if len(looks) > FEW_CONDITIONS:
        own = set(wells["condition"].astype(str))
        letters = _letters(list(looks))
        shown = {name: style for name, style in looks.items() if name in own}
        key = tag("div", legend(shown, marks=False, letters=letters), class_="key")
    wide = len(grid.columns) * size > 430
    return figures.figure(
        f"plate-{re.sub('[^A-Za-z0-9]+', '-', plate).strip('-') or 'map'}",
        tag("div", join(drawn), class_="panels stacked" if wide else "panels") + key,
        _caption(wells, plate, grid),
    )


def _caption(wells: pd.DataFrame, plate: str, grid: Grid) -> str:
    words = [f"Plate {plate}." if plate else "The plate."]
    if not grid.whole:
        rows = _from_to("row", [row_name(each) for each in grid.rows])
        columns = _from_to("column", [str(each + 1) for each in grid.columns])
        words.append(f"{sentence(rows)} and {columns} of {grid.wells} wells.")
    words.append("Small dots: wells without images.")
    flagged = sum(_flags(row) != "" for row in wells.to_dict("records"))
    words.append(
        f"Hatched: {count(flagged, 'flagged well')}, see Quality."
        if flagged
        else "No well is flagged."
    )
    return " ".join(words)


def _from_to(noun: str, names: list[str]) -> str:
    return f"{noun} {names[0]}" if len(names) == 1 else f"{noun}s {names[0]} to {names[-1]}"


def _panels(
    content: ReportContent, wells: pd.DataFrame
) -> list[tuple[str, dict[tuple[int, int], Cell], Markup]]:
    panels = []
    looks = condition_styles(content)
    if list(looks) != [""]:
        letters = _letters(list(looks))
        cells = _cells(wells, "condition", letters, looks)
        few = len(looks) <= FEW_CONDITIONS
        key = legend(looks, marks=False, letters=letters) if few else NOTHING
        panels.append(("Condition", cells, key))
    high = float(max(content.wells["n_cells"].max(), 1))
    things = things_of(content.kind)
    panels.append(
        (
            f"{sentence(things)} found",
            _values(wells, "n_cells", 0.0, high),
            _ramp_key(0.0, high),
        )
    )
    classes = content.states.classes if content.states else ()
    shown = classes[1:] if len(classes) == 2 else classes
    for state in shown[:4]:
        column = f"fraction_{state}"
        if column in wells:
            heading = f"Fraction of {things} called {short(state, 30)}"
            panels.append((heading, _values(wells, column, 0.0, 1.0), _ramp_key(0.0, 1.0)))
    return panels


def _letters(names: list[str]) -> dict[str, str]:
    """Letters for the wells where colour alone would not do."""
    if len(names) > MOST_LETTERS:
        return {name: str(i + 1) for i, name in enumerate(names)}
    return {name: chr(ord("a") + i) for i, name in enumerate(names)}


def _cells(
    wells: pd.DataFrame, column: str, letters: Mapping[str, str], looks: Mapping[str, Style]
) -> dict[tuple[int, int], Cell]:
    return {
        row["place"]: Cell(
            looks[str(row[column])].colour,
            letters[str(row[column])],
            f"{row['well']}: {named(str(row[column]))}{_flags(row)}",
            _flags(row) != "",
        )
        for row in wells.to_dict("records")
    }


def _values(
    wells: pd.DataFrame, column: str, low: float, high: float
) -> dict[tuple[int, int], Cell]:
    cells = {}
    for row in wells.to_dict("records"):
        value = float(row[column])
        known = math.isfinite(value)
        text = (_tight(value) if high > 1 else f"{value:.2f}".lstrip("0") or "0") if known else "–"
        cells[row["place"]] = Cell(
            ramp((value - low) / (high - low)) if known else "#ffffff",
            text,
            f"{row['well']}: {number(value)}, {named(str(row['condition']))}{_flags(row)}",
            _flags(row) != "",
        )
    return cells


def _tight(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:.0f}"


def _flags(row: Mapping[object, object]) -> str:
    """The flags of a well as a clause for its title; empty for none."""
    flags = row.get("flags", "")
    text = "" if flags is None or flags != flags else str(flags).strip()
    return f" (flagged: {text})" if text else ""


def plate_drawing(
    grid: Grid, cells: Mapping[tuple[int, int], Cell], size: float, alt: str
) -> Markup:
    """Wells as rounded squares with their texts, dots where no well was imaged."""
    left, top = 22.0, 18.0
    width = left + len(grid.columns) * size + 2
    height = top + len(grid.rows) * size + 2
    parts = []
    for j, column in enumerate(grid.columns):
        parts.append(tag("text", str(column + 1), x=left + (j + 0.5) * size, y=12, class_="head"))
    for i, row in enumerate(grid.rows):
        y = top + (i + 0.5) * size + 4
        parts.append(tag("text", row_name(row), x=10, y=y, class_="head"))
        for j, column in enumerate(grid.columns):
            x0, y0 = left + j * size, top + i * size
            parts.append(_well(cells.get((row, column)), x0, y0, size))
    flagged = sum(each.flagged for each in cells.values())
    words = f"{alt}. {count(len(cells), 'well')}, {flagged} flagged."
    return drawing(width, height, *parts, alt=words, class_="plate")


def _well(cell: Cell | None, x: float, y: float, size: float) -> Markup:
    middle = {"cx": x + size / 2, "cy": y + size / 2}
    if cell is None:
        return tag("circle", **middle, r=1.6, fill="#c9d0d6")
    box = {"x": x + 1, "y": y + 1, "width": size - 2, "height": size - 2, "rx": size / 8}
    ink = ink_on(cell.colour)
    parts = [tag("rect", **box, fill=cell.colour, class_="well")]
    if cell.flagged:
        parts.append(tag("rect", **box, fill="url(#flagged)"))
    halo = {"stroke": cell.colour, "stroke_width": 4 if cell.flagged else 0}
    text_y = y + size / 2 + size * 0.12
    parts.append(
        tag("text", cell.text, x=x + size / 2, y=text_y, fill=ink, font_size=size * 0.33, **halo)
    )
    return tag("g", tag("title", cell.title), *parts)


def _ramp_key(low: float, high: float) -> Markup:
    steps = 24
    blocks = [
        tag("rect", x=i * 6, y=0, width=6.3, height=10, fill=ramp(i / (steps - 1)))
        for i in range(steps)
    ]
    bar = drawing(steps * 6, 10, *blocks, alt=f"light {number(low)}, dark {number(high)}")
    return tag("div", number(low), bar, number(high), class_="ramp") if blocks else NOTHING
