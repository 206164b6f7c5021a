"""A section of the page, or the line that says why it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count as counting

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.markup import NOTHING, tag


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes
    ----------
    slug : str
        Its address on the page.
    title : str
    body : Markup
        Empty where there is nothing to show.
    absent : str
        Then why: a sentence.
    link : str
        Its name in the table of contents, where shorter than the title.
    """

    slug: str
    title: str
    body: Markup = NOTHING
    absent: str = ""
    link: str = ""


class Figures:
    """Numbers the figures of one page in the order in which they are made."""

    def __init__(self) -> None:
        self._numbers = counting(1)

    def figure(self, slug: str, body: Markup, caption: str | Markup, wide: bool = False) -> Markup:
        """A numbered figure that can be linked to as ``#fig-<slug>``."""
        number = next(self._numbers)
        label = tag("b", f"Figure {number}.")
        words = tag("figcaption", label, " ", caption)
        return tag("figure", body, words, id=f"fig-{slug}", class_="wide" if wide else None)


def missing(content: ReportContent, stage: str, otherwise: str) -> str:
    """Why a section is not there: what the pipeline said of its stage, or the plain fact."""
    why = content.skipped.get(stage, "").strip().rstrip(".")
    return f"Not in this report: {why or otherwise}."
