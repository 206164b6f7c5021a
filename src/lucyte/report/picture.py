"""Pixels inside the page: data addresses, outlines and scale bars."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.markup import NOTHING, join, plain, tag
from lucyte.report.wording import number


def data_address(picture: npt.NDArray[np.uint8], quality: int | None = None) -> str:
    """A picture as a ``data:`` address: PNG, or JPEG of the given quality (1 to 95)."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    if quality is None:
        image.save(buffer, format="PNG", optimize=True)
    else:
        image.save(buffer, format="JPEG", quality=quality)
    kind = "png" if quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def shrink(picture: npt.NDArray[np.uint8], most_px: int) -> npt.NDArray[np.uint8]:
    """The picture with its longer side at most ``most_px`` (area average)."""
    from PIL import Image

    longest = max(picture.shape[:2])
    if longest <= most_px:
        return picture
    size = tuple(max(1, round(side * most_px / longest)) for side in picture.shape[1::-1])
    small = Image.fromarray(np.ascontiguousarray(picture)).resize(
        (size[0], size[1]), Image.Resampling.BOX
    )
    return np.asarray(small, dtype=np.uint8)


def polygons(outline: npt.NDArray[Any]) -> list[npt.NDArray[np.float64]]:
    """Outlines as ``N x 2`` arrays of ``(y, x)`` px, from a mask or a polygon.

    Coordinates are of the drawing: the centre of the first px is at 0.5, 0.5.
    """
    if outline.dtype == np.bool_:
        from skimage.measure import find_contours

        padded = np.pad(outline.astype(np.float64), 1)
        return [np.asarray(line) - 0.5 for line in find_contours(padded, 0.5)]  # type: ignore[no-untyped-call]
    return [np.asarray(outline, dtype=np.float64)]


def outline_paths(outline: npt.NDArray[Any] | None, width: float) -> Markup:
    """Outline as a light line on a dark one, seen on any picture."""
    if outline is None:
        return NOTHING
    drawn = "".join(
        "M" + "L".join(f"{plain(float(x))} {plain(float(y))}" for y, x in line) + "Z"
        for line in polygons(outline)
    )
    return join(
        tag("path", d=drawn, fill="none", stroke=colour, stroke_width=size, stroke_linejoin="round")
        for colour, size in (("#000000", width * 2.4), ("#ffffff", width))
    )


def bar_length(width_px: float, pixel_size_um: float | None) -> tuple[float, str]:
    """A round scale bar of at most 40 % of the width: its length in px and its label."""
    size = pixel_size_um or 1.0
    target = 0.4 * width_px * size
    power = 10.0 ** math.floor(math.log10(target))
    length = max(step * power for step in (1, 2, 5) if step * power <= target * (1 + 1e-9))
    return length / size, f"{number(length)} {'µm' if pixel_size_um else 'px'}"


def scale_bar(
    width: float, height: float, pixel_size_um: float | None, unit: float | None = None
) -> Markup:
    """A scale bar at the lower right of a picture of that size in px."""
    unit = width / 100 if unit is None else unit
    length, label = bar_length(width, pixel_size_um)
    x1, y = width - 5 * unit, height - 5 * unit
    text: dict[str, Any] = {
        "x": x1 - length / 2,
        "y": y - 4 * unit,
        "text_anchor": "middle",
        "font_size": 9.5 * unit,
        "font_weight": 600,
        "paint_order": "stroke",
        "fill": "#ffffff",
        "stroke": "#000000",
        "stroke_width": 2.2 * unit,
        "stroke_linejoin": "round",
    }
    line: dict[str, Any] = {"x1": x1 - length, "x2": x1, "y1": y, "y2": y}
    return join(
        [
            tag("line", **line, stroke="#000000", stroke_width=4.4 * unit),
            tag("line", **line, stroke="#ffffff", stroke_width=2.4 * unit),
            tag("text", label, **text),
        ]
    )
