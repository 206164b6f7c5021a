"""``lucyte info``: what a file or folder holds, in words or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lucyte.io.info import describe_file
from lucyte.io.open import is_image
from lucyte.io.survey import survey
from lucyte.schema.errors import InputError

MOST_LISTED = 12


def describe(path: Path) -> dict[str, Any]:
    """Facts about one image file (from its own metadata) or about a folder, glob or plate."""
    if not path.exists() and not any(mark in str(path) for mark in "*?["):
        raise InputError(path, "there is no such file or folder.")
    single = path.is_file() and is_image(path)
    if single or (path.is_dir() and path.suffix == ".zarr" and not _is_plate(path)):
        return describe_file(path).to_json()
    return survey(path)


def _is_plate(path: Path) -> bool:
    from lucyte.io.read_zarr import read_hcs_plate

    try:
        return bool(read_hcs_plate(path))
    except InputError:
        return False


def describe_text(facts: Mapping[str, Any]) -> str:
    """The same facts as lines a person reads; problems come last."""
    return "\n".join(_lines(facts, ""))


def _lines(facts: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in facts.items():
        if key in ("problems", "parts") or value in (None, "", [], {}):
            continue
        told = _sizes(value) if key == "sizes_px" else _words(value)
        yield f"{indent}{key.replace('_', ' ') + ':':<17}{told}"
    for part in facts.get("parts", ()):
        yield ""
        yield from _lines(part, indent + "  ")
    problems = facts.get("problems") or ()
    if problems:
        yield f"{indent}problems:"
    for problem in problems:
        text = problem["message"] if isinstance(problem, Mapping) else str(problem)
        yield f"{indent}  - {text}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(each, int) for each in value):
            return _numbers(list(value))
        shown = "; ".join(_words(each) for each in value[:MOST_LISTED])
        return shown + (f" ... ({len(value)} in all)" if len(value) > MOST_LISTED else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(values: list[int]) -> str:
    """``0 to 91 (92)`` for a run of whole numbers, else the numbers."""
    if len(values) > 3 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]} ({len(values)})"
    return ", ".join(map(str, values))


def _sizes(sizes: Sequence[Sequence[int]]) -> str:
    """Height, width and number of fields, as ``lucyte.io.survey`` counts them."""
    parts = [f"{h} x {w} ({n} field{'s' if n > 1 else ''})" for h, w, n in sizes[:MOST_LISTED]]
    more = [f"... ({len(sizes)} in all)"] if len(sizes) > MOST_LISTED else []
    return ", ".join(parts + more)
