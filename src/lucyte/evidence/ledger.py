"""The ledger: every Finding of a run in one list, worst first, and what follows for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding

ORDER = {"fail": 0, "inconclusive": 1, "pass": 2}
GROUPS = ("model", "data", "accuracy", "explanation", "hypothesis")


@dataclass(frozen=True)
class Headline:
    """A run in three lists of sentences.

    Attributes
    ----------
    believed : tuple of str
        What passed.
    not_believed : tuple of str
        What failed.
    open : tuple of str
        What could not be decided, and why.
    """

    believed: tuple[str, ...]
    not_believed: tuple[str, ...]
    open: tuple[str, ...]


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Failures first, then open questions, then what passed; by group and name within."""

    def place(each: Finding) -> tuple[int, int, str]:
        group = GROUPS.index(each.group) if each.group in GROUPS else len(GROUPS)
        return ORDER[each.verdict], group, each.name

    return tuple(sorted(findings, key=place))


def write(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The list that ``evidence.json`` holds, worst first.

    Raises
    ------
    UsageError
        Two Findings of one name: one would hide the other.
    """
    rows = ordered(findings)
    names = [each.name for each in rows]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two findings are called {name!r}; each question is asked once.")
    return [each.to_json() for each in rows]


def read(rows: Any, where: str = "evidence.json") -> tuple[Finding, ...]:
    """Findings from the list that `write` made.

    Raises
    ------
    UsageError
        Not such a list; names the row.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise UsageError(f"{where}: must be a list of findings, got {type(rows).__name__}.")
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise UsageError(f"{where}: finding {number} must be a mapping.")
        try:
            found.append(Finding.from_json(row))
        except (TypeError, KeyError) as error:
            raise UsageError(f"{where}: finding {number} cannot be read: {error}.") from None
    return ordered(found)


def headline(findings: Iterable[Finding]) -> Headline:
    """What may be believed, what may not, and what is open: the report's first screen."""
    rows = ordered(findings)
    return Headline(
        believed=tuple(each.why for each in rows if each.verdict == "pass"),
        not_believed=tuple(each.why for each in rows if each.verdict == "fail"),
        open=tuple(each.why for each in rows if each.verdict == "inconclusive"),
    )
