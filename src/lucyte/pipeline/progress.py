"""Progress with the time left, on a terminal; one line per step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Step(Protocol):
    """Counts the parts of one stage."""

    def __call__(self, done: int = 1) -> None: ...


@contextmanager
def step(title: str, total: int, *, quiet: bool = False) -> Iterator[Step]:
    """Show one stage of ``total`` parts; call the yielded function after each part."""
    if quiet or total == 0:
        yield lambda done=1: None
        return
    if not sys.stderr.isatty():
        print(f"{title} ...", file=sys.stderr, flush=True)
        yield lambda done=1: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("of"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done=1: progress.advance(task, done)
