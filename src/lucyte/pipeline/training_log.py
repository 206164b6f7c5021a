"""What a person who waits for a training sees, and the rows that are kept of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

EVERY_S = 15.0
"""Seconds between two lines of progress."""


class TrainingLog:
    """Rows of training, and lines for a person who waits."""

    def __init__(self, quiet: bool, write: Callable[[str], None] | None = None) -> None:
        self.quiet, self.network = quiet, ""
        self.rows: list[dict[str, Any]] = []
        self.started = self._last = time.perf_counter()
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))

    def say(self, line: str) -> None:
        """One line, at once."""
        if not self.quiet:
            self._write(line)

    def epoch(self, name: str, row: Mapping[str, float]) -> None:
        """A row of training; a line of it now and then."""
        self.rows.append({"network": f"{self.network} {name}".strip(), **row})
        now = time.perf_counter()
        if now - self._last > EVERY_S:
            self._last = now
            told = ", ".join(f"{key} {value:.3g}" for key, value in row.items())
            self.say(f"  {self.network} {name}: {told}, {(now - self.started) / 60:.1f} min")
