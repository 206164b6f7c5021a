"""What the pages say of the code is what the code says: tables, keys, numbers."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from pydantic import BaseModel, Field

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "benchmarks.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_current(generate: ModuleType, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.render(text) == text, "run: python docs/generate.py"


def test_every_generator_and_every_number_is_shown_once(generate: ModuleType) -> None:
    whole = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = re.findall(r"<!-- generated: ([^>]+?) -->", whole)
    assert {each.split()[0] for each in shown} == set(generate.PARTS)
    assert whole.count("<!-- end -->") == len(shown)
    numbers = [each.split()[1] for each in shown if each.startswith("numbers ")]
    assert sorted(numbers) == sorted(generate.NUMBERS)


def test_every_key_of_a_plan_has_a_meaning_and_no_meaning_is_left_over(
    generate: ModuleType,
) -> None:
    both = generate.plan() + "\n" + generate.world_settings()
    rows = [line.split(" | ") for line in both.splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []
    keys = {row[0].removeprefix("| ").strip("`") for row in rows}
    assert set(generate.MEANINGS) - keys == set()


def test_a_stale_page_is_noticed(generate: ModuleType) -> None:
    page = next(page for page in PAGES if page.name == "plan.md").read_text(encoding="utf-8")
    stale = page.replace("| `classify.folds` | whole number, from 2 | `5` |", "| `folds` | 3 |")
    assert stale != page
    assert generate.render(stale) == page


def test_types_limits_and_defaults_in_words(generate: ModuleType) -> None:
    class Small(BaseModel):
        size: float | Literal["auto"] = Field("auto", description="how large, in a|b")
        names: list[str] = Field(["x"], description="who")
        share: float = Field(gt=0, le=1, description="of <all>")

    lines = generate.settings_table(Small, "s.").splitlines()[2:]
    assert lines == [
        '| `s.size` | number or `auto` | `"auto"` | how large, in a\\|b |',
        '| `s.names` | list: text | `["x"]` | who |',
        "| `s.share` | number, above 0, at most 1 | required | of &lt;all> |",
    ]


def test_an_unknown_part_is_refused(generate: ModuleType) -> None:
    with pytest.raises(KeyError, match="no generator is called 'weather'"):
        generate.render("<!-- generated: weather -->\n<!-- end -->")
