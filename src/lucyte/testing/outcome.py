"""Outcome: what a benchmark found, beside its goal, and how it reads on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found.

    Attributes
    ----------
    figure : str
        The number that is asked for, with its unit.
    goal : str
        In the same unit; empty where none was set.
    met : bool or None
        None where there is no goal, or where the other side could not be measured.
    table : tuple of mapping
        Everything that was measured, one mapping of column to value per row.
    notes : tuple of str
        What must be known to read the table, a full sentence each.
    """

    figure: str
    goal: str = ""
    met: bool | None = None
    table: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Figure, goal and whether it was reached, in one line."""
        if not self.goal:
            return f"**{self.figure}**"
        reached = {True: "reached", False: "NOT reached", None: "not decided"}[self.met]
        return f"**{self.figure}** (goal: {self.goal}; {reached})"

    def markdown(self) -> str:
        """Table and notes."""
        parts = [markdown_table(self.table)] if self.table else []
        parts += ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join(parts)


def skipped(peer: str) -> str:
    """Why a peer was not measured; empty where it is installed."""
    return "" if find_spec(peer) else f"skipped: {peer} is not installed"


def markdown_table(rows: tuple[Mapping[str, Any], ...]) -> str:
    """Rows as a Markdown table; columns in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [any(isinstance(row.get(name), int | float) for row in rows) for name in columns]
    lines = [columns, ["---:" if right else "---" for right in numeric]]
    lines += [[number(row.get(name, "")) for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: Any) -> str:
    """Three significant digits, thousands whole with commas; text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")
