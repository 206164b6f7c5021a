"""Models whose reasons are known: simulated starving cells, and who qualifies to be explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.margins import class_margin
from lucyte.schema.protocols import Predictor
from lucyte.simulate.crops import Crops, crops
from lucyte.simulate.settings import (
    CHANNELS,
    CellSettings,
    LayoutSettings,
    OpticsSettings,
    WorldSettings,
)

Floats = npt.NDArray[np.float64]
Make = Callable[[Crops, int], Predictor]

PX = 40
CAUSE = "starved"
FLIPS, STAYS = 0.75, 0.05
"""Share of right answers that the twin must turn, and that taking the decoys away may turn."""
WIDTH = 12
"""Of the network's first stage."""
PLAIN = 0.2
"""Share of a cell's px that its state must visibly change for its twin to count."""
SHOWN = 16
"""Cells explained per model, at most."""
NEVER_SEEN = 100_000
"""Between the seeds of training and of testing cells."""


def world(decoys: float = 4.0) -> WorldSettings:
    """Bright cells in focus, six hours starved, with decoys as bright as their autophagosomes."""
    return WorldSettings(
        layout=LayoutSettings(wells_per_condition=12, frames=1, start_h=6.0, size_px=PX),
        cell=CellSettings(
            cell_px=26.0,
            decoys=decoys,
            silent=0.0,
            defocused=0.0,
            expression_sd=0.4,
            spot_photons=1500.0,
        ),
        optics=OpticsSettings(psf_px=0.6),
    )


@dataclass(frozen=True)
class Trial:
    """One model with cells it never saw.

    Attributes
    ----------
    seed : int
    model : Predictor
    cells : Crops
        Starved cells only, called so, whose twin is not: their spots are why.
    accuracy, flips, stays : float
        Share of right answers; of these, turned by the twin (of cells that their state changes
        plainly), and by taking the decoys away.
    """

    seed: int
    model: Predictor
    cells: Crops
    accuracy: float
    flips: float
    stays: float

    @property
    def qualifies(self) -> bool:
        """Changing the true spots flips the answer, changing the decoys does not."""
        return self.flips >= FLIPS and self.stays <= STAYS and bool(len(self.cells.crops))


def try_model(make: Make, seed: int, training: int, testing: int) -> Trial:
    """Train on one sample of the world, ask about another one, its twins and its decoys.

    Parameters
    ----------
    make : callable
        ``(crops, seed) -> Predictor``.
    seed : int
    training, testing : int
        Cells.
    """
    model = make(crops(world(), training, PX, seed), seed)
    other = seed + NEVER_SEEN
    cells = crops(world(), testing, PX, other)
    twins = crops(world(), testing, PX, other, twins=True)
    plain = crops(world(decoys=0.0), testing, PX, other)
    at = np.array([model.classes.index(label) for label in cells.labels], dtype=np.int64)
    own, twin, without = (class_margin(model.logits(x.crops), at) for x in (cells, twins, plain))
    right = own > 0
    plainly = cells.cause_masks.sum((1, 2)) >= PLAIN * cells.masks.sum((1, 2))
    flipped, moved = right & plainly & (twin < 0), right & (without < 0)
    because = flipped & (np.array(cells.labels) == CAUSE)
    because &= (cells.decoy_masks & ~cells.cause_masks).any((1, 2))
    return Trial(
        seed,
        model,
        take(cells, np.flatnonzero(because)[:SHOWN]),
        float(right.mean()),
        float(flipped.sum() / max(1, int((right & plainly).sum()))),
        float(moved.sum() / max(1, int(right.sum()))),
    )


def qualified(trial_of: Callable[[int], Trial], count: int, first: int) -> list[Trial]:
    """Trials until so many qualify, at most twice as many; those that do not are among them.

    Parameters
    ----------
    trial_of : callable
        ``(seed) -> Trial``.
    count : int
    first : int
        Seed of the first.
    """
    trials: list[Trial] = []
    while len(trials) < 2 * count and sum(t.qualifies for t in trials) < count:
        trials.append(trial_of(first + len(trials)))
    return trials


def small_network(epochs: int) -> Make:
    """A `Make` of the smallest network of images, early fusion."""

    def make(sample: Crops, seed: int) -> Predictor:
        from lucyte.learn.image_learner import ImageLearner, ImageSettings
        from lucyte.learn.image_training import TrainingSettings

        training = TrainingSettings(epochs=epochs, bf16=False)
        learner = ImageLearner(CHANNELS, ImageSettings(width=WIDTH, training=training))
        return learner.fit(sample.crops, sample.labels, sample.groups, seed)

    return make


def take(cells: Crops, index: npt.NDArray[np.int64]) -> Crops:
    """The cells at these positions."""

    def pick(values: Any) -> Any:
        return tuple(values[int(k)] for k in index) if isinstance(values, tuple) else values[index]

    return Crops(*(pick(values) for values in cells))
