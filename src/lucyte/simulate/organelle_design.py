"""Which organelle carries which difference between the lines, and how far each view can get."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from lucyte.simulate.organelle_settings import (
    LINES,
    ORGANELLES,
    OrganelleSettings,
)
from lucyte.simulate.streams import stream


class Levels(NamedTuple):
    """How a line arranges its organelles; every level from 0 to 1.

    Attributes
    ----------
    mitochondria : float
        0: short, unbranched; 1: long, branched networks. Total length is the same.
    early_endosomes : float
        0: near the nucleus; 1: at the periphery. Number, size and light are the same.
    recycling : float
        0: one compact body beside the nucleus; 1: scattered around it.
    contacts : float
        0: endosomes avoid mitochondria; 1: they touch them, at the same distances from the
        nucleus. A relation: neither channel alone shows it.
    """

    mitochondria: float
    early_endosomes: float
    recycling: float
    contacts: float


_M, _E, _R, _C = (
    (0.0, 0.5, 1.0, 0.0, 0.5, 1.0),
    (0.0, 0.0, 0.0, 1.0, 1.0, 1.0),
    (0.5,) * 6,
    (0.5,) * 6,
)
DESIGNS: dict[str, tuple[Levels, ...]] = {
    "organelles": tuple(map(Levels, _M, _E, _R, _C)),
    "contacts": tuple(map(Levels, _M, (0.5,) * 6, _R, _E)),
    "mixed": tuple(
        map(
            Levels,
            (0.0, 1.0, 0.0, 1.0, 0.0, 1.0),
            (0.0, 0.0, 1.0, 1.0, 0.0, 0.0),
            _R,
            (0.0, 0.0, 0.0, 0.0, 1.0, 1.0),
        )
    ),
    "nothing": (Levels(0.5, 0.5, 0.5, 0.5),) * 6,
}
"""Levels of the six lines.

``organelles``: three forms of mitochondria times two places of endosomes; recycling tells nothing.
``contacts``: three forms of mitochondria times contacts or none. ``mixed``: two forms times
near, far, or near with contacts. ``nothing``: all lines alike.
"""


def planted(settings: OrganelleSettings) -> tuple[str, ...]:
    """Levels that differ between the lines of this world."""
    rows = DESIGNS[settings.carrier] if settings.effect > 0 else DESIGNS["nothing"]
    return tuple(
        name
        for name, values in zip(Levels._fields, zip(*rows, strict=True), strict=True)
        if len(set(values)) > 1
    )


def culture_levels(settings: OrganelleSettings, line: str, culture: int, seed: int) -> Levels:
    """Levels of one culture: its line's, and what is its own.

    Parameters
    ----------
    settings : OrganelleSettings
    line : str
        One of ``LINES``.
    culture : int
        From 1.
    seed : int
    """
    told = planted(settings)
    rng = stream(seed, "organelle levels", line, culture)
    draws = rng.standard_normal(len(Levels._fields))
    out = []
    for name, level, draw in zip(
        Levels._fields, DESIGNS[settings.carrier][LINES.index(line)], draws.tolist(), strict=True
    ):
        centre = 0.5 + settings.effect * (level - 0.5)
        spread = settings.culture_sd if name in told else settings.nuisance_sd
        out.append(min(1.0, max(0.0, centre + spread * draw)))
    return Levels(*out)


def ceiling(carrier: str, channels: Collection[str], *, contacts: bool = True) -> float:
    """Best balanced accuracy that light of these channels can give over the six lines.

    Parameters
    ----------
    carrier : str
        A name in ``DESIGNS``.
    channels : collection of str
    contacts : bool
        False for a view that sees each channel for itself (pooled features of one encoder per
        channel), to which contacts do not exist.

    Returns
    -------
    float
        Lines that look alike are told apart by chance: distinct views over lines.
    """
    seen = [
        name
        for name in Levels._fields
        if (name in channels)
        or (name == "contacts" and contacts and {"mitochondria", "early_endosomes"} <= {*channels})
    ]
    views = {tuple(getattr(row, name) for name in seen) for row in DESIGNS[carrier]}
    return len(views) / len(LINES)


def design_table(settings: OrganelleSettings) -> pd.DataFrame:
    """The planted levels, one row per line: ``state`` and the levels before culture effects."""
    rows = DESIGNS[settings.carrier]
    table = pd.DataFrame(rows, columns=list(Levels._fields))
    table = 0.5 + settings.effect * (table - 0.5)
    table.insert(0, "state", list(LINES))
    return table


def ceiling_table(settings: OrganelleSettings) -> pd.DataFrame:
    """``channels, balanced_accuracy, without_contacts`` for every combination of organelles."""
    carrier = settings.carrier if settings.effect > 0 else "nothing"
    rows = [
        ("+".join(some), ceiling(carrier, some), ceiling(carrier, some, contacts=False))
        for n in range(1, len(ORGANELLES) + 1)
        for some in combinations(ORGANELLES, n)
    ]
    return pd.DataFrame(rows, columns=["channels", "balanced_accuracy", "without_contacts"])
