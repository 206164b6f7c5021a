"""What ``lucyte classify`` answered, to look at: example crops of every state, "unknown" last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.abstention import UNKNOWN
from lucyte.report.content import Picture
from lucyte.report.palette import natural
from lucyte.report.wording import count, short
from lucyte.schema.errors import UsageError

MOST_STATES = 60
_GAP, _HEAD, _FOOT = 8, 30, 20
_INK, _SOFT = (29, 35, 41), (91, 102, 112)


@dataclass(frozen=True)
class Sheet:
    """How the sheet is laid out.

    Attributes
    ----------
    examples : int
        Crops per state.
    side_px : int
        Longer side of a crop on the sheet.
    thing : str
        What a crop is of.
    """

    examples: int = 8
    side_px: int = 112
    thing: str = "picture"


def classified_picture(
    answers: Sequence[str],
    probabilities: npt.ArrayLike,
    picture: Callable[[int], Picture],
    sheet: Sheet | None = None,
) -> npt.NDArray[np.uint8]:
    """A contact sheet: one row per answered state, from the surest crop to the least sure.

    Parameters
    ----------
    answers : sequence of N str
        State of each crop; ``unknown`` comes last.
    probabilities : array N
        Of the likeliest class; nan where there is none.
    picture : callable
        Position to a uint8 picture; called for those shown only.
    sheet : Sheet, optional

    Returns
    -------
    uint8 array Y X 3

    Raises
    ------
    UsageError
        Nothing was answered, or the lengths differ.
    """
    from PIL import Image, ImageDraw

    look = sheet or Sheet()
    p = np.asarray(probabilities, dtype=np.float64)
    if len(answers) != len(p) or not len(p):
        raise UsageError(f"got {len(answers)} answers and {len(p)} probabilities; one each.")
    states = [name for name in natural(answers) if name != UNKNOWN]
    states = states[:MOST_STATES] + [UNKNOWN] * (UNKNOWN in answers)
    height = _HEAD + look.side_px + _FOOT + _GAP
    width = look.examples * (look.side_px + _GAP) + _GAP
    page = Image.new("RGB", (width, len(states) * height + _GAP), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    for line, state in enumerate(states):
        rows = np.flatnonzero(np.asarray(answers) == state)
        y = _GAP + line * height
        _head(pen, (state, len(rows), len(answers)), y, look)
        for place, row in enumerate(surest_to_least(rows, p, look.examples)):
            x = _GAP + place * (look.side_px + _GAP)
            crop = _sized(picture(row), look.side_px)
            page.paste(Image.fromarray(crop), (x, y + _HEAD))
            told = f"{p[row]:.2f}" if np.isfinite(p[row]) else "–"
            pen.text((x, y + _HEAD + look.side_px + 2), told, fill=_SOFT, font=_font(12, False))
    return np.asarray(page, np.uint8)


def surest_to_least(
    rows: npt.NDArray[np.int64], p: npt.NDArray[np.float64], most: int
) -> list[int]:
    """At most so many rows, evenly spread from the surest to the least sure."""
    order = rows[np.argsort(-np.nan_to_num(p[rows], nan=-1.0), kind="stable")]
    at = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))
    return [int(row) for row in order[at]]


def _head(pen: Any, told: tuple[str, int, int], y: int, look: Sheet) -> None:
    state, n, total = told
    name = short(state, max(20, look.examples * look.side_px // 18))
    bold, plain = _font(15, True), _font(13, False)
    pen.text((_GAP, y + 4), name, fill=_INK, font=bold)
    share = f"{n:,} of {count(total, look.thing)}"
    pen.text((_GAP + pen.textlength(name, font=bold) + 12, y + 6), share, fill=_SOFT, font=plain)


def _sized(picture: Picture, side_px: int) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    factor = side_px / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    small = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB").resize(size, how)
    return np.asarray(small, np.uint8)


@cache
def _font(size: int, bold: bool) -> Any:
    """Matplotlib's own face, which knows umlauts and Greek on every machine."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}", size)
