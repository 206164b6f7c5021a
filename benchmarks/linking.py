"""How the time of linking grows: python benchmarks/linking.py [--large].

Beside laptrack on one movie: lucyte bench track. Nothing here is asserted; the table is read.
"""

from __future__ import annotations

import sys

from lucyte.testing.benchmarks.track import run_lucyte, timed
from lucyte.testing.outcome import markdown_table
from lucyte.testing.wandering_cells import wandering_cells

SIZES = ((300, 33), (1000, 100))
LARGE = (1000, 1000)


def growth(sizes: tuple[tuple[int, int], ...]) -> None:
    """Time per object as movies become larger; the first size is run twice, once to compile."""
    run_lucyte(wandering_cells(*sizes[0], 2).table())
    rows = [
        timed(f"{frames} frames x {cells}", run_lucyte, wandering_cells(cells, frames, 2))
        for cells, frames in sizes
    ]
    print(markdown_table(tuple(rows)))


if __name__ == "__main__":
    growth((*SIZES, LARGE) if "--large" in sys.argv else SIZES)
