"""Remedies against batches in features, each measured before and after in units left out.

Whatever a remedy learns, it learns from training units alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.batch import batch_levels, shared_by_units
from lucyte.evidence.model.batch_readout import macro_auroc, model_features, ridge_scores
from lucyte.evidence.model.remedies_frequency import not_measured
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.invariant import isr_cov, isr_mean
from lucyte.learn.invariant_harmony import fit_batch_shifts
from lucyte.learn.invariant_sphering import fit_sphering
from lucyte.learn.splits import best_folds, group_folds
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
DIRECTIONS = 20
"""Principal directions of the features in which batches are corrected."""


@dataclass(frozen=True)
class Training:
    """What a remedy may learn from: features, classes and batches of training units."""

    features: Floats
    labels: Names
    batches: Names
    control: str
    seed: int


Apply = Callable[[Floats, Names], Floats]


def _isr_mean(given: Training) -> Apply:
    fitted = isr_mean(given.features, given.labels, given.batches, given.control)
    return lambda features, _batches: fitted.apply(features)


def _isr_cov(given: Training) -> Apply:
    fitted = isr_cov(given.features, given.labels, given.batches, given.control)
    return lambda features, _batches: fitted.apply(features)


def _sphering(given: Training) -> Apply:
    fitted = fit_sphering(given.features[given.labels == given.control])
    return lambda features, _batches: fitted.apply(features)


def _harmony(given: Training) -> Apply:
    fitted = fit_batch_shifts(given.features, given.batches, seed=given.seed)
    return fitted.apply


@dataclass(frozen=True)
class Remedy:
    """A row of the table of remedies: its name, what it does, how it is learned."""

    name: str
    what: str
    learn: Callable[[Training], Apply]


BATCH_REMEDIES = (
    Remedy("isr_mean", "dropping the directions in which the controls' means differ", _isr_mean),
    Remedy("isr_cov", "dropping the direction in which the controls' spreads differ", _isr_cov),
    Remedy("sphering", "sphering on the controls", _sphering),
    Remedy("harmony", "shifting batches onto each other within soft clusters", _harmony),
)


def batch_remedies(
    subject: Subject, settings: ChallengeSettings, control: str | None = None
) -> list[Finding]:
    """Correct the features for each level and read level and class again.

    Parameters
    ----------
    control : str, optional
        Class whose cells should not differ between batches; by default the first by name.

    Returns
    -------
    list of Finding
        ``remedy.<name>.<level>`` for every remedy that the level allows.

    Raises
    ------
    UsageError
        A control that is no class.
    """
    cells, levels = batch_levels(subject, settings)
    chosen = cells.classes[0] if control is None else control
    if chosen not in cells.classes:
        raise unknown("class of the controls", chosen, cells.classes)
    features, source = model_features(cells, subject.predictor)
    labels, groups = (np.asarray(each, dtype=str) for each in (cells.labels, cells.groups))
    found = []
    for level, each in levels.items():
        values = np.asarray(each, dtype=str)
        if not shared_by_units(cells.groups, each) or _partly_empty(labels, values):
            continue
        for remedy in BATCH_REMEDIES:
            if remedy.name == "isr_cov" and len(np.unique(values)) != 2:
                continue
            told = _measured(remedy, features, (labels, groups, values), chosen, settings)
            found.append(
                _batch_finding(remedy, level, told, (source, chosen), cells.unit, settings)
            )
    return found


@dataclass(frozen=True)
class BeforeAfter:
    """AUROC of the level within a class, and of the class, before and after; per fold."""

    level: tuple[list[float], list[float]]
    label: tuple[list[float], list[float]]
    n: int
    undefined: str = ""

    def mean(self, what: str, after: bool) -> float:
        pair = self.level if what == "level" else self.label
        known = [value for value in pair[int(after)] if math.isfinite(value)]
        return float(np.mean(known)) if known else math.nan


def _measured(
    remedy: Remedy,
    features: Floats,
    design: tuple[Names, Names, Names],
    control: str,
    settings: ChallengeSettings,
) -> BeforeAfter:
    labels, groups, values = design
    both = np.char.add(np.char.add(labels, "\n"), values)
    count, why = best_folds(both, groups, min(settings.folds, 3))
    n = len(np.unique(groups))
    nothing: tuple[list[float], list[float]] = ([], [])
    if count < 2:
        return BeforeAfter(nothing, nothing, n, why)
    fold = group_folds(both, groups, count, settings.seed)
    level: tuple[list[float], list[float]] = ([], [])
    label: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        held = fold == number
        projected = _principal(features[~held], features)
        try:
            learned = remedy.learn(
                Training(projected[~held], labels[~held], values[~held], control, settings.seed)
            )
            corrected = learned(projected, values)
        except UsageError as error:
            return BeforeAfter(nothing, nothing, n, str(error))
        for k, seen in enumerate((projected, corrected)):
            level[k].append(_level_auroc(seen, labels, values, held))
            label[k].append(_told(seen, labels, held))
    return BeforeAfter(level, label, n)


def _principal(train: Floats, features: Floats) -> Floats:
    """All rows along the first principal directions of the training rows."""
    centre = train.mean(axis=0)
    _, _, directions = np.linalg.svd(train - centre, full_matrices=False)
    found: Floats = (features - centre) @ directions[:DIRECTIONS].T
    return found


def _level_auroc(seen: Floats, labels: Names, values: Names, held: npt.NDArray[np.bool_]) -> float:
    told = [
        _told(seen[labels == name], values[labels == name], held[labels == name])
        for name in np.unique(labels)
    ]
    known = [value for value in told if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _told(seen: Floats, truth: Names, held: npt.NDArray[np.bool_]) -> float:
    names = np.unique(truth[~held])
    if len(names) < 2 or not held.any():
        return math.nan
    target = (truth[~held][:, None] == names).astype(np.float64)
    return macro_auroc(ridge_scores(seen[~held], target, seen[held]), truth[held], names)


def _batch_finding(
    remedy: Remedy,
    level: str,
    told: BeforeAfter,
    used: tuple[str, str],
    unit: str,
    settings: ChallengeSettings,
) -> Finding:
    name = f"remedy.{remedy.name}.{level}"
    question = f"Does {remedy.what} take the {level} out and leave the class?"
    if told.undefined:
        return not_measured(name, question, told.undefined, unit)
    limit = 0.5 + settings.margin
    was, now = told.mean("level", False), told.mean("level", True)
    kept, keeps = told.mean("label", False), told.mean("label", True)
    seen = (
        f"Within a class the {level} is read with AUROC {was:.2f} before and {now:.2f} after, the "
        f"class with {kept:.2f} before and {keeps:.2f} after"
    )
    verdict: Verdict = "inconclusive"
    if was < limit:
        rest = "there was little to take out"
    elif keeps < kept - settings.margin:
        verdict, rest = "fail", "the class goes with it"
    elif now < limit:
        verdict, rest = "pass", f"little of the {level} is left"
    elif now > was - settings.margin / 2:
        verdict, rest = "fail", f"the {level} is still there"
    else:
        rest = "less, yet not little"
    return Finding(
        name=name,
        question=question,
        verdict=verdict,
        statistic=now,
        low=None,
        high=None,
        n=told.n,
        unit=unit,
        assumed=(f"cells of class {used[1]} should not differ between {level}s",),
        why=f"{seen}: {rest}.",
        statistic_name="AUROC after",
        details={
            "level_before": told.level[0],
            "level_after": told.level[1],
            "class_before": told.label[0],
            "class_after": told.label[1],
            "features": used[0],
            "control": used[1],
            "margin": settings.margin,
            "reviewer": (
                f"Remedy learned on training {unit}s of each of {len(told.level[0])} folds (20 "
                "principal directions of the features), ridge readout of level within class and "
                f"of class in the {unit}s left out; one-against-rest AUROC."
            ),
        },
    )


def _partly_empty(labels: Names, values: Names) -> bool:
    """Whether no class is in two values: then level and class cannot be told apart."""
    return all(len(np.unique(values[labels == name])) < 2 for name in np.unique(labels))
