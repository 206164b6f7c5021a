"""Images with what was found in them, side by side: the first thing a person looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.objects import Labels

FOUND, TRUTH = (255, 214, 10), (64, 196, 255)
"""Yellow and blue stay apart for every eye."""
_GAP, _TITLE = 6, 22


@dataclass(frozen=True)
class Panel:
    """One picture of the sheet.

    Attributes
    ----------
    title : str
    picture : uint8 array Y X 3
    labels : int32 array Y X or None
        Outlined in yellow.
    boxes : float array n x 4 or None
        x0, y0, x1, y1 in px of the picture; drawn in yellow.
    truth_labels, truth_boxes
        The same in blue.
    """

    title: str
    picture: npt.NDArray[np.uint8]
    labels: Labels | None = None
    boxes: npt.NDArray[np.float32] | None = None
    truth_labels: Labels | None = None
    truth_boxes: npt.NDArray[np.float32] | None = None


def contact_sheet(
    panels: Sequence[Panel], columns: int = 3, side_px: int = 480
) -> npt.NDArray[np.uint8]:
    """Panels in rows, each brought to the same size.

    Parameters
    ----------
    panels : sequence of Panel
    columns : int
    side_px : int
        Longer side of a panel.

    Returns
    -------
    uint8 array Y X 3
    """
    from PIL import Image, ImageDraw

    drawn = [_draw(panel, side_px) for panel in panels]
    columns = max(1, min(columns, len(drawn)))
    rows = -(-len(drawn) // columns)
    width = columns * (side_px + _GAP) + _GAP
    height = rows * (side_px + _TITLE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for index, (panel, picture) in enumerate(zip(panels, drawn, strict=True)):
        x = _GAP + index % columns * (side_px + _GAP)
        y = _GAP + index // columns * (side_px + _TITLE + _GAP)
        pen.text((x, y), panel.title, fill=(20, 20, 20), font_size=14)
        sheet.paste(Image.fromarray(picture), (x, y + _TITLE))
    return np.asarray(sheet, np.uint8)


def _draw(panel: Panel, side_px: int) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    height, width = panel.picture.shape[:2]
    factor = side_px / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST
    small = Image.fromarray(np.ascontiguousarray(panel.picture)).resize(size, how)
    pixels = np.asarray(small).copy()
    for labels, colour in ((panel.truth_labels, TRUTH), (panel.labels, FOUND)):
        if labels is not None:
            pixels[_edges(labels, size)] = colour
    out = Image.fromarray(pixels)
    pen = ImageDraw.Draw(out)
    for boxes, colour in ((panel.truth_boxes, TRUTH), (panel.boxes, FOUND)):
        for x0, y0, x1, y1 in np.asarray(boxes if boxes is not None else []).reshape(-1, 4):
            low, high = (float(x0) * factor, float(y0) * factor), (x1 * factor, y1 * factor)
            pen.rectangle((low, (float(high[0]), float(high[1]))), outline=colour)
    return np.asarray(out, np.uint8)


def _edges(labels: Labels, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels of the small picture where the label changes to the right or below."""
    rows = (np.arange(size[1]) + 0.5) * labels.shape[0] / size[1]
    columns = (np.arange(size[0]) + 0.5) * labels.shape[1] / size[0]
    small = labels[rows.astype(int)][:, columns.astype(int)]
    edge = np.zeros(small.shape, np.bool_)
    down, right = small[1:] != small[:-1], small[:, 1:] != small[:, :-1]
    edge[1:] |= down & (small[1:] > 0)
    edge[:-1] |= down & (small[:-1] > 0)
    edge[:, 1:] |= right & (small[:, 1:] > 0)
    edge[:, :-1] |= right & (small[:, :-1] > 0)
    return edge
