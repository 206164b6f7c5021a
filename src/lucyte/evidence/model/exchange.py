"""Exchanging the background of a cell, and how far a model's answer moves with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.donors import Donors, NoDonorError
from lucyte.evidence.model.guard import chance_of_gap
from lucyte.evidence.model.inputs import FEWEST_FREE, free_level, grown
from lucyte.evidence.model.retrain import apart_of, compare
from lucyte.schema.crops import CropSet
from lucyte.schema.protocols import MASK_CHANNEL, Predictor
from lucyte.stats.intervals import Interval, unit_mean_interval

Floats = npt.NDArray[np.float64]
Light = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
BATCH = 128
"""Cells whose exchanged pictures are held at once; bounds the memory."""
DONORS, ENOUGH = 4, 400
"""Donors per cell at most, and exchanges of a kind that are enough: few cells get several each."""
TELLS = 0.6
"""AUROC on these cells below which a model has nothing to rely on."""
BY_CHANCE = 0.05
"""Chance of such a gap between units above which it may have nothing to rely on."""

EXCHANGES = {
    "medium": "the pixels outside the cell and the level of light that adds through it",
    "level": "the level of light alone, inside and outside",
    "surroundings": "the pixels outside the cell alone",
}


@dataclass(frozen=True)
class Exchange:
    """How the background is exchanged and judged.

    Attributes
    ----------
    margin : float
        Share of the distance between the classes' logits that an exchange may move an answer.
    fails_at : float
        Share from which the background decides about as much as the cells do.
    per_unit : int
        Cells asked about in each unit.
    halo_px : int
        Width around the cell that stays with it.
    seed : int
    """

    margin: float = 0.2
    fails_at: float = 0.5
    per_unit: int = 60
    halo_px: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Moved:
    """What one exchange did, per unit."""

    reliance: Interval
    units: Mapping[str, float]
    sham: Mapping[str, float]
    flipped: float
    flipped_sham: float


def move(
    predictor: Predictor, cells: CropSet, donors: Donors, settings: Exchange
) -> tuple[dict[str, Moved] | None, float]:
    """What every exchange does to the answers, and the distance between the classes in logits.

    None where the model does not tell the classes apart.

    Raises
    ------
    NoDonorError
        Too little background to exchange with.
    """
    rng = np.random.default_rng(settings.seed)
    own_levels = free_level(cells, settings.halo_px)
    known = np.isfinite(own_levels).all(axis=1)
    if not known.any() or len(cells.take(known).classes) < 2:
        raise NoDonorError(f"fewer than {FEWEST_FREE} cell-free pixels around the cells of a class")
    cells, own_levels = cells.take(known), own_levels[known]
    classes = list(predictor.classes)
    own = np.array([classes.index(name) for name in cells.labels])
    others = [[k for k in np.unique(own).tolist() if k != mine] for mine in own]
    other = np.array([rng.choice(each) for each in others])
    before = answers(predictor, cells, cells.crops)
    gap = class_distance(before, own, other, cells)
    if not gap > 1e-6 or not knows(before, classes, cells):
        return None, gap
    seen = Seen(before, own, other)
    rows = np.arange(len(cells))
    for swapped, wanted in ((True, other), (False, own)) * donors_per_cell(len(cells)):
        chosen = [
            donors.choose(classes[k], g, rng) for k, g in zip(wanted, cells.groups, strict=True)
        ]
        lift = (donors.levels[chosen] - own_levels)[:, :, None, None]
        told: dict[str, list[Floats]] = {name: [] for name in EXCHANGES}
        for start in range(0, len(cells), BATCH):
            at = rows[start : start + BATCH]
            some, beside = cells.take(at), np.stack([donors.surface(chosen[k], rng) for k in at])
            stay = grown(some.masks, settings.halo_px)[:, None]
            for name in EXCHANGES:
                picture = _exchanged(name, some.crops.astype(np.float32), lift[at], (stay, beside))
                told[name].append(answers(predictor, some, picture))
        for name, parts in told.items():
            seen.add(name, swapped, np.concatenate(parts))
    return {name: seen.moved(name, gap, cells) for name in EXCHANGES}, gap


def donors_per_cell(cells: int) -> int:
    """How many donors each of so many cells is given; by one alone chance would speak, too."""
    return max(1, min(DONORS, ENOUGH // max(cells, 1)))


class Seen:
    """Answers after exchanges, averaged over the donors of each cell.

    Parameters
    ----------
    before : float array N x classes
        Logits of the pictures as they are.
    own, other : int array N
        Column of each cell's class, and of the one it is moved to.
    """

    def __init__(self, before: Floats, own: Rows, other: Rows) -> None:
        self.before, self.own, self.other = before, own, other
        self._moves: dict[tuple[str, bool], list[Floats]] = defaultdict(list)
        self._flips: dict[tuple[str, bool], list[Floats]] = defaultdict(list)

    def add(self, name: str, swapped: bool, after: Floats) -> None:
        """Logits after one exchange; ``swapped``: the donor was of the other class."""
        rows = np.arange(len(self.own))
        shift = after - self.before
        self._moves[name, swapped].append(shift[rows, self.other] - shift[rows, self.own])
        turned = after.argmax(axis=1) != self.before.argmax(axis=1)
        self._flips[name, swapped].append(turned.astype(np.float64))

    def moved(self, name: str, gap: float, cells: CropSet) -> Moved:
        """What this exchange did, as a share of the distance between the classes."""
        moves = [np.mean(self._moves[name, swapped], axis=0) / gap for swapped in (True, False)]
        flips = [np.mean(self._flips[name, swapped], axis=0) for swapped in (True, False)]
        return per_unit(moves[0], moves[1], (flips[0], flips[1]), cells)


def _exchanged(
    name: str, raw: Light, lift: Light, around: tuple[npt.NDArray[np.bool_], Light]
) -> Light:
    """Crops ``N C Y X`` with this part of their background exchanged."""
    stay, beside = around
    if name == "level":
        return raw + lift
    return np.where(stay, raw + lift if name == "medium" else raw, beside)


def per_unit(swapped: Floats, sham: Floats, flips: tuple[Floats, Floats], cells: CropSet) -> Moved:
    """How far answers moved beyond the sham, unit by unit, both as shares of the distance."""
    groups = np.asarray(cells.groups, dtype=str)

    def by_unit(values: Floats) -> dict[str, float]:
        return {str(u): float(values[groups == u].mean()) for u in np.unique(groups)}

    flipped = [unit_mean_interval(each, cells.groups).estimate for each in flips]
    return Moved(
        unit_mean_interval(swapped - sham, cells.groups),
        by_unit(swapped - sham),
        by_unit(sham),
        *flipped,
    )


def answers(predictor: Predictor, cells: CropSet, pictures: npt.NDArray[Any]) -> Floats:
    """Logits of these pictures ``N C Y X`` shown in place of the cells' own, batch by batch."""
    starts = range(0, len(cells), BATCH)
    parts = [np.arange(at, min(at + BATCH, len(cells))) for at in starts]
    told = [predictor.logits(_planes(predictor, cells.take(at), pictures[at])) for at in parts]
    return np.concatenate(told).astype(np.float64)


