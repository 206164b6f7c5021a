"""Pixels and outline of one picture, as the page draws them; nothing that names it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.merge import COLOURS, TRANSMITTED_SHARE, choose_colours, choose_limits
from lucyte.io.open import read_labels
from lucyte.measure.frame import NAMELESS
from lucyte.pipeline.label_folder import LabelFolder, LabelSettings
from lucyte.pipeline.label_images import RGB, read_whole
from lucyte.pipeline.label_session import Showing
from lucyte.report.picture import polygons

MOST_PX = 768
"""Longest side that is sent; larger images are averaged down."""
KEPT = 64
"""Pictures kept in memory, so that going back is quick."""
PRIMARIES = {"R": (1.0, 0.0, 0.0), "G": (0.0, 1.0, 0.0), "B": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class Picture:
    """What the page draws.

    Attributes
    ----------
    told : dict
        Channels with colours and limits, size, outline in px.
    pixels : bytes
        float32, little-endian, ``C Y X``; in raw units.
    """

    told: dict[str, Any]
    pixels: bytes


class Pictures:
    """Reads pictures when they are due.

    Parameters
    ----------
    folder : LabelFolder
    settings : LabelSettings
    """

    def __init__(self, folder: LabelFolder, settings: LabelSettings) -> None:
        self._folder, self._settings = folder, settings
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, shown: Showing) -> Picture:
        """One picture.

        Raises
        ------
        InputError
            Its file cannot be read any more.
        """
        with self._lock:
            if shown.key in self._kept:
                self._kept.move_to_end(shown.key)
                return self._kept[shown.key]
        made = self._make(shown)
        with self._lock:
            self._kept[shown.key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def _make(self, shown: Showing) -> Picture:
        item = shown.item
        pixels, names = read_whole(self._folder / item.image, item.levels.get("series", ""))
        if pixels.dtype.kind == "f":
            pixels = np.nan_to_num(pixels, posinf=0.0, neginf=0.0)
        step = max(1, -(-max(pixels.shape[1:]) // MOST_PX))
        small = _averaged(pixels, step)
        outline: list[npt.NDArray[np.float64]] = []
        if item.mask:
            outline = polygons(read_labels(self._folder / item.mask) > 0)
        elif item.box:
            outline = [_box(item.box, pixels.shape[1:])]
        if shown.showing > 1:
            small = small[:, :, ::-1]
            outline = [np.c_[each[:, 0], pixels.shape[2] - each[:, 1]] for each in outline]
        size = self._settings.pixel_size_um
        told = {
            "height": small.shape[1],
            "width": small.shape[2],
            "channels": self._channels(pixels, names),
            "outline": [np.round(each[:, ::-1] / step, 2).tolist() for each in outline],
            "pixel_size_um": None if size is None else size * step,
            "px": step,
            "said": list(shown.said),
        }
        return Picture(told, np.ascontiguousarray(small, dtype="<f4").tobytes())

    def _channels(self, pixels: npt.NDArray[Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Each channel with its colour, as ``lucyte merge`` would draw it, and its limits."""
        own = choose_limits(pixels, names)
        colours = choose_colours(names)
        alone = len(names) == 1
        found = []
        for name in names:
            share = TRANSMITTED_SHARE if colours[name] == "grey" and not alone else 1.0
            rgb = PRIMARIES[name] if names == RGB else COLOURS[colours[name]]
            found.append({
                "name": "" if name == NAMELESS else name,
                "colour": list(rgb),
                "share": share,
                "limits": list(self._settings.limits.get(name, own[name])),
                "own": list(own[name]),
            })  # fmt: skip
        return found


def _averaged(pixels: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    """Means of squares of ``step`` px; the last ones repeat the edge."""
    if step == 1:
        return pixels
    high, wide = (-(-side // step) * step for side in pixels.shape[1:])
    padded = np.pad(
        pixels, ((0, 0), (0, high - pixels.shape[1]), (0, wide - pixels.shape[2])), mode="edge"
    )
    squares = padded.reshape(len(pixels), high // step, step, wide // step, step)
    return np.asarray(squares.mean(axis=(2, 4), dtype=np.float32))


def _box(box: tuple[int, ...], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Corners ``(y, x)`` of an object's box in its crop, in whose middle it lies."""
    high, wide = (box[3] - box[1]) / 2, (box[2] - box[0]) / 2
    y, x = shape[0] / 2, shape[1] / 2
    corners = ((-high, -wide), (-high, wide), (high, wide), (high, -wide), (-high, -wide))
    return np.array([(y + dy, x + dx) for dy, dx in corners])
