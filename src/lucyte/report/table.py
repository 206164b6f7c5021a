"""Tables with headings that can be read out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lucyte.report.markup import join, tag
from lucyte.report.wording import number

LONG_WORD = 26
"""A longer word may be broken; others keep their column wide enough."""


def table(rows: Sequence[Mapping[str, Any]], caption: str, hide_caption: bool = True) -> Markup:
    """Rows with the same keys as an HTML table; numbers stand right, the rest left."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {
        each: all(isinstance(row.get(each, 0), int | float) for row in rows) for each in columns
    }
    head = join(
        tag("th", each, scope="col", class_="number" if numeric[each] else None) for each in columns
    )
    body = join(
        tag("tr", *(_cell(row.get(each, ""), i, numeric[each]) for i, each in enumerate(columns)))
        for row in rows
    )
    words = tag("caption", caption, class_="hidden" if hide_caption else None)
    inside = tag("table", words, tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", inside, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(value: Any, column: int, numeric: bool) -> Markup:
    text = value if isinstance(value, Markup) else number(value) if numeric else str(value)
    long = any(len(word) > LONG_WORD for word in str(text).split()) and not numeric
    style = "number" if numeric else "long" if long else None
    if column == 0:
        return tag("th", text, scope="row", class_=style if long else None)
    return tag("td", text, class_=style)
