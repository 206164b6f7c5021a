"""Batch: what plate, well, day and position tell, and what a model has taken in of them.

For each level of the design: does it tell the class by itself (`batch.confounding`), can it be read
from the model's features within a class (`batch.readout`), and what does leaving whole batches out
cost (`batch.leave_out`)?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lucyte.evidence.model.batch_confounding import Confounding, confounding, one_value_each
from lucyte.evidence.model.batch_leave_out import below, leave_out
from lucyte.evidence.model.batch_readout import (
    Readout,
    model_features,
    read_level,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.splits import even_sample
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import Interval, unit_mean_interval

__all__ = ["batch", "batch_levels", "shared_by_units"]

WEAK_V = 0.3


def batch(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Ask what each level of the design tells.

    Returns
    -------
    list of Finding
        ``batch.confounding.<level>`` for each level (and for the unit itself where it can tell
        the class), ``batch.readout.<level>`` and ``batch.leave_out.<level>`` for levels whose
        values several units share; one ``batch.confounding`` that says so where no level is known.

    Raises
    ------
    UsageError
        One class.
    """
    cells, levels = batch_levels(subject, settings)
    if len(cells.classes) < 2:
        raise UsageError(f"the batch question needs cells of two classes, got {cells.classes}.")
    found = []
    asked = [name for name, values in levels.items() if len(set(values)) > 1]
    for name in asked:
        told = confounding(
            cells.labels, cells.groups, levels[name], settings.permutations, settings.seed
        )
        if math.isfinite(told.gain) or one_value_each(told):
            found.append(_confounding(name, told, cells, settings))
    shared = [name for name in asked if shared_by_units(cells.groups, levels[name])]
    if shared:
        features, source = model_features(cells, subject.predictor)
        quick = features if subject.predictor is None else model_features(cells, None)[0]
        # Two tests of each level: some one of them falls right by chance.
        settings = replace(settings, alpha=settings.alpha / (2 * len(shared)))
    for name in shared:
        design = (cells.labels, cells.groups, levels[name])
        told_by = read_level(features, design, settings.folds, settings.permutations, settings.seed)
        found.append(_readout(name, told_by, source, cells, settings))
        found.append(leave_out(name, quick, design, cells.unit, settings))
    return found or [_nothing(cells, subject.levels)]


def batch_levels(
    subject: Subject, settings: ChallengeSettings
) -> tuple[CropSet, dict[str, tuple[str, ...]]]:
    """Cells, evenly over units, and the values of every level, the unit's own included."""
    at = np.flatnonzero([kind == "cell" for kind in subject.crops.kind])
    groups = [subject.crops.groups[k] for k in at]
    at = at[even_sample(groups, settings.most_crops, settings.seed)]
    cells = subject.crops.take(at)
    levels = {name: tuple(values[k] for k in at) for name, values in subject.levels.items()}
    if not any(_partition(values) == _partition(cells.groups) for values in levels.values()):
        levels.setdefault(cells.unit, cells.groups)
    return cells, levels


def _partition(values: Sequence[str]) -> tuple[int, ...]:
    first: dict[str, int] = {}
    return tuple(first.setdefault(value, len(first)) for value in values)


def shared_by_units(groups: Sequence[str], values: Sequence[str]) -> bool:
    """Whether two values at least are each held by two units or more."""
    pairs = set(zip(values, groups, strict=True))
    held: dict[str, int] = {}
    for value, _ in pairs:
        held[value] = held.get(value, 0) + 1
    return sum(count > 1 for count in held.values()) > 1


