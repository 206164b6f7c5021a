"""Relevance per pixel and channel, all maps of a method on one diverging scale."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.content import ExampleCell
from lucyte.report.markup import drawing, join, plain, tag
from lucyte.report.palette import diverging
from lucyte.report.picture import data_address, outline_paths
from lucyte.report.wording import number
from lucyte.schema.explanation import Explanation

STEPS = 255


def common_limit(explanations: Iterable[Explanation]) -> float:
    """The largest absolute relevance of all maps (99.5th percentile); 1 where all are zero."""
    parts = [np.abs(np.ravel(each)) for one in explanations for each in one.maps.values()]
    values = np.concatenate(parts) if parts else np.zeros(1)
    values = values[np.isfinite(values)]
    limit = float(np.percentile(values, 99.5)) if values.size else 0.0
    if limit == 0.0 and values.size:
        limit = float(values.max())
    return limit or 1.0


def heat_map(
    relevance: npt.NDArray[np.float64], limit: float, cell: ExampleCell, alt: str
) -> Markup:
    """One map with the cell's outline.

    Half of the limit is drawn as a line, whole for positive and dashed for negative, so that
    the sign survives a black-and-white print.
    """
    height, width = cell.picture.shape[:2]
    image = tag(
        "image",
        href=data_address(coloured(relevance, limit)),
        width=width,
        height=height,
        preserveAspectRatio="none",
    )
    stroke = max(width, height) / 110
    lines = [
        _contour(sign * relevance, limit / 2, (height, width), stroke, dashed=sign < 0)
        for sign in (1, -1)
    ]
    outline = outline_paths(cell.outline, stroke * 0.6)
    return drawing(
        width, height, image, *lines, outline, alt=alt, class_="portrait", style="width:100%"
    )


def coloured(relevance: npt.NDArray[np.float64], limit: float) -> npt.NDArray[np.uint8]:
    """Blue for against, white for nothing, vermillion for; grey where undefined."""
    colours = [diverging(2 * i / (STEPS - 1) - 1) for i in range(STEPS)]
    ramp = np.array(
        [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in [*colours, "#b8bec4"]], dtype=np.uint8
    )
    share = np.clip(relevance / limit, -1, 1)
    index = np.where(
        np.isfinite(share), np.round((np.nan_to_num(share) + 1) / 2 * (STEPS - 1)), STEPS
    )
    return ramp[index.astype(np.int64)]


def colour_bar(limit: float, target: str) -> Markup:
    """What the colours mean, in words and in units of the score."""
    alt = f"blue {number(-limit)}, white 0, orange {number(limit)}"
    return diverging_bar(
        f"speaks against {target}, {number(-limit)}", f"{number(limit)}, speaks for {target}", alt
    )


def diverging_bar(low: str, high: str, alt: str) -> Markup:
    """From blue over white to vermillion, with what the ends mean in words."""
    steps = 60
    blocks = [
        tag("rect", x=i * 4, y=0, width=4.3, height=12, fill=diverging(2 * i / (steps - 1) - 1))
        for i in range(steps)
    ]
    return tag(
        "div",
        tag("span", low),
        drawing(steps * 4, 12, *blocks, alt=alt),
        tag("span", high),
        class_="colourbar",
    )


def _contour(
    relevance: npt.NDArray[np.float64],
    level: float,
    size: tuple[int, int],
    width: float,
    dashed: bool,
) -> Markup:
    from skimage.measure import find_contours

    known = np.pad(np.nan_to_num(np.clip(relevance, -2 * level, 2 * level)), 1)
    scale = np.array(size) / relevance.shape
    paths = [
        "M" + "L".join(f"{plain(float(x))} {plain(float(y))}" for y, x in (line - 0.5) * scale)
        for line in find_contours(known, level)  # type: ignore[no-untyped-call]
    ]
    return join(
        tag(
            "path",
            d=each,
            fill="none",
            stroke="#1d2329",
            stroke_width=width * 0.8,
            stroke_dasharray=f"{width * 2:.2f} {width * 1.6:.2f}" if dashed else None,
        )
        for each in paths
    )
