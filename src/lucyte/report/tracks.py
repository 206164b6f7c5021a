"""Tracks: trails and family trees of one movie, and a table of all."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lucyte.report.content import Movie, ReportContent
from lucyte.report.lineage import branches, families, lineage
from lucyte.report.markup import join, tag
from lucyte.report.palette import natural
from lucyte.report.section import Figures, Section, missing
from lucyte.report.table import table
from lucyte.report.trails import MOST_TRACKS, trails
from lucyte.report.wording import count, listed, named, number, span

FATES = ("divides", "dies", "leaves", "ends")
MOST_MOVIES = 24


def tracks_section(content: ReportContent, figures: Figures) -> Section:
    """Trails, lineage, table."""
    title = "Tracks"
    if content.tracks.empty:
        why = "there is no movie, or nothing was tracked"
        return Section("tracks", title, absent=missing(content, "track", why))
    parts = []
    if content.movie is not None and len(content.movie.tracks.tracks):
        movie = content.movie
        parts.append(figures.figure("trails", trails(movie), _trails_caption(movie)))
        parts.append(figures.figure("lineage", lineage(movie), _lineage_caption(movie)))
    parts.append(tag("h3", "Every movie"))
    rows, left_out = _rows(content)
    parts.append(table(rows, "Track statistics, one row per movie"))
    more = f" {count(left_out, 'further movie')} in tracks/." if left_out else ""
    note = (
        "Fates: divides, dies, leaves (the field), ends (the movie is over or the cell was lost)."
        f"{more}"
    )
    parts.append(tag("p", note, class_="note"))
    return Section("tracks", title, join(parts))


def statistics(tracks: pd.DataFrame, interval_s: float | None) -> dict[str, Any]:
    """One movie's tracks in a row of words and numbers."""
    lengths = tracks["length"].astype(float)
    frames = f"{number(float(lengths.median()))}"
    if interval_s:
        frames += f" ({span(float(lengths.median()) * interval_s)})"
    return {
        "tracks": len(tracks),
        "median length, frames": frames,
        "seen in one frame only": int((lengths <= 1).sum()),
        **{each: int((tracks["fate"] == each).sum()) for each in FATES},
    }


def _rows(content: ReportContent) -> tuple[list[dict[str, Any]], int]:
    tracks = content.tracks
    names = natural(tracks["field_id"])
    conditions = "condition" in tracks and bool((tracks["condition"].astype(str) != "").any())
    rows = []
    for name in names[:MOST_MOVIES]:
        own = tracks[tracks["field_id"].astype(str) == name]
        where: dict[str, Any] = {"movie": name}
        if conditions:
            where["condition"] = named(str(own["condition"].iloc[0]))
        rows.append(where | statistics(own, content.interval_s))
    return rows, max(0, len(names) - MOST_MOVIES)


def _where(movie: Movie) -> str:
    return f"{movie.field_id}" + (f", {movie.condition}" if movie.condition else "")


def _trails_caption(movie: Movie) -> str:
    total = len(movie.tracks.tracks)
    shown = (
        f"the longest {MOST_TRACKS} of {total:,} tracks" if total > MOST_TRACKS else "all tracks"
    )
    fates = set(movie.tracks.tracks["fate"])
    marks = [f"{mark} {fate}" for fate, mark in (("divides", "◆"), ("dies", "✕")) if fate in fates]
    marks.append("● last place")
    under = " over one frame" if movie.picture is not None else ""
    size = "" if movie.pixel_size_um else " Scale bar in pixels: the pixel size is unknown."
    return f"Trails in {_where(movie)}: {shown}{under}. {listed(marks)}.{size}"


def _lineage_caption(movie: Movie) -> str:
    drawn = len({each.family for each in branches(movie.tracks.tracks)})
    total = len(families(movie.tracks.tracks))
    which = f"the {drawn} largest of {total:,}" if drawn < total else f"all {drawn}"
    return (
        f"Family trees in {_where(movie)}: {which}. Numbers at the left: founder tracks. "
        "● divides, ✕ dies, ▶ leaves, | ends."
    )
