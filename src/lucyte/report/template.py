"""The page's templates: HTML files beside this module, everything put into them escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lucyte.report import wording

FOLDER = Path(__file__).parent


def fill(template: str, **values: Any) -> Markup:
    """Fill a template; strings are escaped, Markup is not, an unknown name is an error."""
    return Markup(_environment().get_template(template).render(**values).strip())


def asset(name: str) -> str:
    """The text of the style sheet or the script."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = wording.number
    environment.filters["named"] = wording.named
    environment.globals["count"] = wording.count
    return environment
