"""The page: one HTML file that opens offline and prints."""

from __future__ import annotations

from collections.abc import Callable

from lucyte.report.asked import opening, title_of
from lucyte.report.cells import cells_section
from lucyte.report.content import ReportContent
from lucyte.report.document import document
from lucyte.report.embedding import embedding_section
from lucyte.report.explanations import explanations_section
from lucyte.report.features import features_section
from lucyte.report.findings import findings_section
from lucyte.report.fractions import fractions_section
from lucyte.report.methods import methods_section
from lucyte.report.plate_map import plate_map_section
from lucyte.report.provenance import provenance_section
from lucyte.report.quality import problems_section, quality_section
from lucyte.report.section import Figures, Section
from lucyte.report.tracks import tracks_section

ORDER: tuple[Callable[[ReportContent, Figures], Section], ...] = (
    lambda content, _: findings_section(content),
    plate_map_section,
    fractions_section,
    features_section,
    cells_section,
    tracks_section,
    embedding_section,
    explanations_section,
    quality_section,
    problems_section,
    methods_section,
    provenance_section,
)


def render(content: ReportContent) -> str:
    """Make the report.

    The same content gives the same text. Nothing is loaded from anywhere: style, script and
    pictures are inside, and the page forbids itself everything else. All text is escaped.

    Parameters
    ----------
    content : ReportContent

    Returns
    -------
    str
        HTML to be written as UTF-8.
    """
    figures = Figures()
    sections = [make(content, figures) for make in ORDER]
    return document(title_of(content), opening(content), sections, content.findings)
