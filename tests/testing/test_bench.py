"""The page of benchmarks: every row resolves, a small one renders, a wrong name is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from lucyte.schema.errors import LucyteError, UsageError
from lucyte.testing.bench import ROWS, Row, read_sections, run_benchmarks
from lucyte.testing.outcome import Outcome, markdown_table, number, skipped


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """Makes a row whose benchmark returns (or raises) what it is given."""

    def make(name: str, found: Outcome | LucyteError) -> Row:
        def measure() -> Outcome:
            if isinstance(found, LucyteError):
                raise found
            return found

        module = ModuleType(f"fake_{name}")
        module.measure = measure  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return Row(name, module.__name__, f"what {name} measures", "a peer")

    return make


def test_every_row_has_a_body() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) > 0
    for row in ROWS:
        assert callable(import_module(row.module).measure)


def test_an_unknown_name_is_refused_with_the_right_one(tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    with pytest.raises(UsageError) as refusal:
        run_benchmarks(["memroy"], out)
    assert str(refusal.value).startswith("unknown benchmark 'memroy', did you mean 'memory'?")
    assert ", ".join(row.name for row in ROWS) in str(refusal.value)
    assert not out.exists()


def test_a_page_holds_verdict_table_and_machine(tmp_path: Path, fake: Callable[..., Row]) -> None:
    table = ({"side": "ours", "seconds": 0.01234}, {"side": "theirs", "seconds": 12345.6})
    row = fake("quick", Outcome("1000 times", "10 times", True, table, ("A note.",)))
    out = tmp_path / "docs" / "page.md"
    told = run_benchmarks([], out, [row])
    text = out.read_text()
    assert "quick: 1000 times (goal: 10 times; reached)" in told
    for part in (
        "| [quick](#quick) | what quick measures | a peer | **1000 times** (goal: 10 times; ",
        "| ours | 0.0123 |\n| theirs | 12,346 |",
        "- A note.",
        " cores, ",
        "lucyte 0.",
        " of the processor time meanwhile.",
    ):
        assert part in text


def test_sections_that_were_not_asked_for_stay(tmp_path: Path, fake: Callable[..., Row]) -> None:
    out = tmp_path / "page.md"
    rows = [fake("one", Outcome("1 s")), fake("two", Outcome("2 s"))]
    run_benchmarks([], out, rows)
    before = read_sections(out)
    assert list(before) == ["one", "two"]
    rows[1] = fake("two", Outcome("3 s", "1 s", False))
    run_benchmarks(["two"], out, rows)
    after = read_sections(out)
    assert after["one"] == before["one"]
    assert after["two"].startswith("**3 s** (goal: 1 s; NOT reached)")


def test_a_failure_is_told_after_the_others_are_written(
    tmp_path: Path, fake: Callable[..., Row]
) -> None:
    out = tmp_path / "page.md"
    rows = [fake("bad", LucyteError("no disk")), fake("good", Outcome("2 s"))]
    with pytest.raises(LucyteError, match=r"^bad: no disk$"):
        run_benchmarks([], out, rows)
    sections = read_sections(out)
    assert sections["bad"].startswith("**failed: no disk**")
    assert sections["good"].startswith("**2 s**")


def test_an_absent_peer_is_said_to_be_absent() -> None:
    assert skipped("numpy") == ""
    assert skipped("no_such_peer") == "skipped: no_such_peer is not installed"


def test_undecided_is_neither_reached_nor_missed() -> None:
    assert Outcome("2 s", "1 s", None).verdict == "**2 s** (goal: 1 s; not decided)"


def test_tables_keep_every_column_and_leave_gaps_empty() -> None:
    text = markdown_table(({"": "a", "s": 1.0}, {"": "b", "n": 7}))
    assert text.splitlines() == [
        "|  | s | n |",
        "| --- | ---: | ---: |",
        "| a | 1.00 |  |",
        "| b |  | 7 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.01234, "0.0123"), (123.4, "123"), (999.7, "1,000"), (20, "20")],
)
def test_numbers_are_read_at_a_glance(value: float, text: str) -> None:
    assert number(value) == text
