"""The two background questions, kept apart.

*The data permit a shortcut* (`data_permit`): a model fitted again on what is not cell tells the
classes. *This model relies on it* (`model_relies`): its answers change when the background is
exchanged. The first says nothing about a given model, the second nothing about the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model import inputs
from lucyte.evidence.model.exchange import Exchange
from lucyte.evidence.model.places import distance_curve, enough_places
from lucyte.evidence.model.reliance import BACKGROUND, model_relies, not_exchanged
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.sample_crops import nothing_outside
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.telling import Row, Teller
from lucyte.evidence.model.watch import known_cells
from lucyte.learn.crops import CropLearner
from lucyte.schema.crops import CropSet, join
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import Learner
from lucyte.stats.roc import auroc_interval

__all__ = ["Retraining", "background_permit", "background_relies", "data_permit", "model_relies"]


ASKS_OUTSIDE = (
    "background.data_permit.erased",
    "background.data_permit.image_statistics",
    "background.remains",
)
BATCH = 64
"""Crops of which one input is made at once; bounds the memory."""


@dataclass(frozen=True)
class Retraining:
    """How the models of this question are fitted and judged.

    Attributes
    ----------
    margin : float
        AUROC above 0.5 that a shortcut may gain.
    folds : int
        At most so many fits per input; fewer where units are few.
    halo_px : int
        Width around each object that counts as neither cell nor background.
    seed : int
    """

    margin: float = 0.1
    folds: int = 6
    halo_px: int = 3
    seed: int = 0


def data_permit(
    crops: CropSet,
    learner: Learner,
    how: Retraining | None = None,
    places: CropSet | None = None,
) -> tuple[Finding, ...]:
    """Ask whether anything but the cells tells the classes, by fitting on it.

    Whole units are left out; what is compared was seen by no model.

    Parameters
    ----------
    crops : CropSet
        Cells and cell-free places.
    learner : Learner
        Fitted once per input and fold; the same for every input, so that answers compare.
    how : Retraining
    places : CropSet or None
        Cell-free places cut at another size than the cells, where fields are too crowded for
        places as wide as a cell's crop. None: those in ``crops``.

    Returns
    -------
    tuple of Finding
        ``background.data_permit`` (cell-free places, with the curve over distance and the table
        of every input in its details), then ``.erased``, ``.silhouettes``,
        ``.image_statistics`` and ``background.remains`` (what the cells tell once surroundings,
        level, size and crowding are taken away).

    Raises
    ------
    UsageError
        No cells, or a single class.
    """
    settings = how or Retraining()
    cells = crops.of_kind("cell")
    if not len(cells):
        raise UsageError("the background question needs crops of cells; there are none.")
    if len(cells.classes) < 2:
        raise UsageError(f"the background question needs two classes, got {cells.classes}.")
    ask = _Asker(learner, settings)
    plain = ask("plain crop", "the crop as it is", cells, lambda c: c.crops)
    with_level = inputs.with_free_level(cells, settings.halo_px)
    constant = inputs.constant_level(cells, settings.halo_px)
    rows = [
        plain,
        ask("masked", "the cell alone", cells, lambda c: inputs.masked(c, constant)),
        ask("subtracted", "less its own background level", with_level, ask.subtract),
    ]
    matched = with_level.take(inputs.matched_rows(with_level, settings.seed))
    remains = ask(
        "what remains", "the cell alone, less background, sizes matched", matched, ask.alone
    )
    erased = ask("cells erased", "cells overwritten by background", with_level, ask.eraser())
    shapes = ask("silhouettes", "outlines without light", cells, inputs.silhouettes)
    tints, singly = ask.statistics(crops)
    empty, why_few = enough_places(crops if places is None else places, cells.classes)
    patches = (
        ask("cell-free places", "no cell in view", empty, lambda c: c.crops)
        if not why_few
        else Row("cell-free places", "no cell in view", HeldOut(undefined=why_few), len(empty))
    )
    table = [row.to_json() for row in [*rows, remains, erased, shapes, patches, tints]]
    details = {"inputs": table, "distance_curve": distance_curve(patches.told, empty)}
    names = " from ".join(cells.classes) if len(cells.classes) == 2 else "one class from another"
    tell = Teller(names, plain.told, settings.margin, crops.unit)
    return (
        tell.shortcut("background.data_permit", patches, "Places without any cell", details),
        tell.shortcut("background.data_permit.erased", erased, "Crops with every cell erased"),
        tell.shortcut("background.data_permit.silhouettes", shapes, "Outlines without any light"),
        tell.shortcut(
            "background.data_permit.image_statistics",
            tints,
            "Level and tint of each field's background",
            {"statistics": singly},
        ),
        tell.remains(remains),
    )


def background_permit(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """`data_permit` of a Subject, with the quick learner.

    Where the crops show nothing outside their objects the question is void, and the Findings say
    so and what to do.
    """
    some, _ = subject.cells(settings.most_crops, settings.seed).testable()
    cells = some.crops
    crops = cells
    inside = subject.crops.of_kind("background")
    if len(inside):
        crops = join([cells, inside])
    how = Retraining(settings.margin, settings.folds, settings.halo_px, settings.seed)
    found = data_permit(crops, CropLearner(cells.channels), how, subject.places)
    void = nothing_outside(cells, settings.halo_px)
    return [_void(each, void) if void and each.name in ASKS_OUTSIDE else each for each in found]


def background_relies(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """`model_relies` of a Subject's model."""
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    void = nothing_outside(cells, settings.halo_px)
    if void:
        return [not_exchanged(BACKGROUND, void, cells.unit)]
    crops = cells
    for places in (subject.crops.of_kind("background"), subject.places):
        if places is not None and len(places) and places.crop_px == cells.crop_px:
            crops = join([crops, places])
    share = Exchange(
        settings.reliance, settings.fails_at, len(cells), settings.halo_px, settings.seed
    )
    return [model_relies(subject.predictor, crops, share)]