def _confounding(
    name: str, told: Confounding, cells: CropSet, settings: ChallengeSettings
) -> Finding:
    limit = 2 * settings.margin
    alone = one_value_each(told)
    every = set(alone) == set(cells.classes)
    verdict: Verdict = "inconclusive"
    gain = max(told.gain, 0.0)  # others of the value may speak against: balance, not knowledge
    seen = (
        f"Knowing the {name} alone names the class better than chance by {gain:.0%} of what "
        f"is possible ({told.pure:.0%} of {len(told.values)} values hold a single class; Cramer's "
        f"V {told.cramers_v:.2f})"
    )
    if every or (told.pure == 1 and told.gain >= 1 - 1e-9):
        verdict = "fail"
        why = (
            f"Every {name} holds one class only, so {name} and class cannot be told apart: "
            f"whatever differs between {name}s may be what a model tells the classes by."
        )
    elif alone:
        verdict = "fail"
        why = (
            f"Class {', '.join(alone)} is in one {name} only, which no other class shares: it "
            f"cannot be told apart from that {name}."
        )
    elif told.gain >= settings.fails_at or (told.gain >= limit and told.p <= settings.alpha):
        verdict = "fail"
        why = f"{seen}: a model can gain by recognising the {name}."
    elif told.gain < limit and not told.cramers_v > WEAK_V:
        verdict = "pass"
        why = f"{seen}: there is little to gain from it."
    else:
        why = f"{seen}: too few {cells.unit}s to call the design balanced."
    return Finding(
        name=f"batch.confounding.{name}",
        question=f"Is the class independent of the {name}?",
        verdict=verdict,
        statistic=1.0 if math.isnan(told.gain) else told.gain,
        low=None,
        high=None,
        n=len(set(cells.groups)),
        unit=cells.unit,
        assumed=(f"the {name}s were recorded rightly",),
        why=why,
        statistic_name="gain of balanced accuracy",
        group="data",
        details={
            "cramers_v": told.cramers_v,
            "share_of_values_with_one_class": told.pure,
            "commonest_class_accuracy": told.commonest,
            "commonest_class_accuracy_null": told.commonest_null,
            "p": told.p,
            "rows": told.rows,
            "counted": told.counted,
            "values": told.values if len(told.values) <= 400 else {},
            "margin": limit,
            "reviewer": (
                f"Class by {name} over {told.rows} rows (per {told.counted}); leave-one-row-out "
                f"balanced accuracy of the value's prevalent class, rescaled to 0 at chance; "
                f"permutation p {told.p:.3f}. Rows of one {cells.unit} are not independent; p is "
                "a guide where rows are cells."
            ),
        },
    )


def _readout(
    name: str, told: Readout, source: str, cells: CropSet, settings: ChallengeSettings
) -> Finding:
    limit = 0.5 + settings.margin
    units = told.units or {}
    values = list(units.values())
    interval = (
        unit_mean_interval(values, list(units)) if values else Interval(math.nan, None, None, 0, "")
    )
    verdict: Verdict = "inconclusive"
    seen = (
        f"Among cells of one class, {source} tell the {name} of {cells.unit}s left out with AUROC "
        f"{told.auroc:.2f} (p = {told.p:.3f})"
    )
    blind = told.smallest_p > settings.alpha
    every = bool(values) and min(values) > 0.5 and told.auroc >= 0.5 + 2 * settings.margin
    if told.undefined:
        why = f"The {name} could not be read within a class: {told.undefined}."
    elif told.auroc >= limit and (told.p <= settings.alpha or (blind and every)):
        verdict = "fail"
        why = f"{seen}: the {name} is in what a model sees of the cells."
    elif below(interval, values, limit):
        verdict = "pass"
        why = f"{seen}: little of the {name} is there."
    else:
        why = f"{seen}: neither clearly there nor clearly absent."
    return Finding(
        name=f"batch.readout.{name}",
        question=f"Are the cells of one class alike, whatever their {name}?",
        verdict=verdict,
        statistic=told.auroc,
        low=interval.low,
        high=interval.high,
        n=len(units),
        unit=cells.unit,
        assumed=(
            f"{cells.unit}s were dealt to {name}s without regard to their cells",
            f"{cells.unit}s are independent",
        ),
        why=why,
        statistic_name="AUROC",
        details={
            "per_unit": units,
            "null": [] if told.null is None else told.null.tolist(),
            "p": told.p,
            "smallest_p": told.smallest_p,
            "features": source,
            "margin": settings.margin,
            "reviewer": (
                f"Ridge readout of {name} from {source}, fitted within each class, whole "
                f"{cells.unit}s left out; one-against-rest AUROC within folds; null: {name} "
                f"exchanged between {cells.unit}s of a class (or within a {cells.unit} that holds "
                "several)."
            ),
        },
    )


def _nothing(cells: CropSet, levels: Mapping[str, Any]) -> Finding:
    told = (
        f"each {' and '.join(levels)} is in one {cells.unit} only, or there is only one"
        if levels
        else "no plate, well, day or position is known; give them as columns beside the image"
    )
    return Finding(
        name="batch.confounding",
        question="Is the class independent of plate, well, day and position?",
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=len(set(cells.groups)),
        unit=cells.unit,
        assumed=(),
        why=f"Batches could not be asked about: {told}.",
        group="data",
        details={"reviewer": "No level of the design is shared by units."},
    )
