"""Which colour and mark each condition and state wears, the same all over the page."""

from __future__ import annotations

from lucyte.report.content import ReportContent
from lucyte.report.palette import UNKNOWN, Style, natural, styles


def condition_styles(content: ReportContent) -> dict[str, Style]:
    """A style for every condition of the run, sorted as people count."""
    tables = (content.fields, content.wells, content.fractions, content.features)
    names = {str(name) for table in tables if len(table) for name in table["condition"]}
    return styles(natural(names or {""}))


def state_styles(content: ReportContent) -> dict[str, Style]:
    """A style for every state; a state named like a condition looks like it."""
    named = {str(name) for name in content.states.classes} if content.states else set()
    named |= {cell.state for cell in content.examples if cell.state}
    named |= {each.cell.state for each in content.explained if each.cell.state}
    if content.embedding is not None and "state" in content.embedding.points:
        named |= {str(name) for name in content.embedding.points["state"]}
    conditions = condition_styles(content)
    if named and named <= set(conditions) | {""}:
        grey = {"": Style(UNKNOWN, "circle")} if "" in named - set(conditions) else {}
        return {name: style for name, style in conditions.items() if name in named} | grey
    return styles(natural(named))
