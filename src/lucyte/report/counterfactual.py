"""What cells would look like in another class: film strips, words, and the border between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.boundary_plane import boundary_plane
from lucyte.report.film_strip import GAP, HALF, film_strip
from lucyte.report.findings import chip
from lucyte.report.heat_maps import diverging_bar
from lucyte.report.legend import legend
from lucyte.report.markup import drawing, join, tag
from lucyte.report.palette import styles
from lucyte.report.picture import data_address
from lucyte.report.section import Figures, Section
from lucyte.report.wording import count
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]
TITLE = "What would it look like?"
ABSENT = (
    "No film strips yet: they need a second model, one that can be turned round. Train it with "
    "lucyte train invert on the same pictures, and give it with --counterfactual."
)


@dataclass(frozen=True, eq=False)
class RealCell:
    """A cell as it was taken: ``image`` C Y X in raw units, its name, and where it is."""

    image: npt.NDArray[Any]
    object_id: str
    where: str


@dataclass(frozen=True, eq=False)
class Strip:
    """One cell on its way to another class.

    Attributes
    ----------
    object_id, where : str
    source, target : str
    channels : tuple of C str
    images : array S C Y X
        Raw units; the first is the cell itself.
    probability : tuple of S float
        Of the target.
    changed : str
        In the units of the feature table.
    said : str
        What warns of it, in sentences; empty where nothing does.
    known : str
        Its label.
    judged : str
        What another model sees in the last picture, a sentence; empty where none was asked.
    alike : RealCell or None
        The most alike real cell of the target.
    """

    object_id: str
    where: str
    source: str
    target: str
    channels: tuple[str, ...]
    images: npt.NDArray[Any]
    probability: tuple[float, ...]
    changed: str
    said: str = ""
    known: str = ""
    judged: str = ""
    alike: RealCell | None = None


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of latents with cells on it; see `boundary_plane`."""

    probability: Floats
    extent: tuple[Floats, Floats]
    cells: Floats
    states: tuple[str, ...]
    classes: tuple[str, ...]
    anchors: Mapping[str, tuple[float, float]]


def counterfactual_section(
    strips: Sequence[Strip],
    plane: Plane | None,
    findings: Sequence[Finding],
    figures: Figures,
    inverse: str = "",
) -> Section:
    """Strips with their words, then the border; without strips, how to get some (``inverse``)."""
    if not strips:
        how = f" Here: {inverse}" if inverse else ""
        return Section("counterfactuals", TITLE, absent=f"{ABSENT}{how}", link="What if")
    tests = [each for each in findings if each.name.startswith("counterfactual.")]
    lines = [
        tag("b", "Their tests:") + tag("div", *(chip(each) for each in tests), class_="chips")
        if tests
        else tag(
            "p",
            "Judged by no other model: read what follows as a question, not as an answer.",
            class_="untested",
        )
    ]
    bar = diverging_bar(
        f"darker by {HALF:.0%} of black to white",
        f"brighter by {HALF:.0%}",
        "blue darker, white unchanged, orange brighter",
    )
    cards = tag("ul", *(_card(each) for each in strips), class_="gallery strips")
    several = ", one row per channel" if len(strips[0].channels) > 1 else ""
    words = (
        f"{count(len(strips), 'cell')}, each from the picture as it was taken (left) to what the "
        f"model that drew it would call the other state{several}; above each step the probability "
        "that this model gives the other state. Grey values of a row are on one scale. Then what "
        f"became brighter (orange) and darker (blue).{_alike_words(strips)}"
    )
    body = bar + cards
    parts = [tag("div", *lines, class_="tests"), figures.figure("strips", body, words, wide=True)]
    if plane is not None:
        parts.append(_plane(plane, figures))
    return Section("counterfactuals", TITLE, join(parts), link="What if")


def _alike_words(strips: Sequence[Strip]) -> str:
    """What the column of real cells is; nothing where there is none."""
    if not any(each.alike for each in strips):
        return ""
    return (
        " Last: the real cell of that state whose measured features are most like those of the "
        "cell on the left. It was taken, not made; hold what was made against it."
    )


def _card(strip: Strip) -> Markup:
    known = [f"labelled {strip.known}"] if strip.known else []
    who = tag(
        "p",
        tag("b", strip.source),
        " made to look like ",
        tag("b", strip.target),
        tag("span", " ", ", ".join([*known, strip.where])),
        class_="who",
    )
    return tag(
        "li",
        who,
        _drawn(strip),
        tag("p", tag("b", "What changed: "), strip.changed, "."),
        tag("p", strip.judged, class_="judged") if strip.judged else "",
        tag("p", f"The real {strip.target} is of {strip.alike.where}.") if strip.alike else "",
        tag("p", strip.said, class_="untested") if strip.said else "",
        class_="wide",
        title=strip.object_id,
    )


def _drawn(strip: Strip) -> Markup:
    """The strip with what each column is above it, and each row's channel where there are more."""
    alike = strip.alike
    picture = film_strip(strip.images, real=None if alike is None else alike.image)
    height, width = picture.shape[:2]
    steps, rows = len(strip.probability), len(strip.channels)
    heads = ["as it is", *[""] * (steps - 2), f"as {strip.target}", "change"]
    shares = [*(f"{p:.2f}" for p in strip.probability), ""]
    if alike is not None:
        heads, shares = [*heads, f"real {strip.target}"], [*shares, ""]
    column, row = (width + GAP) / len(heads), (height + GAP) / rows
    size = column / 9
    top = 2.9 * size
    texts = [
        tag("text", text, x=(k + 0.5) * column, y=(at + 1) * 1.25 * size, text_anchor="middle",
            font_size=size, fill="#1d2329")
        for at, line in enumerate((heads, shares))
        for k, text in enumerate(line)
        if text
    ]  # fmt: skip
    names = [
        tag("text", name, x=size * 0.4, y=top + k * row + size * 1.15, font_size=size,
            font_weight=600, fill="#ffffff", stroke="#000000", stroke_width=size * 0.22,
            paint_order="stroke", stroke_linejoin="round")
        for k, name in enumerate(strip.channels)
        if rows > 1
    ]  # fmt: skip
    image = tag("image", href=data_address(picture), x=0, y=top, width=width, height=height)
    alt = (
        f"Cell {strip.object_id} on its way from {strip.source} to {strip.target}; probability of "
        f"{strip.target} {', '.join(shares[:steps])}"
    )
    return drawing(width, height + top, image, *texts, *names, alt=alt, style="width:100%")


def _plane(plane: Plane, figures: Figures) -> Markup:
    drawn = boundary_plane(
        plane.probability, plane.extent, plane.cells, plane.states, plane.classes, plane.anchors
    )
    key = legend(styles(plane.classes))
    words = (
        "The model's own space, cut along the plane through the means of the classes (crosses): "
        "tint says who wins and how surely, points are real cells by what is known of them. Cells "
        "off the plane are drawn at their nearest point."
    )
    body = tag("div", drawn, key, style="max-width:34rem")
    return figures.figure("boundary", body, words)
