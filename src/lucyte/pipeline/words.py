"""Words for counts, for the terminal and for findings."""

from __future__ import annotations

IRREGULAR = {"nucleus": "nuclei", "class": "classes", "cytoplasm": "cytoplasms"}


def plural(word: str, count: int = 2) -> str:
    """``cell``, ``cells``, ``nuclei``: the word as the count wants it."""
    return word if count == 1 else IRREGULAR.get(word, f"{word}s")


def counted(count: int, word: str) -> str:
    """``1 field``, ``2,264 fields``."""
    return f"{count:,} {plural(word, count)}"
