"""Colours and marks that people with any colour vision can tell apart, on screen and on paper.

References
----------
Okabe and Ito, Color Universal Design, 2008. Wong, Nat Methods 2011, doi 10.1038/nmeth.1618.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#000000",
    "#8A6D3B",
)
"""Okabe and Ito's colours; the first two differ in grey print too. Their yellow, unreadable on
white, is replaced by a brown."""

MARKS = ("circle", "square", "triangle", "diamond", "cross", "plus")
UNKNOWN = "#8b949c"

_MATPLOTLIB = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "X",
    "plus": "P",
}
_RAMP = ("#f3f6f4", "#cfe3ea", "#8fc3dc", "#3f93c2", "#0b62a0", "#08315c")
_DIVERGING = ("#08315c", "#0072B2", "#9ccbe6", "#f7f7f5", "#f4b48a", "#D55E00", "#6e2c00")


@dataclass(frozen=True)
class Style:
    """How one group is drawn: never by colour alone."""

    colour: str
    mark: str

    @property
    def ink(self) -> str:
        """The colour, dark enough for text on white."""
        return _between((self.colour, "#000000"), 0.35)

    @property
    def matplotlib_marker(self) -> str:
        """The same mark as matplotlib calls it."""
        return _MATPLOTLIB[self.mark]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """One style per name, in the order of the names; the empty name is grey.

    Colours repeat after eight names, marks after six, the pair only after 24.
    """
    chosen: dict[str, Style] = {}
    for name in names:
        if name in chosen:
            continue
        index = len(chosen)
        colour = OKABE_ITO[index % len(OKABE_ITO)] if name else UNKNOWN
        chosen[name] = Style(colour, MARKS[index % len(MARKS)])
    return chosen


def natural(names: Iterable[object]) -> list[str]:
    """Unique names sorted as people count: ``2 uM`` before ``10 uM``."""

    def key(name: str) -> list[tuple[int, float, str]]:
        parts = re.split(r"(\d+(?:\.\d+)?)", name)
        return [(0, float(p), "") if i % 2 else (1, 0.0, p.lower()) for i, p in enumerate(parts)]

    return sorted({str(name) for name in names}, key=lambda name: (key(name), name))


def ramp(value: float) -> str:
    """Light to dark for 0 to 1; stays in order when printed in grey."""
    return _between(_RAMP, value)


def diverging(value: float) -> str:
    """Blue for -1, near white for 0, vermillion for 1."""
    return _between(_DIVERGING, (value + 1) / 2)


def ink_on(colour: str) -> str:
    """Black or white, whichever reads on the colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#1d2329"


def _between(stops: tuple[str, ...], value: float) -> str:
    position = min(max(value, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(position), len(stops) - 2)
    share = position - low
    a, b = stops[low], stops[low + 1]
    mixed = [
        round(int(a[i : i + 2], 16) * (1 - share) + int(b[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{each:02x}" for each in mixed)
