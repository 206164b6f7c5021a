"""Numbers and names in the words a biologist reads."""

from __future__ import annotations

import math
import re
from typing import Any

from lucyte.measure.columns import describe, parse

_UNITS = {
    "px": "px",
    "px2": "px²",
    "um": "µm",
    "um2": "µm²",
    "s": "s",
    "deg": "°",
    "rad": "rad",
}


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ACRONYMS = {"auroc": "AUROC", "tra": "TRA", "sha256": "SHA-256", "mb": "MB"}


def number(value: Any, digits: int = 3) -> str:
    """A number to three significant digits; ``undefined`` for nan, ``∞`` for infinite."""
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = float(value)
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-3 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"
    return text.replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """``0.81 to 0.95``; empty where there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{number(low)} to {number(high)}"


def count(n: int, noun: str) -> str:
    """``1 well``, ``3 wells``, ``2 bodies``, ``4 classes``."""
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The plural of an English noun, regular ones only."""
    if noun.endswith("nucleus"):
        return noun[:-2] + "i"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    if re.search(r"(s|x|ch|sh)$", noun):
        return noun + "es"
    return noun + "s"


def things_of(kind: str) -> str:
    """Objects of a kind, in words: ``nuclei``, ``cytoplasm``, ``organelles in mito``."""
    if kind.startswith("organelle:"):
        return f"organelles in {kind.removeprefix('organelle:')}"
    return {"nucleus": "nuclei", "cytoplasm": "cytoplasm"}.get(kind) or plural(kind)


def unit_word(column: str) -> str:
    """What a column of identity counts, in words: ``field_id`` counts fields."""
    return column.removesuffix("_id").replace("_", " ")


def listed(names: list[str], most: int = 6) -> str:
    """``a, b and c``; ``a, b and 7 more`` where there are too many."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """The text with a capital, unless its first word is a name such as ``mRFP``."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.islower() else text


def short(text: str, most: int = 28) -> str:
    """The text, its middle left out where it is too long for a figure."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head].rstrip()}…{text[len(text) - (most - 1 - head) :].lstrip()}"


def named(name: str, what: str = "condition") -> str:
    """The name, or ``(no condition)`` for an empty one."""
    return name if name.strip() else f"(no {what})"


def feature_words(name: str, kind: str = "cell") -> str:
    """A column in words: ``intensity_mean_EGFP`` is ``mean EGFP inside the cell``.

    Names that are no feature column lose their underscores; a unit at the end of a feature's
    name is put in brackets.
    """
    found = parse(name)
    words = (
        describe(name, kind)
        if found
        else " ".join(_ACRONYMS.get(part, part) for part in name.split("_") if part)
    )
    stem = found[0].name if found else name
    unit = _UNITS.get(stem.rsplit("_", 1)[-1]) if "_" in stem else None
    if unit is None or (found and ("px" in words or "micro" in words)):
        return words
    return f"{words if found else words.rsplit(' ', 1)[0]} ({unit})"


def span(seconds: float) -> str:
    """A duration: ``12 s``, ``3 min``, ``2.5 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
