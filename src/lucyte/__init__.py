"""Lucyte: raw microscopy to cell states, lineages and explanations you can try to falsify.

The public names are attached lazily: importing the package loads no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lucyte.schema.finding import Finding
    from lucyte.schema.plan import Plan, load_plan
    from lucyte.schema.plate import Field, Plate

_HOMES = {
    "Field": "lucyte.schema.plate",
    "Finding": "lucyte.schema.finding",
    "Plan": "lucyte.schema.plan",
    "Plate": "lucyte.schema.plate",
    "load_plan": "lucyte.schema.plan",
}

__all__ = ["Field", "Finding", "Plan", "Plate", "__version__", "load_plan"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lucyte' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