def _planes(predictor: Predictor, cells: CropSet, pictures: npt.NDArray[Any]) -> npt.NDArray[Any]:
    planes = []
    for name in predictor.channels:
        if name == MASK_CHANNEL:
            planes.append(cells.masks.astype(pictures.dtype))
        elif name in cells.channels:
            planes.append(pictures[:, cells.channels.index(name)])
        else:
            cells.for_channels([name])
    return np.stack(planes, axis=1)


def class_distance(before: Floats, own: Rows, other: Rows, cells: CropSet) -> float:
    """Distance between the classes: how far units of a class lean to it, both sides added."""
    rows = np.arange(len(own))
    lean = before[rows, own] - before[rows, other]
    truth = np.asarray(cells.labels, dtype=str)
    groups = np.asarray(cells.groups, dtype=str)
    sides = []
    for name in cells.classes:
        at = truth == name
        sides.append(unit_mean_interval(lean[at], groups[at]).estimate)
    return 2 * float(np.mean(sides))


def tells(logits: Floats, classes: list[str], cells: CropSet) -> float:
    """AUROC between units of the answers at hand, mean over pairs of the classes that occur."""
    present = [classes.index(name) for name in cells.classes]
    one_model = np.zeros(len(cells), dtype=np.int64)
    return compare(logits[:, present], one_model, cells.labels, cells.groups).auroc


def knows(logits: Floats, classes: list[str], cells: CropSet) -> bool:
    """Whether these answers tell units of different class apart, and better than chance may.

    Of a model that was right by chance on these units, exchanges would move the answers by chance,
    too.
    """
    if not tells(logits, classes, cells) >= TELLS:
        return False
    pairs = combinations([classes.index(name) for name in cells.classes], 2)
    lean = np.column_stack([logits[:, b] - logits[:, a] for a, b in pairs])
    truth, names = np.asarray(cells.labels, dtype=str), np.asarray(cells.groups, dtype=str)
    apart = apart_of(lean, truth, names)
    return not chance_of_gap(apart, cells.labels, cells.groups) > BY_CHANCE


def sample(cells: CropSet, settings: Exchange) -> CropSet:
    """At most ``per_unit`` cells of each unit, drawn at random."""
    rng = np.random.default_rng(settings.seed)
    groups = np.asarray(cells.groups, dtype=str)
    kept = [
        rng.permutation(np.flatnonzero(groups == unit))[: settings.per_unit]
        for unit in np.unique(groups)
    ]
    return cells.take(np.sort(np.concatenate(kept))) if kept else cells
