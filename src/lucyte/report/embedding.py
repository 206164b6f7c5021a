"""The map of cells, twice: by state, and by well so that a batch shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from lucyte.report.content import Embedding, ReportContent
from lucyte.report.legend import legend, mark_path
from lucyte.report.looks import condition_styles, state_styles
from lucyte.report.markup import NOTHING, drawing, join, tag
from lucyte.report.palette import Style, natural, ramp, styles
from lucyte.report.picture import data_address, shrink
from lucyte.report.section import Figures, Section, missing
from lucyte.report.wording import count, listed, number, plural

MOST_POINTS = 6000
MOST_THUMBNAILS = 900
THUMB_PX = 44
SIDE = 400.0
MARGIN = 0.03
ATLAS_PX = 1700
TILE_PX = 76
TOLD_APART = 24
COMPARE = " If the right panel shows the same groups as the left, {} differ as much as states do."


def embedding_section(content: ReportContent, figures: Figures) -> Section:
    """Two point maps side by side, then the cells themselves in their places."""
    title, embedding = "Map of cells", content.embedding
    if embedding is None or embedding.points.empty:
        why = "no map of cells was made"
        return Section("map", title, absent=missing(content, "embedding", why))
    points = embedding.points.head(MOST_POINTS).reset_index(drop=True)
    places = _places(points)
    panels = [
        _panel(heading, places, names, looks, what)
        for heading, names, looks, what in _colourings(content, points)
    ]
    body = tag("div", join(panels), class_="panels maps") + _hover(embedding, points, places)
    parts = [
        figures.figure(
            "map",
            body,
            _caption(embedding, points, plural(content.unit_word) if len(panels) > 1 else ""),
        )
    ]
    if embedding.thumbnails is not None and len(embedding.thumbnails):
        atlas, drawn = _atlas(content, embedding, points, places)
        words = (
            f"The same map with {count(drawn, 'cell')} in place, framed by state; "
            "where cells would hide one another only the first is drawn."
        )
        parts.append(figures.figure("atlas", atlas, words))
    return Section("map", title, join(parts))


def _places(points: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Places with the map's width as unit (x right, y down), one scale for both, a margin around.

    A map wider than high loses its empty top and bottom; see `_height`.
    """
    xy = points[["x", "y"]].to_numpy(np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    size = float(max(*(high - low), 1e-9))
    centred = (xy - (low + high) / 2) / size * (1 - 2 * MARGIN)
    height = _height(centred[:, 1])
    return np.column_stack([centred[:, 0] + 0.5, height / 2 - centred[:, 1]])


def _height(y: npt.NDArray[np.float64]) -> float:
    """Height of the map in units of its width: what the points take, half a width at least."""
    return min(1.0, max(0.5, float(np.ptp(y)) + 2 * MARGIN))


def _colourings(
    content: ReportContent, points: pd.DataFrame
) -> list[tuple[str, list[str], dict[str, Style], str]]:
    found: list[tuple[str, list[str], dict[str, Style], str]] = []
    if "state" in points:
        names = points["state"].astype(str).tolist()
        found.append(("By state", names, state_styles(content), "state"))
    elif "condition" in points:
        names = points["condition"].astype(str).tolist()
        found.append(("By condition", names, condition_styles(content), "condition"))
    for column in ("well", "plate", "condition"):
        if column not in points:
            continue
        names = points[column].astype(str).tolist()
        unit = content.unit_word if column == "well" else column
        found.append((f"By {unit}", names, _many(natural(names)), unit))
        break
    return found or [("Cells", [""] * len(points), styles([""]), "state")]


def _many(names: list[str]) -> dict[str, Style]:
    """Styles of wells: told apart one by one while that is possible, else shaded in order."""
    if len(names) <= TOLD_APART:
        return styles(names)
    last = len(names) - 1
    return {name: Style(ramp(0.2 + 0.8 * i / last), "circle") for i, name in enumerate(names)}


def _panel(
    heading: str,
    places: npt.NDArray[np.float64],
    names: list[str],
    looks: Mapping[str, Style],
    what: str,
) -> Markup:
    radius = 2.8 if len(places) > 1500 else 3.8
    paths = []
    for name, style in looks.items():
        own = [i for i, each in enumerate(names) if each == name]
        marks = "".join(
            mark_path(style.mark, float(x) * SIDE, float(y) * SIDE, radius) for x, y in places[own]
        )
        if marks:
            paths.append(tag("path", d=marks, fill=style.colour, fill_opacity=0.75))
    alt = f"{heading}: {count(len(places), 'cell')}, {len(looks)} colours; near means similar."
    height = SIDE * _height(places[:, 1])
    svg = drawing(SIDE, height, *paths, alt=alt, class_="map", style="width:100%")
    if len(looks) <= TOLD_APART:
        key = legend({name: looks[name] for name in looks if name in set(names)}, what=what)
    else:
        first, *_, last = looks
        words = f"light to dark: {first} to {last}, {count(len(looks), what)} in reading order"
        key = tag("p", words, class_="note")
    return tag("div", tag("h4", heading), svg, key, class_="panel")


def _hover(embedding: Embedding, points: pd.DataFrame, places: npt.NDArray[np.float64]) -> Markup:
    """Data for the script that shows the cell under the pointer; the page is whole without it."""
    thumbs = _thumb_rows(embedding, points)
    if not (thumbs >= 0).any() or embedding.thumbnails is None:
        return NOTHING
    columns = [name for name in ("state", "condition", "plate", "well") if name in points]
    texts = {name: points[name].to_numpy() for name in columns}
    rows: list[list[Any]] = []
    for i in np.flatnonzero(thumbs >= 0):
        words = {name: str(texts[name][i]) for name in columns}
        label = ", ".join(
            f"called {word}" if name == "state" else word for name, word in words.items() if word
        )
        x, y = (round(float(each), 3) for each in places[i])
        rows.append([x, y, int(thumbs[i]), label])
    sprite, across = _sprite(embedding.thumbnails[:MOST_THUMBNAILS])
    text = json.dumps({"across": across, "points": rows}, separators=(",", ":"))
    safe = Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
    data = tag("script", safe, type="application/json", id="map-data")
    picture = tag("img", src=data_address(sprite, quality=80), alt="", id="map-sprite", hidden="")
    return data + picture


def _thumb_rows(embedding: Embedding, points: pd.DataFrame) -> npt.NDArray[np.int64]:
    if embedding.thumbnails is None or "thumb" not in points:
        return np.full(len(points), -1, dtype=np.int64)
    thumbs = points["thumb"].fillna(-1).to_numpy(np.int64)
    last = min(len(embedding.thumbnails), MOST_THUMBNAILS)
    return np.where((thumbs >= 0) & (thumbs < last), thumbs, -1)


def _sprite(thumbnails: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int]:
    """All thumbnails in one square sheet, and how many stand in a row."""
    small = [_square(each) for each in thumbnails]
    across = int(np.ceil(np.sqrt(len(small))))
    rows = -(-len(small) // across)
    sheet = np.zeros((rows * THUMB_PX, across * THUMB_PX, 3), dtype=np.uint8)
    for i, each in enumerate(small):
        y, x = divmod(i, across)
        sheet[y * THUMB_PX : (y + 1) * THUMB_PX, x * THUMB_PX : (x + 1) * THUMB_PX] = each
    return sheet, across


def _square(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    small = shrink(picture, THUMB_PX)
    square = np.zeros((THUMB_PX, THUMB_PX, 3), dtype=np.uint8)
    y, x = ((THUMB_PX - side) // 2 for side in small.shape[:2])
    square[y : y + small.shape[0], x : x + small.shape[1]] = small
    return square


def _atlas(
    content: ReportContent,
    embedding: Embedding,
    points: pd.DataFrame,
    places: npt.NDArray[np.float64],
) -> tuple[Markup, int]:
    """Thumbnails at their places on one sheet, none over another, framed by state."""
    thumbnails = embedding.thumbnails
    assert thumbnails is not None
    thumbs = _thumb_rows(embedding, points)
    looks = state_styles(content)
    sheet = np.full((ATLAS_PX, ATLAS_PX, 3), 255, dtype=np.uint8)
    taken: list[tuple[int, int]] = []
    for i in np.flatnonzero(thumbs >= 0):
        x, y = (int(max(each, 0.0) * (ATLAS_PX - TILE_PX)) for each in places[i])
        if any(abs(x - a) < TILE_PX and abs(y - b) < TILE_PX for a, b in taken):
            continue
        taken.append((x, y))
        style = looks.get(str(points["state"].iloc[i])) if "state" in points else None
        sheet[y : y + TILE_PX - 4, x : x + TILE_PX - 4] = _tile(thumbnails[thumbs[i]], style)
    inked = (sheet != 255).any(axis=2)
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    sheet = sheet[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alt = f"Map of cells with {count(len(taken), 'thumbnail')} in place."
    width = f"max-width:{sheet.shape[1] // 2}px"
    address = data_address(sheet, quality=85)
    return tag("img", src=address, alt=alt, class_="atlas", style=width), len(taken)


def _tile(thumbnail: npt.NDArray[np.uint8], style: Style | None) -> npt.NDArray[np.uint8]:
    """One thumbnail in a frame of its state's colour."""
    from PIL import Image

    side = TILE_PX - 4
    colour = style.colour if style else "#ffffff"
    tile = np.empty((side, side, 3), dtype=np.uint8)
    tile[:] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    inner = Image.fromarray(np.ascontiguousarray(thumbnail)).resize((side - 8, side - 8))
    tile[4:-4, 4:-4] = np.asarray(inner)
    return tile


def _caption(embedding: Embedding, points: pd.DataFrame, units: str) -> str:
    settings = listed(
        [f"{key} {number(value)}" for key, value in embedding.settings.items() if value is not None]
    )
    total = len(embedding.points)
    drawn = f" (the first {len(points):,} of {total:,})" if total > len(points) else ""
    return (
        f"{embedding.method} of {count(len(points), 'cell')}{drawn}"
        f"{f'; {settings}' if settings else ''}. Near means similar; distances between groups, "
        "their sizes and the axes mean nothing."
        f"{COMPARE.format(units) if units else ''}"
    )
