"""Where the cells of one movie went: a line per track over one frame."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from lucyte.report.content import Movie
from lucyte.report.legend import mark_path
from lucyte.report.markup import NOTHING, drawing, join, plain, tag
from lucyte.report.palette import OKABE_ITO
from lucyte.report.picture import data_address, scale_bar, shrink
from lucyte.report.wording import count, named

MOST_TRACKS = 600
PICTURE_PX = 900
_COLOURS = ("#56B4E9", "#E69F00", "#F0E442", "#CC79A7", "#00D1A0")


def trails(movie: Movie) -> Markup:
    """The trails of the longest tracks; divisions, deaths and last places marked."""
    height, width = movie.shape_yx
    nodes = movie.tracks.nodes.sort_values(["track_id", "time_index"], kind="stable")
    tracks = movie.tracks.tracks
    longest = tracks.sort_values(["length", "track_id"], ascending=[False, True], kind="stable")
    kept = set(longest["track_id"].head(MOST_TRACKS))
    unit = max(height, width) / 1000
    on_picture = movie.picture is not None
    parts: list[Markup] = [_ground(movie)]
    fates = dict(zip(tracks["track_id"], tracks["fate"], strict=True))
    for track_id, own in nodes[nodes["track_id"].isin(kept)].groupby("track_id", sort=True):
        palette = _COLOURS if on_picture else OKABE_ITO
        colour = palette[int(str(track_id)) % len(palette)]
        parts.append(_trail(own, colour, unit, str(fates.get(track_id, ""))))
    parts += _divisions(nodes, tracks[tracks["track_id"].isin(kept)], unit)
    bar = scale_bar(width, height, movie.pixel_size_um, 3.2 * unit)
    alt = (
        f"Trails of {count(len(kept), 'track')} in {movie.field_id}, "
        f"{named(movie.condition)}; {width} by {height} px."
    )
    return drawing(
        width, height, *parts, bar, alt=alt, class_="trails", style="width:100%;max-width:640px"
    )


def _ground(movie: Movie) -> Markup:
    height, width = movie.shape_yx
    if movie.picture is None:
        return tag("rect", width=width, height=height, fill="#f6f7f9")
    small = shrink(movie.picture, PICTURE_PX)
    picture = tag(
        "image",
        href=data_address(small, quality=82),
        width=width,
        height=height,
        preserveAspectRatio="none",
    )
    return picture + tag("rect", width=width, height=height, fill="#000000", opacity=0.25)


def _trail(own: pd.DataFrame, colour: str, unit: float, fate: str) -> Markup:
    points = [
        f"{plain(round(float(x), 1))} {plain(round(float(y), 1))}"
        for y, x in zip(own["y_px"], own["x_px"], strict=True)
    ]
    line: dict[str, Any] = {"fill": "none", "stroke_linecap": "round", "stroke_linejoin": "round"}
    path = "M" + "L".join(points) + ("h0" if len(points) == 1 else "")
    parts = [
        tag("path", d=path, stroke="#000000", stroke_opacity=0.55, stroke_width=4.6 * unit, **line),
        tag("path", d=path, stroke=colour, stroke_width=2.4 * unit, **line),
    ]
    last = own.iloc[-1]
    x, y = float(last["x_px"]), float(last["y_px"])
    if fate == "dies":
        cross = mark_path("cross", x, y, 8 * unit)
        parts.append(tag("path", d=cross, fill="#ffffff", stroke="#000000", stroke_width=unit))
    elif fate != "divides":
        parts.append(tag("circle", cx=x, cy=y, r=3.4 * unit, fill=colour))
    return join(parts)


def _divisions(nodes: pd.DataFrame, tracks: pd.DataFrame, unit: float) -> list[Markup]:
    """From the mother's last place to each daughter's first."""
    groups = dict(list(nodes.groupby("track_id", sort=True)))
    parts: list[Markup] = []
    for row in tracks[tracks["parent_track_id"] > 0].to_dict("records"):
        mother, daughter = groups.get(row["parent_track_id"]), groups.get(row["track_id"])
        if mother is None or daughter is None:
            continue
        a, b = mother.iloc[-1], daughter.iloc[0]
        ends = {"x1": a["x_px"], "y1": a["y_px"], "x2": b["x_px"], "y2": b["y_px"]}
        parts.append(tag("line", **ends, stroke="#ffffff", stroke_width=5 * unit))
        parts.append(tag("line", **ends, stroke="#000000", stroke_width=2 * unit))
        mark = mark_path("diamond", float(a["x_px"]), float(a["y_px"]), 7 * unit)
        parts.append(tag("path", d=mark, fill="#ffffff", stroke="#000000", stroke_width=1.5 * unit))
    return parts or [NOTHING]
