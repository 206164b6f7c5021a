"""The movie with the trails of its cells, as an animated GIF: scale bar, clock, gaps told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.report.palette import UNKNOWN, Style
from lucyte.report.picture import bar_length
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Frame = npt.NDArray[np.uint8]
TRAIL_COLOURS = ("#56B4E9", "#E69F00", "#F0E442", "#CC79A7", "#00D1A0")
GAP = 1.5
"""Usual intervals from which the time since the frame before is told as a gap."""


@dataclass(frozen=True)
class MovieLook:
    """How a movie is drawn.

    Attributes
    ----------
    pixel_size_um : float or None
        None gives the scale bar in px.
    tail : int
        Frames of the past that a trail shows.
    side_px : int
        Longer side of the pictures; smaller frames are enlarged by a whole number.
    frame_ms : int
        How long each frame stands.
    states : mapping of state to Style
        Where nodes have a ``state``, trails and rings take its colour; the first state has a thin
        ring, later ones a double one.
    """

    pixel_size_um: float | None = None
    tail: int = 12
    side_px: int = 640
    frame_ms: int = 180
    states: Mapping[str, Style] | None = None


def write_trails_movie(
    path: str | Path,
    frames: Callable[[int], Frame],
    times_s: Mapping[int, float | None],
    nodes: pd.DataFrame,
    look: MovieLook | None = None,
) -> int:
    """Write an animated GIF; frames are asked for one at a time.

    Parameters
    ----------
    path : str or Path
        Ends in ``.gif``.
    frames : callable
        Gives the picture (uint8, Y X or Y X 3) of a time index, display-ready, all of one size.
    times_s : mapping of time index to seconds
        The frames to show, in order; None where the time is unknown: then the clock counts
        frames.
    nodes : DataFrame
        ``track_id, parent_track_id, time_index, y_px, x_px``, optionally ``state``.
    look : MovieLook, optional

    Returns
    -------
    int
        Frames written.

    Raises
    ------
    UsageError
        Another suffix, or no frame.
    """
    look = look or MovieLook()
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise UsageError(f"{path.name}: trails are written as .gif; name the file so.")
    if not times_s:
        raise UsageError(f"{path.name}: there is no frame to show.")
    order = sorted(times_s)
    pictures = [_picture(frames(time), time, order, times_s, nodes, look) for time in order]
    from PIL.Image import Dither

    palette = _palette(pictures)
    reduced = [each.quantize(palette=palette, dither=Dither.NONE) for each in pictures]
    path.parent.mkdir(parents=True, exist_ok=True)
    reduced[0].save(
        path,
        save_all=True,
        append_images=reduced[1:],
        duration=[look.frame_ms] * (len(reduced) - 1) + [5 * look.frame_ms],
        loop=0,
        optimize=False,
    )
    return len(reduced)


def _palette(pictures: Sequence[Image]) -> Image:
    """One palette for all frames, so that nothing flickers: from first, middle and last."""
    from PIL import Image

    chosen = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    width, height = chosen[0].size
    sheet = Image.new("RGB", (width, 3 * height))
    for place, each in enumerate(chosen):
        sheet.paste(each, (0, place * height))
    return sheet.quantize(colors=256)


def _picture(
    frame: Frame,
    time: int,
    order: Sequence[int],
    times_s: Mapping[int, float | None],
    nodes: pd.DataFrame,
    look: MovieLook,
) -> Image:
    from PIL import Image, ImageDraw

    colour = frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)
    picture = Image.fromarray(np.ascontiguousarray(colour))
    longest = max(picture.size)
    scale = float(max(1, look.side_px // longest)) if longest <= look.side_px else (
        look.side_px / longest
    )  # fmt: skip
    size = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    place = order.index(time)
    shown = order[max(0, place - look.tail) : place + 1]
    _trails(pen, nodes[nodes["time_index"].isin(shown)], time, scale, look)
    _bar(pen, size, scale, look.pixel_size_um)
    _clock(pen, size, place, order, times_s)
    return picture


def _trails(pen: ImageDraw, recent: pd.DataFrame, now: int, scale: float, look: MovieLook) -> None:
    ordered = recent.sort_values(["track_id", "time_index"], kind="stable")
    here = set(ordered.loc[ordered["time_index"] == now, "track_id"])
    tracks = {int(str(k)): own for k, own in ordered.groupby("track_id", sort=True)}
    mothers = {int(own["parent_track_id"].iloc[0]) for t, own in tracks.items() if t in here}
    for track, own in tracks.items():
        if track not in here and track not in mothers:
            continue
        points = [
            ((float(x) + 0.5) * scale, (float(y) + 0.5) * scale)
            for y, x in zip(own["y_px"], own["x_px"], strict=True)
        ]
        mother = tracks.get(int(own["parent_track_id"].iloc[0]))
        if mother is not None:
            last = mother.iloc[-1]
            points.insert(0, ((last["x_px"] + 0.5) * scale, (last["y_px"] + 0.5) * scale))
        colour, rings = _colour(track, str(own["state"].iloc[-1]) if "state" in own else "", look)
        if len(points) > 1:
            pen.line(points, fill="#000000", width=4)
            pen.line(points, fill=colour, width=2)
        if track in here:
            _mark(pen, points[-1], colour, rings)


def _colour(track: int, state: str, look: MovieLook) -> tuple[str, int]:
    if look.states is None:
        return TRAIL_COLOURS[track % len(TRAIL_COLOURS)], 1
    if state not in look.states:
        return UNKNOWN, 1
    return _lighter(look.states[state].colour), 1 + list(look.states).index(state)


def _mark(pen: ImageDraw, at: tuple[float, float], colour: str, rings: int) -> None:
    for ring in range(min(rings, 3)):
        r = 4 + 4 * ring
        box = (at[0] - r, at[1] - r, at[0] + r, at[1] + r)
        pen.ellipse((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), outline="#000000", width=4)
        pen.ellipse(box, outline=colour, width=2)


def _bar(pen: ImageDraw, size: tuple[int, int], scale: float, pixel_size_um: float | None) -> None:
    length, label = bar_length(size[0] / scale, pixel_size_um)
    x1, y = size[0] - 14, size[1] - 16
    x0 = x1 - length * scale
    pen.line([(x0 - 1, y), (x1 + 1, y)], fill="#000000", width=8)
    pen.line([(x0, y), (x1, y)], fill="#ffffff", width=4)
    _text(pen, ((x0 + x1) / 2, y - 6), label, "ms")


def _clock(
    pen: ImageDraw,
    size: tuple[int, int],
    place: int,
    order: Sequence[int],
    times_s: Mapping[int, float | None],
) -> None:
    time = order[place]
    seconds = times_s[time]
    words = f"frame {time}" if seconds is None else f"{seconds / 3600:.1f} h"
    _text(pen, (12, 10), words, "la")
    steps = np.diff(order)
    if place and len(steps) and order[place] - order[place - 1] > GAP * float(np.median(steps)):
        missed = order[place] - order[place - 1] - 1
        _text(pen, (12, 34), f"{missed} not imaged", "la")


def _text(pen: ImageDraw, at: tuple[float, float], words: str, anchor: str) -> None:
    style: dict[str, Any] = {"fill": "#ffffff", "stroke_fill": "#000000", "stroke_width": 2}
    pen.text(at, words, anchor=anchor, font=_font(), **style)


@lru_cache(maxsize=1)
def _font() -> FreeTypeFont:
    """DejaVu Sans as it comes with matplotlib: Pillow's own font has no µ."""
    import matplotlib as mpl
    from PIL import ImageFont

    place = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(place), size=16)


def _lighter(colour: str) -> str:
    """A third of the way to white: dark blue is lost on a dark field."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (255 - part) / 3):02x}" for part in parts)
