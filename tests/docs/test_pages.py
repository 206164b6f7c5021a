"""Whatever a page shows is executed: Python, plans, commands, links, sources."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "benchmarks.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(((?:[^()\s]|\([^()\s]*\))+)\)")
DOI = re.compile(r"10\.\d{4,9}/[^\s\]\"`]+")


def blocks(language: str) -> list[Any]:
    """Blocks of one language, one parameter per page that has any."""
    found = []
    for page in PAGES:
        own = [text for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]
        if own:
            found.append(pytest.param(own, id=page.name))
    return found


def test_blocks_are_found() -> None:
    assert min(len(blocks(language)) for language in ("python", "toml", "sh")) >= 3
    known = {"python", "toml", "sh", ""}
    assert {kind for page in PAGES for kind, _ in BLOCK.findall(page.read_text("utf-8"))} <= known


@pytest.mark.parametrize("texts", blocks("python"))
def test_python_runs(texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for text in texts:
        exec(compile(text, "page", "exec"), names)


@pytest.mark.parametrize("texts", blocks("toml"))
def test_plans_are_plans(texts: list[str]) -> None:
    from lucyte.schema.errors import UsageError
    from lucyte.schema.plan import parse_plan

    with pytest.raises(UsageError, match="unknown plan key"):
        parse_plan('[input]\npath = "x"\nwell = []\n')
    for text in texts:
        assert parse_plan(text).input.path


def spoken(text: str) -> Iterator[list[str]]:
    """Commands of Lucyte in a block, as lists of words."""
    for line in text.splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words and words[0] == "lucyte":
                yield words[1:]


@pytest.mark.parametrize("texts", blocks("sh"))
def test_commands_parse(texts: list[str]) -> None:
    import typer

    from lucyte.cli import app

    group: Any = typer.main.get_command(app)
    for words in (each for text in texts for each in spoken(text)):
        verb, *rest = words
        group.commands[verb].make_context(verb, rest).close()


def test_settings_of_simulate_commands_exist() -> None:
    from lucyte.simulate.settings import WorldSettings

    page = (ROOT / "docs" / "simulate.md").read_text("utf-8")
    keys = re.findall(r"--set ([\w.]+)=", page)
    assert len(keys) >= 3
    for key in keys:
        section, name = key.split(".")
        inner: Any = WorldSettings.model_fields[section].annotation
        assert name in inner.model_fields


def test_links_lead_somewhere() -> None:
    broken, seen = [], 0
    for page in PAGES:
        text = page.read_text("utf-8")
        for target in LINK.findall(BLOCK.sub("", text)):
            if target.startswith("http"):
                continue
            seen += 1
            name, _, anchor = target.partition("#")
            there = page.parent / name if name else page
            if not there.is_file() or (anchor and anchor not in anchors(there)):
                broken.append(f"{page.name}: {target}")
    assert seen > 20
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Addresses of the headings of a page, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_sources_are_those_of_the_code() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    cited = {
        target.removeprefix("https://doi.org/")
        for page in PAGES
        for target in LINK.findall(page.read_text("utf-8"))
        if target.startswith("https://doi.org/")
    }
    assert len(cited) > 20
    assert {doi for doi in cited if doi not in code} == set()
    bare = {doi for page in PAGES for doi in DOI.findall(page.read_text("utf-8"))}
    assert {doi.rstrip(".,;)") for doi in bare if "](" not in doi} <= {d.rstrip(")") for d in cited}


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text("utf-8")
    names = {page.name for page in PAGES} - {"index.md"}
    assert {name for name in names if f"({name})" not in contents} == set()


def test_equations_have_their_symbols_closed() -> None:
    for page in PAGES:
        text = BLOCK.sub("", page.read_text("utf-8"))
        assert text.count("$$") % 2 == 0, page.name
        inline = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
        for paragraph in re.split(r"\n\s*\n|\n(?=\|)|\n(?=- )", inline):
            assert paragraph.count("$") % 2 == 0, f"{page.name}: {paragraph[:80]}"
        # Markdown takes these backslashes for its own.
        assert not re.search(r"\\[,;{}!]", BLOCK.sub("", re.sub(r"`[^`\n]*`", "", text))), page.name
        for equation in re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL):
            assert equation.count("{") == equation.count("}"), f"{page.name}: {equation}"
            lefts, rights = equation.count("\\left"), equation.count("\\right")
            assert lefts == rights, f"{page.name}: {equation}"
