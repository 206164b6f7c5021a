"""Family trees: time to the right, a fork where a cell divides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from lucyte.report.content import Movie
from lucyte.report.markup import drawing, join, tag
from lucyte.report.palette import UNKNOWN, Style
from lucyte.report.wording import count, number

MOST_FAMILIES = 12
MOST_BRANCHES = 70
ROW = 15.0


@dataclass(frozen=True)
class Branch:
    """One track in its place: ``row`` counts downwards, halves between the daughters."""

    track_id: int
    parent: int
    start: int
    end: int
    fate: str
    row: float
    family: int


def families(tracks: pd.DataFrame) -> list[list[int]]:
    """Tracks by founder: those with most divisions first, then the longest; ids in tree order."""
    rows = {int(row["track_id"]): row for row in tracks.to_dict("records")}
    daughters: dict[int, list[int]] = {}
    for track_id in sorted(rows):
        parent = int(rows[track_id]["parent_track_id"])
        daughters.setdefault(parent if parent in rows else 0, []).append(track_id)

    def members(founder: int) -> list[int]:
        found, waiting = [], [founder]
        while waiting:
            track_id = waiting.pop()
            found.append(track_id)
            waiting += reversed(daughters.get(track_id, []))
        return found

    trees = [members(founder) for founder in daughters.get(0, [])]

    def size(tree: list[int]) -> tuple[int, int, int]:
        length = max(int(rows[each]["end"]) for each in tree) - int(rows[tree[0]]["start"])
        return (-len(tree), -length, tree[0])

    return sorted(trees, key=size)


def branches(tracks: pd.DataFrame) -> list[Branch]:
    """Where each track of the largest families is drawn."""
    rows = {int(row["track_id"]): row for row in tracks.to_dict("records")}
    placed: list[Branch] = []
    next_row = 0.0
    for family, tree in enumerate(families(tracks)[:MOST_FAMILIES]):
        if placed and len(placed) + len(tree) > MOST_BRANCHES:
            break
        own = {int(rows[each]["parent_track_id"]) for each in tree}
        place: dict[int, float] = {}
        for track_id in tree:
            if track_id not in own:
                place[track_id] = next_row
                next_row += 1
        for track_id in reversed(tree):
            if track_id not in place:
                children = [t for t in tree if int(rows[t]["parent_track_id"]) == track_id]
                place[track_id] = sum(place[t] for t in children) / len(children)
        placed += [_branch(rows[each], place[each], family) for each in tree]
        next_row += 0.6
    return placed


def lineage(
    movie: Movie,
    states: pd.DataFrame | None = None,
    looks: Mapping[str, Style] | None = None,
) -> Markup:
    """The trees of the largest families of a movie.

    Parameters
    ----------
    movie : Movie
    states : DataFrame, optional
        ``track_id, time_index, state``: branches take the state's colour, and a line that is
        wider from state to state in the order of ``looks``, so that grey print tells them too.
        A change is drawn half way between the two frames that show it.
    looks : mapping of state to Style, optional
        Needed with ``states``; a state that is not in it is grey.
    """
    placed = branches(movie.tracks.tracks)
    first = min(each.start for each in placed)
    last = max(each.end for each in placed)
    left, width = 44.0, 820.0
    step = (width - left - 44) / max(last - first, 1)
    height = (max(each.row for each in placed) + 1) * ROW + 44

    def x(time: float) -> float:
        return left + (time - first) * step

    parts = _axis(movie, first, last, x(first), step, height)
    at = {each.track_id: each for each in placed}
    runs = _runs(states, {each.track_id for each in placed})
    for each in placed:
        y = each.row * ROW + 12
        mother = at.get(each.parent)
        if mother is not None:
            bend = f"M{x(mother.end):.1f} {mother.row * ROW + 12:.1f}V{y:.1f}H{x(each.start):.1f}"
            parts.append(tag("path", d=bend, class_="branch"))
        else:
            parts.append(tag("text", str(each.track_id), x=left - 8, y=y + 3.5, class_="founder"))
        end = max(x(each.end), x(each.start) + 2)
        title = tag("title", f"track {each.track_id}: {each.start} to {each.end}, {each.fate}")
        line = tag("path", d=f"M{x(each.start):.1f} {y:.1f}H{end:.1f}", class_="branch")
        coloured = [
            _run(state, (x(begin), min(x(stop), end), y), looks or {})
            for state, begin, stop in runs.get(each.track_id, [])
        ]
        parts.append(tag("g", title, line, *coloured, _end(each, end, y)))
    alt = f"Family trees of {count(len({b.family for b in placed}), 'founder cell')}."
    return drawing(width, height, *parts, alt=alt, class_="lineage")


def _runs(
    states: pd.DataFrame | None, tracks: set[int]
) -> dict[int, list[tuple[str, float, float]]]:
    """Per track: state, from and to, in time indices; ends half way between differing frames."""
    if states is None:
        return {}
    found: dict[int, list[tuple[str, float, float]]] = {}
    own = states[states["track_id"].isin(tracks)].sort_values(["track_id", "time_index"])
    for track, rows in own.groupby("track_id", sort=True):
        time = rows["time_index"].astype(float).tolist()
        state = rows["state"].astype(str).tolist()
        runs, begin = [], time[0]
        for i in range(1, len(time)):
            if state[i] != state[i - 1]:
                middle = (time[i] + time[i - 1]) / 2
                runs.append((state[i - 1], begin, middle))
                begin = middle
        runs.append((state[-1], begin, time[-1]))
        found[int(str(track))] = runs
    return found


def _run(state: str, place: tuple[float, float, float], looks: Mapping[str, Style]) -> Markup:
    x0, x1, y = place
    colour = looks[state].colour if state in looks else UNKNOWN
    width = 2.6 + 2.6 * (list(looks).index(state) if state in looks else 0)
    title = tag("title", state or "unknown state")
    return tag(
        "path", title, d=f"M{x0:.1f} {y:.1f}H{max(x1, x0 + 1):.1f}", stroke=colour,
        stroke_width=min(width, 8.0), fill="none",
    )  # fmt: skip


def _branch(row: Mapping[Any, Any], place: float, family: int) -> Branch:
    return Branch(
        int(row["track_id"]),
        int(row["parent_track_id"]),
        int(row["start"]),
        int(row["end"]),
        str(row["fate"]),
        place,
        family,
    )


def _end(branch: Branch, x: float, y: float) -> Markup:
    if branch.fate == "divides":
        return tag("circle", cx=x, cy=y, r=3.2, class_="divides")
    if branch.fate == "dies":
        return tag("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", class_="dies")
    if branch.fate == "leaves":
        return tag("path", d=f"M{x:.1f} {y - 4:.1f}l7 4l-7 4z", class_="leaves")
    return tag("path", d=f"M{x:.1f} {y - 4:.1f}v8", class_="ends")


def _axis(
    movie: Movie, first: int, last: int, x0: float, step: float, height: float
) -> list[Markup]:
    every = max(1, round((last - first) / 8))
    parts = []
    for time in range(first, last + 1, every):
        x = x0 + (time - first) * step
        label = number(time * movie.interval_s / 3600) if movie.interval_s else str(time)
        parts.append(tag("line", x1=x, x2=x, y1=2, y2=height - 34, class_="grid"))
        parts.append(tag("text", label, x=x, y=height - 20, text_anchor="middle"))
    words = "time (h)" if movie.interval_s else "time index (frames)"
    middle = x0 + (last - first) * step / 2
    parts.append(tag("text", words, x=middle, y=height - 4, text_anchor="middle", class_="label"))
    return [join(parts)]
