"""Whether a model's answers follow a narrow band: its amplitude is taken from the other class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.exchange import donors_per_cell, knows
from lucyte.evidence.model.frequency_maps import Asked
from lucyte.stats.intervals import Interval, unit_mean_interval, unit_means
from lucyte.stats.spectrum import Mask, exchange_amplitude

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Followed:
    """How far answers moved, as a share of the distance between the classes.

    Attributes
    ----------
    reliance : Interval
        Move with a donor of the other class less move with a donor of the own class.
    units, sham : mapping of unit to float
    flipped, flipped_sham : float
        Share of answers that turned.
    gap : float
        Distance between the classes, logits.
    """

    reliance: Interval
    units: dict[str, float]
    sham: dict[str, float]
    flipped: float
    flipped_sham: float
    gap: float


def exchange_band(asked: Asked, mask: Mask, seed: int) -> Followed | None:
    """Give each cell the amplitude of another cell at these frequencies; its phase stays.

    Donors come from other units: of another class, and as a sham of the same class. Where cells are
    few, each gets several.

    Parameters
    ----------
    asked : Asked
    mask : bool array C Y X
        Symmetric.
    seed : int

    Returns
    -------
    Followed or None
        None where some class has a single unit, so that no donor of its own class is left.
    """
    rng = np.random.default_rng(seed)
    light, own = asked.light, asked.own
    groups = np.asarray(asked.cells.groups, dtype=str)
    kinds = np.unique(own)
    other = np.array([rng.choice(kinds[kinds != mine]) for mine in own], dtype=np.int64)
    pairs = [
        [_donors(own, groups, wanted, rng) for _ in range(donors_per_cell(len(own)))]
        for wanted in (other, own)
    ]
    if any(chosen is None for each in pairs for chosen in each):
        return None
    rows = np.arange(len(own))
    before = asked.logits(light)
    lean = before[rows, own] - before[rows, other]
    gap = float(sum(unit_means(lean[own == k], groups[own == k])[1].mean() for k in kinds))
    gap *= 2 / len(kinds)
    classes = list(asked.predictor.classes)
    if gap <= 1e-6 or not knows(before, classes, asked.cells):
        return Followed(Interval(np.nan, None, None, 0, ""), {}, {}, 0.0, 0.0, gap)
    moves, turned = [], []
    for each in pairs:
        told = [asked.logits(exchange_amplitude(light, light[chosen], mask)) for chosen in each]
        moves.append(lean - np.mean([a[rows, own] - a[rows, other] for a in told], axis=0))
        turned.append(np.mean([a.argmax(axis=1) != before.argmax(axis=1) for a in told]))
    names, values = unit_means((moves[0] - moves[1]) / gap, groups)
    _, sham = unit_means(moves[1] / gap, groups)
    return Followed(
        unit_mean_interval((moves[0] - moves[1]) / gap, groups),
        dict(zip(names, values.tolist(), strict=True)),
        dict(zip(names, sham.tolist(), strict=True)),
        float(turned[0]),
        float(turned[1]),
        gap,
    )


def _donors(
    own: Rows, groups: npt.NDArray[np.str_], wanted: Rows, rng: np.random.Generator
) -> Rows | None:
    """A cell of the wanted class from another unit for each cell."""
    chosen = np.empty(len(own), dtype=np.int64)
    for label, unit in sorted({(int(w), str(g)) for w, g in zip(wanted, groups, strict=True)}):
        at = np.flatnonzero((wanted == label) & (groups == unit))
        possible = np.flatnonzero((own == label) & (groups != unit))
        if not len(possible):
            return None
        chosen[at] = rng.choice(possible, len(at))
    return chosen
