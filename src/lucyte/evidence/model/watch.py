"""Exchange one property of each cell for another cell's, and watch the answers move."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.donors import NoDonorError
from lucyte.evidence.model.exchange import (
    BATCH,
    Moved,
    Seen,
    answers,
    class_distance,
    donors_per_cell,
    knows,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Predictor

Rows = npt.NDArray[np.int64]
Make = Callable[[Rows, Rows], npt.NDArray[np.float32]]
"""Takes rows of the cells and of their donors; returns pictures ``rows C Y X`` of the cells."""


def known_cells(subject: Subject, most: int, seed: int) -> CropSet:
    """Cells whose classes the model at hand knows, drawn evenly over units.

    Raises
    ------
    UsageError
        No model, fewer than two classes, or classes that the model does not know.
    """
    if subject.predictor is None:
        raise UsageError("there is no model to ask.")
    cells = subject.cells(most, seed).crops
    if len(cells.classes) < 2:
        raise UsageError(f"a challenge of a model needs cells of two classes, got {cells.classes}.")
    strange = sorted(set(cells.classes) - set(subject.predictor.classes))
    if strange:
        raise UsageError(
            f"the model knows the classes {list(subject.predictor.classes)}, the cells are "
            f"{strange}; give the cells' states under the model's names."
        )
    return cells


def watch(
    predictor: Predictor,
    cells: CropSet,
    exchanges: Mapping[str, Make],
    settings: ChallengeSettings,
) -> tuple[dict[str, Moved] | None, float]:
    """What every exchange does to the answers, and the distance between the classes in logits.

    Donors are cells of another unit, of another class and of the cell's own (the sham); where
    cells are few, each gets several.
    None where the model does not tell these cells apart.

    Raises
    ------
    NoDonorError
        A class in one unit only.
    """
    rng = np.random.default_rng(settings.seed)
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
        donors = _donors(cells, own, wanted, rng)
        for name, make in exchanges.items():
            parts = [
                answers(predictor, cells.take(at), make(at, donors[at]))
                for at in (rows[k : k + BATCH] for k in range(0, len(rows), BATCH))
            ]
            seen.add(name, swapped, np.concatenate(parts))
    return {name: seen.moved(name, gap, cells) for name in exchanges}, gap


def _donors(cells: CropSet, own: Rows, wanted: Rows, rng: np.random.Generator) -> Rows:
    """A row of the wanted class from another unit for each cell."""
    groups = np.asarray(cells.groups, dtype=str)
    chosen = np.empty(len(own), dtype=np.int64)
    for group in np.unique(groups):
        for each in np.unique(wanted[groups == group]):
            at = np.flatnonzero((groups == group) & (wanted == each))
            pool = np.flatnonzero((groups != group) & (own == each))
            if not len(pool):
                raise NoDonorError(
                    "no other unit of a class holds a cell to exchange with; at least 2 units of "
                    "each class are needed"
                )
            chosen[at] = rng.choice(pool, len(at))
    return chosen
