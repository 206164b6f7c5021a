"""Example cells with their outlines and a scale bar."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from lucyte.report.content import ExampleCell, ReportContent
from lucyte.report.legend import sample
from lucyte.report.looks import state_styles
from lucyte.report.markup import NOTHING, drawing, join, tag
from lucyte.report.palette import Style, natural
from lucyte.report.picture import data_address, outline_paths, scale_bar, shrink
from lucyte.report.section import Figures, Section, missing
from lucyte.report.template import fill
from lucyte.report.wording import count, named, short

MOST_CELLS = 60
MOST_PX = 160


def cells_section(content: ReportContent, figures: Figures) -> Section:
    """Cells by condition, each with what it was called."""
    title, cells = "Cells", content.examples
    if not cells:
        why = "no example cells were cut out"
        return Section("cells", title, absent=missing(content, "examples", why))
    looks = state_styles(content)
    ordered = sorted(
        cells[:MOST_CELLS],
        key=lambda cell: (natural(c.condition for c in cells).index(cell.condition), cell.state),
    )
    groups: dict[str, list[dict[str, Any]]] = {}
    for cell in ordered:
        groups.setdefault(cell.condition, []).append(_card(cell, looks, content))
    body = fill(
        "cells.html",
        groups=groups,
        states=[state for state in looks if any(cell.state == state for cell in ordered)],
        conditions=list(groups),
    )
    return Section("cells", title, figures.figure("cells", body, _caption(content), wide=True))


def portrait(cell: ExampleCell, alt: str) -> Markup:
    """The cell's picture with outline and scale bar."""
    height, width = cell.picture.shape[:2]
    small = shrink(cell.picture, MOST_PX)
    image = tag("image", href=data_address(small), width=width, height=height)
    outline = outline_paths(cell.outline, max(width, height) / 110)
    bar = scale_bar(width, height, cell.pixel_size_um)
    return drawing(
        width, height, image, outline, bar, alt=alt, class_="portrait", style="width:100%"
    )


def _card(cell: ExampleCell, looks: dict[str, Style], content: ReportContent) -> dict[str, Any]:
    where = [cell.well, f"frame {cell.time_index}" if _movie(content) else ""]
    called = f"{cell.state}" if cell.state else ""
    alt = f"Cell {cell.object_id}, {named(cell.condition)}" + (
        f", called {called}" if called else ""
    )
    other = bool(
        content.states
        and content.states.target == "condition"
        and cell.state
        and cell.condition
        and cell.state != cell.condition
    )
    return {
        "picture": portrait(cell, alt),
        "state": cell.state,
        "mark": sample(looks[cell.state]) if cell.state else NOTHING,
        "p": "" if cell.p is None else f"{cell.p:.2f}",
        "where": ", ".join(short(part, 18) for part in where if part),
        "id": cell.object_id,
        "other": other,
    }


def _movie(content: ReportContent) -> bool:
    return bool((content.fields["frames"] > 1).any()) if len(content.fields) else False


def _caption(content: ReportContent) -> Markup:
    cells = content.examples[:MOST_CELLS]
    known = {cell.pixel_size_um is not None for cell in cells}
    scale = {
        frozenset({True}): "Scale bars in micrometres.",
        frozenset({False}): "Scale bars in pixels: the pixel size of these images is unknown.",
    }.get(frozenset(known), "Scale bars in micrometres, or in pixels where the size is unknown.")
    words = [f"{count(len(cells), 'example cell')}, white: the outline that was found.", scale]
    if any(cell.p is not None for cell in cells):
        words.append("The number is the out-of-fold probability of the state.")
    if content.states and content.states.target == "condition":
        words.append("Framed: called other than its condition.")
    if len(content.examples) > MOST_CELLS:
        words.append(f"{len(content.examples) - MOST_CELLS} further cells are not shown.")
    return join([" ".join(words)])
