"""Boxes from a detector of one's own, in px of the image, however large the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.networks.letterbox import letterbox
from lucyte.networks.suppression import suppress
from lucyte.networks.yolo_onnx import YoloModel
from lucyte.networks.yolo_output import Candidates
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import BOX

_SLACK = 0.25
_MOST_TILES = 100_000
_OWN_SUPPRESSION = ("end2end", "v7-end2end")


def detect_boxes(
    model: YoloModel,
    picture_hwc_uint8: npt.NDArray[Any],
    *,
    confidence: float = 0.25,
    iou: float = 0.7,
    tile_px: int | None = None,
    overlap: float = 0.25,
    class_aware: bool = False,
) -> pd.DataFrame:
    """Find boxes in one picture.

    Parameters
    ----------
    model : YoloModel
        From ``read_yolo``.
    picture_hwc_uint8 : uint8 array, Y X C
        Red, green, blue as the detector saw them in training (``colour_picture`` makes them from
        named channels); Y X or one colour for a detector on grey.
    confidence : float
        The least score, 0 to 1. For average precision use 0.001.
    iou : float
        Of two boxes that overlap by more, the less sure one goes.
    tile_px : int, optional
        Side of square tiles of the picture, each brought to the input size of the network. By
        default the whole picture is. To show cells as large as in training, use the input size
        times the factor by which training pictures were reduced.
    overlap : float
        Share of a tile's side that it has in common with the next, 0 to 0.75. An object up to
        three quarters as wide as that is whole in the tile that its box is taken from.
    class_aware : bool
        Boxes of different classes do not suppress each other. By default an object has one box.

    Returns
    -------
    DataFrame
        ``x0_px, y0_px, x1_px, y1_px, score, class``, surest first, cut at the picture's border.
        There is no limit on the number of boxes.

    Raises
    ------
    UsageError
        Not such a picture; a setting out of its range.

    Notes
    -----
    The boxes of an end-to-end network are final: without tiles they are not suppressed again.
    """
    picture = _check_picture(model, picture_hwc_uint8)
    for name, value, high in (("confidence", confidence, 1), ("iou", iou, 1)):
        if not 0 <= value <= high:
            raise UsageError(f"{name} must be from 0 to {high}, got {value:g}.")
    parts = [
        _in_tile(model, picture, tile, confidence)
        for tile in tiles(picture.shape[:2], tile_px, overlap)
    ]
    boxes = np.concatenate([each.boxes for each in parts])
    scores = np.concatenate([each.scores for each in parts])
    classes = np.concatenate([each.classes for each in parts])
    limit = iou if len(parts) > 1 or model.form not in _OWN_SUPPRESSION else 1.0
    rows = suppress(boxes, scores, limit, classes if class_aware else None)
    table = pd.DataFrame(boxes[rows], columns=list(BOX))
    table["score"] = scores[rows]
    table["class"] = [model.class_name(int(each)) for each in classes[rows]]
    return table.astype({"class": "str"})


@dataclass(frozen=True)
class Tile:
    """A part of a picture, half-open, and the part of it whose centres it answers for.

    Attributes
    ----------
    y0, x0, y1, x1 : int
        px.
    own : (y0, x0, y1, x1)
        Infinite at the picture's border.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    own: tuple[float, float, float, float]

    def owns(self, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which boxes (px of the picture) have their centre in the part it answers for."""
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        y0, x0, y1, x1 = self.own
        inside: npt.NDArray[np.bool_] = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
        return inside


def tiles(shape: tuple[int, ...], tile_px: int | None, overlap: float = 0.25) -> Iterator[Tile]:
    """Tiles that cover a picture, evenly spread, neighbours overlapping by at least that share.

    A box cut by a tile's edge has its centre near that edge. Each tile therefore answers for its
    inner part only: up to the middle of an overlap, and a quarter of half an overlap beyond, so
    that a box on the line between two tiles is not lost to both.

    Raises
    ------
    UsageError
        A tile below 32 px, an overlap that is none.
    """
    if tile_px is None:
        yield Tile(0, 0, shape[0], shape[1], (-np.inf, -np.inf, np.inf, np.inf))
        return
    if tile_px < 32:
        raise UsageError(f"tile_px must be at least 32, got {tile_px}.")
    if not 0 <= overlap <= 0.75:
        raise UsageError(f"overlap must be from 0 to 0.75 of a tile, got {overlap:g}.")
    rows, columns = (_spans(each, tile_px, overlap) for each in shape[:2])
    if len(rows) * len(columns) > _MOST_TILES:
        raise UsageError(
            f"{len(rows) * len(columns)} tiles of {tile_px} px are too many for a picture of "
            f"{shape[0]} x {shape[1]} px; give a larger tile_px."
        )
    for y0, y1, own_y0, own_y1 in rows:
        for x0, x1, own_x0, own_x1 in columns:
            yield Tile(y0, x0, y1, x1, (own_y0, own_x0, own_y1, own_x1))


def _spans(size: int, tile: int, overlap: float) -> list[tuple[int, int, float, float]]:
    if size <= tile:
        return [(0, size, -np.inf, np.inf)]
    step = max(1, int(tile * (1 - overlap)))
    starts = np.rint(np.linspace(0, size - tile, -(-(size - tile) // step) + 1)).astype(int)
    out = []
    for at, start in enumerate(starts):
        low, high = -np.inf, np.inf
        if at > 0:
            shared = starts[at - 1] + tile - start
            low = start + shared / 2 * (1 - _SLACK)
        if at + 1 < len(starts):
            shared = start + tile - starts[at + 1]
            high = start + tile - shared / 2 * (1 - _SLACK)
        out.append((int(start), int(start) + tile, float(low), float(high)))
    return out


def _in_tile(
    model: YoloModel, picture: npt.NDArray[np.uint8], tile: Tile, confidence: float
) -> Candidates:
    part, place = letterbox(picture[tile.y0 : tile.y1, tile.x0 : tile.x1], model.input_px)
    found = model.propose(part)
    sure = np.flatnonzero((found.scores >= confidence) & np.isfinite(found.boxes).all(1))
    boxes = place.to_picture(found.boxes[sure])
    # A box ends where its tile ends: beyond it the network saw only padding.
    high = np.array([tile.x1 - tile.x0, tile.y1 - tile.y0] * 2, dtype=np.float64)
    boxes = np.clip(boxes, 0, high) + np.array([tile.x0, tile.y0] * 2, dtype=np.float64)
    keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & tile.owns(boxes)
    rows = sure[keep]
    return Candidates(boxes[keep], found.scores[rows], found.classes[rows])


def _check_picture(model: YoloModel, given: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    picture = np.asarray(given)
    if picture.ndim == 2 and model.colours == 1:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] != model.colours or picture.dtype != np.uint8:
        raise UsageError(
            f"the detector takes a uint8 picture Y X {model.colours}, got {picture.dtype} "
            f"{picture.shape}. colour_picture makes one from named channels."
        )
    if 0 in picture.shape:
        raise UsageError(f"the picture holds no pixels: {picture.shape}.")
    return picture