def _void(found: Finding, why: str) -> Finding:
    return replace(
        found,
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        why=f"The background question is void here: {why}.",
    )


class _Asker:
    """Fits the one learner on one input after the other."""

    def __init__(self, learner: Learner, settings: Retraining) -> None:
        self.learner = learner
        self.settings = settings

    def __call__(
        self, name: str, what: str, crops: CropSet, make: Callable[[CropSet], npt.NDArray[Any]]
    ) -> Row:
        if len(crops.classes) < 2:
            return Row(name, what, HeldOut(undefined=_nothing_left(crops)), len(crops))
        starts = range(0, len(crops), BATCH)
        parts = (make(crops.take(np.arange(at, min(at + BATCH, len(crops))))) for at in starts)
        try:
            answer = with_learner(
                self.learner, parts, crops.labels, crops.groups, self.settings.seed
            )
            told = held_out(
                answer, crops.labels, crops.groups, self.settings.folds, self.settings.seed
            )
        except UsageError:
            why = "the crops are all alike there, so nothing could be learned from them"
            return Row(name, what, HeldOut(undefined=why), len(crops))
        return Row(name, what, told, len(crops))

    def subtract(self, crops: CropSet) -> npt.NDArray[Any]:
        return inputs.subtracted(crops, self.settings.halo_px)

    def alone(self, crops: CropSet) -> npt.NDArray[Any]:
        return np.where(crops.masks[:, None], self.subtract(crops), np.float32(0))

    def eraser(self) -> Callable[[CropSet], npt.NDArray[Any]]:
        rng = np.random.default_rng(self.settings.seed)
        return lambda crops: inputs.erased(crops, self.settings.halo_px, rng)

    def statistics(self, crops: CropSet) -> tuple[Row, list[dict[str, Any]]]:
        """The answer from the fields' light, and how well each statistic ranks the fields."""
        found = inputs.field_statistics(crops, self.settings.halo_px)
        what = "level, spread and tint of the background, per field"
        if len(set(found.labels)) < 2:
            few = HeldOut(undefined="too few cell-free pixels in the fields of a class")
            return Row("image statistics", what, few, len(found.labels)), []
        answer = with_table(found.light, found.labels, self.settings.seed)
        told = held_out(answer, found.labels, found.groups, self.settings.folds, self.settings.seed)
        return Row("image statistics", what, told, len(found.labels)), _singly(found)


def _nothing_left(crops: CropSet) -> str:
    return f"only {len(crops)} crops of {len(crops.classes)} class are left"


def _singly(found: inputs.FieldStatistics) -> list[dict[str, Any]]:
    """AUROC of each statistic of a field by itself, whichever way round; no model is fitted."""
    classes = sorted(set(found.labels))
    if len(classes) != 2:
        return []
    positive = np.asarray(found.labels) == classes[1]
    values = np.hstack([found.light, found.outlines])
    out = []
    for name, column in zip([*found.light_columns, *found.outline_columns], values.T, strict=True):
        at = np.isfinite(column)
        told = auroc_interval(column[at], positive[at], np.asarray(found.groups)[at]).estimate
        out.append({"statistic": name, "auroc": max(told, 1 - told), "fields": int(at.sum())})
    return out
