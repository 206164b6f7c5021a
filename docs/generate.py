"""Writes the generated parts of these pages from the code: python docs/generate.py.

A page marks such a part with ``<!-- generated: NAME ARGUMENT ... -->`` and ``<!-- end -->``; what
stands between is replaced. A test fails where a page is no longer what the code says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from words import MEANINGS, NUMBERS

HERE = Path(__file__).parent
PART = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str) -> str:
    """A page with its generated parts made anew."""

    def fill(found: re.Match[str]) -> str:
        name, *arguments = found[2].split()
        if name not in PARTS:
            raise KeyError(f"no generator is called {name!r}; there are {', '.join(PARTS)}")
        return f"{found[1]}{PARTS[name](*arguments)}\n{found[3]}"

    return PART.sub(fill, text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def settings_table(model: type[BaseModel], prefix: str) -> str:
    """Every key of a settings class with its type, limits, default and meaning."""
    rows = []
    for name, field in model.model_fields.items():
        if _section_of(field.annotation) is None:
            limits = ", ".join(_limit(each) for each in field.metadata if _limit(each))
            kind = type_words(field.annotation) + (f", {limits}" if limits else "")
            meaning = (field.description or MEANINGS[f"{prefix}{name}"]).replace("<", "&lt;")
            rows.append((f"`{prefix}{name}`", kind, default_words(field.default), meaning))
    return table(("key", "type", "default", "meaning"), rows)


def plan(section: str = "") -> str:
    """One section of the plan as a table, or the whole plan as headed tables."""
    from lucyte.schema.plan import Plan

    parts = []
    for name, field in Plan.model_fields.items():
        model = _section_of(field.annotation)
        if model is None or (section and name != section):
            continue
        inner = [n for n, f in model.model_fields.items() if _section_of(f.annotation)]
        if not section:
            parts.append(f"### `[{name}]`\n\n{model.__doc__}\n")
        if len(inner) < len(model.model_fields):
            parts.append(settings_table(model, f"{name}.") + "\n")
        for each in inner:
            item = _section_of(model.model_fields[each].annotation)
            assert item is not None
            parts.append(f"Each `[[{name}.{each}]]`:\n\n{settings_table(item, '')}\n")
    whole = settings_table(Plan, "") + "\n"
    return "\n".join(parts if section else [whole, *parts]).rstrip()


def world_settings() -> str:
    """Every setting of a simulated world, defaults those of a full-size field."""
    from lucyte.simulate.settings import WorldSettings

    parts = []
    for name, field in WorldSettings.model_fields.items():
        model = _section_of(field.annotation)
        assert model is not None
        parts.append(f"### `{name}`\n\n{model.__doc__}\n\n{settings_table(model, f'{name}.')}\n")
    return "\n".join(parts).rstrip()


def worlds() -> str:
    """The worlds on offer."""
    from lucyte.simulate.worlds import WORLDS

    return table(("world", "what it holds"), [(f"`{w.name}`", w.description) for w in WORLDS])


def feature_columns() -> str:
    """The feature columns, family by family."""
    from lucyte.measure.columns import FEATURES, PAIR

    suffix = {"object": "", "channel": "_<c>", "pair": f"_<c>{PAIR}<d>"}
    suffixes = {"children_count": "_<kind>"}
    rows = []
    for f in FEATURES:
        words = f.words.replace("{object}", "object").format("c", "d")
        words = words.replace("c objects", "objects of a kind")
        column = f"`{f.name}{suffixes.get(f.name, suffix[f.over])}`"
        rows.append((column, f.family, words, _REACH[f.reach], "" if f.always else "may be nan"))
    return table(("column", "family", "what it says", "computed from", ""), rows)


_REACH = {"own": "the object's own px", "relatives": "parent or children", "field": "the field"}


def identity_columns() -> str:
    """The first columns of ``objects.parquet``."""
    from lucyte.schema.objects import BOX, OBJECT_IDENTITY

    return ", ".join(f"`{name}`" for name in (*OBJECT_IDENTITY, *BOX)) + "."


def layouts() -> str:
    """File-name layouts with an example each."""
    from lucyte.io.layouts import LAYOUTS

    rows = [
        (f"`{r.name}`", f"`{r.example}`", r.channels, ", ".join(r.flags) or "–") for r in LAYOUTS
    ]
    return table(("layout", "example", "channel names", "flags"), rows)


def structural_layouts() -> str:
    """Layouts that lie in the folders."""
    from lucyte.io.layouts import STRUCTURAL

    return table(("layout", "meaning"), [(f"`{k}`", v) for k, v in STRUCTURAL.items()])


def name_groups() -> str:
    """Groups a person's pattern may name."""
    from lucyte.io.layouts import GROUPS

    return ", ".join(f"`{name}`" for name in GROUPS) + "."


