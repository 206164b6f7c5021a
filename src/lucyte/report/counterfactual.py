"""What cells would look like in another class: film strips, words, and the border between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.report.boundary_plane import boundary_plane
from lucyte.report.film_strip import film_strip
from lucyte.report.findings import chip
from lucyte.report.legend import legend
from lucyte.report.markup import drawing, join, tag
from lucyte.report.palette import styles
from lucyte.report.picture import data_address
from lucyte.report.section import Figures, Section
from lucyte.report.wording import count, feature_words
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]
TITLE = "What would it look like?"
ABSENT = (
    "No counterfactuals: they need a model that can be turned round. Train one with "
    "lucyte train invert, and give it with --counterfactual."
)


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
        What is to be known of it.
    far : bool
        Outside what was trained on.
    """

    object_id: str
    where: str
    source: str
    target: str
    channels: tuple[str, ...]
    images: npt.NDArray[Any]
    probability: tuple[float, ...]
    changed: str
    said: str
    far: bool = False


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
    strips: Sequence[Strip], plane: Plane | None, findings: Sequence[Finding], figures: Figures
) -> Section:
    """Strips with their words, then the border."""
    if not strips:
        return Section("counterfactuals", TITLE, absent=ABSENT, link="What if")
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
    cards = tag("ul", *(_card(each) for each in strips), class_="gallery strips")
    channels = ", ".join(strips[0].channels)
    words = (
        f"{count(len(strips), 'cell')} from what it is (left) to what the model would call the "
        f"other class, rows {channels}; grey values of a row are on one scale. Last column: what "
        "was added (orange) and taken away (blue)."
    )
    parts = [tag("div", *lines, class_="tests"), figures.figure("strips", cards, words, wide=True)]
    if plane is not None:
        parts.append(_plane(plane, figures))
    return Section("counterfactuals", TITLE, join(parts), link="What if")


def _card(strip: Strip) -> Markup:
    picture = film_strip(strip.images)
    height, width = picture.shape[:2]
    image = tag("image", href=data_address(picture), width=width, height=height)
    alt = f"Cell {strip.object_id} on its way from {strip.source} to {strip.target}"
    who = tag(
        "p",
        "called ",
        tag("b", strip.source),
        " as ",
        tag("b", strip.target),
        tag("span", f" {strip.where}"),
        class_="who",
    )
    chances = " → ".join(f"{p:.2f}" for p in strip.probability)
    return tag(
        "li",
        who,
        drawing(width, height, image, alt=alt, style="width:100%"),
        tag("p", f"probability of {strip.target}: {chances}", class_="sum"),
        tag("p", tag("b", "What changed: "), feature_words(strip.changed), "."),
        tag("p", strip.said, class_="untested") if strip.far else "",
        class_="wide",
        title=strip.object_id,
    )


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
    body = tag("div", drawn, key, class_="panels", style="max-width:34rem")
    return figures.figure("boundary", body, words)
