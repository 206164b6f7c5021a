"""The page that cells are labelled on, and what two annotators' agreement looks like as text."""

from __future__ import annotations

from lucyte.report.template import asset

LABEL_ASSETS = {
    "label.css": "text/css; charset=utf-8",
    "label.js": "text/javascript; charset=utf-8",
}
"""Files beside the page, with their kinds. The page loads nothing else."""


def label_page(name: str = "label.html") -> str:
    """The page, or one of the files beside it. It holds no data: the page asks for them.

    Parameters
    ----------
    name : str
        ``label.html`` or a key of ``LABEL_ASSETS``.
    """
    return asset(name)