def formats() -> str:
    """File formats by suffix."""
    from lucyte.io.open import FORMATS

    rows = [(r.name, ", ".join(f"`{s}`" for s in r.suffixes)) for r in FORMATS]
    return table(("format", "suffixes"), [*rows, ("OME-Zarr 0.4 and 0.5", "a folder, `.zarr`")])


def commands() -> str:
    """Every verb of the command line with an example."""
    import typer

    from lucyte.cli import app

    group: Any = typer.main.get_command(app)
    rows = []
    for name in group.list_commands(None):
        command = group.commands[name]
        example = command.epilog.removeprefix("Example: ").split("   ")[0]
        rows.append((f"`{name}`", command.help.splitlines()[0], f"`{example}`"))
    return table(("verb", "what it does", "example"), rows)


def fixed_numbers(page: str) -> str:
    """Numbers that are fixed in the code: words from here, values from there."""
    rows = []
    for module, name, words in NUMBERS[page]:
        value: Any = import_module(f"lucyte.{module}")
        for part in name.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        rows.append((words, value_words(value), f"`{module}.{name}`"))
    return table(("fixed in the code", "value", "where"), rows)


PARTS: dict[str, Callable[..., str]] = {
    "plan": plan,
    "world-settings": world_settings,
    "worlds": worlds,
    "feature-columns": feature_columns,
    "identity-columns": identity_columns,
    "layouts": layouts,
    "structural-layouts": structural_layouts,
    "name-groups": name_groups,
    "formats": formats,
    "commands": commands,
    "numbers": fixed_numbers,
}


def type_words(annotation: Any) -> str:
    """A type as a person would say it."""
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if annotation in plain:
        return plain[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    name = getattr(origin, "__name__", "")
    if name == "Literal":
        return " or ".join(f"`{each}`" for each in inner)
    if name == "list":
        return f"list: {type_words(inner[0])}"
    if name == "dict":
        return f"table: {type_words(inner[1])}"
    if name == "tuple":
        return f"{len(inner)} x {type_words(inner[0])}"
    return " or ".join(type_words(each) for each in inner if each is not type(None))


def default_words(value: Any) -> str:
    """A default as TOML writes it."""
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, list | tuple):
        return "`[" + ", ".join(default_words(each).strip("`") for each in value) + "]`"
    return f"`{value}`"


def value_words(value: Any) -> str:
    """A constant of the code, short."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_words(each)}" for key, each in value.items())
    if isinstance(value, tuple) or hasattr(value, "tolist"):
        return ", ".join(value_words(each) for each in list(value))
    return str(value)


def _limit(rule: Any) -> str:
    signs = {"gt": "above", "ge": "from", "lt": "below", "le": "at most"}
    found = [f"{word} {getattr(rule, key)}" for key, word in signs.items() if hasattr(rule, key)]
    return " ".join(found)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The settings class behind an annotation (itself or a list of it)."""
    inner = (get_args(annotation) or (annotation,))[0]
    is_section = isinstance(inner, type) and issubclass(inner, BaseModel)
    return inner if is_section else None


def main() -> None:
    """Rewrite every page."""
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = render(text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {page.name}")


if __name__ == "__main__":
    main()
