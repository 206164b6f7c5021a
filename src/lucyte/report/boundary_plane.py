"""Decision-boundary pictures: who wins where on a plane of latents, and the real cells on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.legend import mark_path
from lucyte.report.markup import drawing, plain, tag
from lucyte.report.palette import UNKNOWN, Style, styles
from lucyte.report.picture import data_address

Floats = npt.NDArray[np.float64]
WIDTH = 420.0
DEEPEST = 0.55
"""Share of a class's colour where it is sure, so that points stay readable on it."""


def boundary_plane(
    probability: Floats,
    extent: tuple[Floats, Floats],
    cells: Floats,
    states: Sequence[str],
    classes: Sequence[str],
    anchors: Mapping[str, tuple[float, float]],
) -> Markup:
    """Draw a plane: tint says who wins and how surely, points are real cells by their own label.

    Parameters
    ----------
    probability : float array K G G
        Rows are up.
    extent : (across, up)
        Coordinates of the grid.
    cells : float array N 2
    states : sequence of N str
        Label of each cell; what is no class is drawn grey.
    classes : sequence of K str
    anchors : mapping of str to (across, up)
        What the plane was laid through; drawn as crosses with their names.
    """
    across, up = extent
    wide, tall = float(np.ptp(across)), float(np.ptp(up))
    height = float(np.clip(WIDTH * tall / wide, 0.4 * WIDTH, 1.2 * WIDTH))

    def place(point: Sequence[float]) -> tuple[float, float]:
        x = (point[0] - across[0]) / wide * WIDTH
        return x, height - (point[1] - up[0]) / tall * height

    look = styles(classes)
    image = tag(
        "image",
        href=data_address(tinted(probability, [look[name].colour for name in classes])),
        width=WIDTH,
        height=height,
        preserveAspectRatio="none",
    )
    points = [_point(*place(at), look.get(s)) for at, s in zip(cells, states, strict=True)]
    marks = [_anchor(*place(at), name) for name, at in anchors.items()]
    counts = ", ".join(f"{sum(s == name for s in states)} {name}" for name in classes)
    alt = f"A plane through {', '.join(anchors)}; {counts} cells on it"
    return drawing(WIDTH, height, image, *points, *marks, alt=alt, style="width:100%")


def tinted(probability: Floats, colours: Sequence[str]) -> npt.NDArray[np.uint8]:
    """White where all classes are as likely, the winner's colour where it is sure; up is up."""
    winner = probability.argmax(axis=0)
    even = 1 / len(probability)
    sure = np.clip((probability.max(axis=0) - even) / (1 - even), 0, 1)[..., None]
    full = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=np.float64)
    mixed = 255 + DEEPEST * sure * (full[winner] - 255)
    drawn: npt.NDArray[np.uint8] = np.round(mixed[::-1]).astype(np.uint8)
    return drawn


def _point(x: float, y: float, style: Style | None) -> Markup:
    """Shape and colour both say the class, so that a print without colour does too."""
    chosen = style or Style(UNKNOWN, "circle")
    path = mark_path(chosen.mark, x, y, 3.2)
    return tag("path", d=path, fill=chosen.colour, stroke="#ffffff", stroke_width=0.8)


def _anchor(x: float, y: float, name: str) -> Markup:
    cross = f"M{plain(x - 6)} {plain(y)}h12M{plain(x)} {plain(y - 6)}v12"
    return tag(
        "g",
        tag("path", d=cross, stroke="#1d2329", stroke_width=1.8),
        tag("text", name, x=plain(x + 8), y=plain(y - 6), font_size=13, fill="#1d2329"),
    )
