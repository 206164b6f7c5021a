"""Models made again: do they agree cell by cell, and know nothing where labels say nothing?"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.image_numbers import ranked
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.crops import light_statistics
from lucyte.learn.splits import best_folds, group_folds
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Learner
from lucyte.stats.agreement import kappa
from lucyte.stats.intervals import FEWEST, FEWEST_TO_REASSURE, unit_mean_interval

Floats = npt.NDArray[np.float64]
Labels = tuple[str, ...]
HELD_OUT_SHARE = 3
"""One part in so many of each class's units is asked about, the others are learned from."""
QUICK_SHUFFLES = 59


def seeds(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Make the model again from other seeds and compare its answers on units it never saw.

    Returns
    -------
    list of Finding
        ``seeds``: share of cells that change class between two fits (mean over pairs of fits),
        with Cohen's kappa in the details.
    """
    learner = _learner(subject)
    cells, test = _one_split(subject, settings)
    train = np.flatnonzero(~test)
    rows = np.flatnonzero(test)
    asked = cells.take(rows)
    told: list[npt.NDArray[np.str_]] = []
    accuracies = []
    truth = np.asarray(asked.labels, dtype=str)
    for k in range(settings.refits):
        answer = with_learner(learner, [cells.crops], cells.labels, cells.groups, settings.seed + k)
        classes = np.asarray(sorted(set(cells.labels)))
        told.append(classes[answer(train, rows).argmax(axis=1)])
        hits = told[-1] == truth
        accuracies.append(float(np.mean([hits[truth == c].mean() for c in np.unique(truth)])))
    pairs = list(combinations(range(settings.refits), 2))
    differs = np.mean([told[a] != told[b] for a, b in pairs], axis=0)
    kappas = [kappa(told[a].tolist(), told[b].tolist()) for a, b in pairs]
    return [_seeds_finding(differs, kappas, accuracies, asked, settings)]


def null(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Give whole units other units' labels, make models from them, and ask about held-out units.

    Where labels say nothing the models must know nothing; if they do, the split leaks or units
    are not independent. A ridge model of crop statistics is fitted on 59 such shuffles, a learner
    of the Subject's own on ``refits`` of them.

    Returns
    -------
    list of Finding
        ``null.quick``, and ``null`` where the Subject has a learner: mean AUROC over shuffles.
    """
    some, _ = subject.cells(settings.most_asked, settings.seed).testable()
    crops, learner = some.crops, subject.learner
    table = ranked(light_statistics(crops.crops, crops.channels).to_numpy(dtype=np.float64))

    def quick(labels: Labels, seed: int) -> HeldOut:
        return held_out(with_table(table, labels, seed), labels, crops.groups, 3, seed)

    real = quick(crops.labels, settings.seed)
    if real.undefined:
        return [_not_shuffled("null.quick", crops.unit, real.undefined)]
    values = _shuffled(quick, crops, QUICK_SHUFFLES, settings.seed)
    found = [_null_finding("null.quick", values, real.auroc, crops, settings)]
    if learner is None:
        return found

    def given(labels: Labels, seed: int) -> HeldOut:
        answer = with_learner(learner, [crops.crops], labels, crops.groups, seed)
        return held_out(answer, labels, crops.groups, 2, seed)

    values = _shuffled(given, crops, settings.refits, settings.seed)
    return [*found, _null_finding("null", values, math.nan, crops, settings)]


def shuffled_labels(labels: Labels, groups: Labels, rng: np.random.Generator) -> Labels:
    """Labels drawn anew for each unit from the labels of a unit drawn in its place.

    Units that hold one class are simply exchanged; a unit of several classes hands on their
    shares, dealt to its successor's cells at random.
    """
    truth, names = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    units = np.unique(names)
    out = truth.copy()
    for unit, giver in zip(units, rng.permutation(units), strict=True):
        at = np.flatnonzero(names == unit)
        given = truth[names == giver]
        turns = -(-len(at) // len(given))
        out[at] = rng.permutation(np.tile(rng.permutation(given), turns)[: len(at)])
    return tuple(out.tolist())


def _shuffled(
    refit: Callable[[Labels, int], HeldOut], crops: CropSet, count: int, seed: int
) -> list[float]:
    """AUROC of models made from shuffled labels; shuffles that lose a class are drawn again."""
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for k in range(4 * count):
        if len(values) == count:
            break
        told = refit(shuffled_labels(crops.labels, crops.groups, rng), seed + k)
        if math.isfinite(told.auroc):
            values.append(told.auroc)
    return values


def _null_finding(
    name: str, values: list[float], real: float, crops: CropSet, settings: ChallengeSettings
) -> Finding:
    unit, n = crops.unit, len(set(crops.groups))
    if not values:
        return _not_shuffled(name, unit, "no shuffle leaves two units of each class")
    low, high = _over_shuffles(values)
    mean, limit = float(np.mean(values)), 0.5 + settings.margin
    verdict: Verdict = "inconclusive"
    if low is None or high is None:
        spread = f"{len(values)} shuffles: {', '.join(f'{v:.2f}' for v in values)}"
        if min(values) >= limit + settings.margin:
            verdict = "fail"
        elif mean < limit and max(values) < limit + settings.margin:
            verdict = "pass"
    else:
        spread = f"{low:.2f} to {high:.2f} over {len(values)} shuffles"
        if mean >= limit and low > 0.5:
            verdict = "fail"
        elif high < limit:
            verdict = "pass"
    rest = {
        "fail": "labels that say nothing are told on units held out, so the split leaks or "
        f"{unit}s are not independent",
        "pass": "where labels say nothing, nothing is told",
        "inconclusive": f"{n} {unit}s are too few to be sure that nothing is told",
    }[verdict]
    true = "" if math.isnan(real) else f" (true labels: {real:.2f})"
    return Finding(
        name=name,
        question="Does a model made from shuffled labels know nothing?",
        verdict=verdict,
        statistic=mean,
        low=low if n >= FEWEST else None,
        high=high if n >= FEWEST else None,
        n=n,
        unit=unit,
        assumed=(f"{unit}s can be exchanged where labels say nothing",),
        why=f"With labels exchanged between whole {unit}s, models reach AUROC {mean:.2f} ({spread})"
        f"{true}: {rest}.",
        statistic_name="AUROC",
        details={
            "shuffles": values,
            "true_labels": real,
            "margin": settings.margin,
            "reviewer": (
                f"Labels permuted between {unit}s (label compositions where a {unit} holds several "
                f"classes), model refitted and judged on held-out {unit}s, {len(values)} shuffles "
                f"of {len(crops)} crops; t interval over shuffles, given these {unit}s."
            ),
        },
    )


def _over_shuffles(values: list[float]) -> tuple[float | None, float | None]:
    told = unit_mean_interval(values, [f"{k:03d}" for k in range(len(values))])
    return told.low, told.high


def _not_shuffled(name: str, unit: str, why: str) -> Finding:
    return Finding(
        name=name,
        question="Does a model made from shuffled labels know nothing?",
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        unit=unit,
        assumed=(),
        why=f"Labels could not be shuffled: {why}.",
        statistic_name="AUROC",
        details={"reviewer": "No model was refitted."},
    )


def _seeds_finding(
    differs: Floats,
    kappas: list[float],
    accuracies: list[float],
    asked: CropSet,
    settings: ChallengeSettings,
) -> Finding:
    unit = asked.unit
    interval = unit_mean_interval(differs, asked.groups)
    groups = np.asarray(asked.groups, dtype=str)
    own = {str(u): float(differs[groups == u].mean()) for u in np.unique(groups)}
    verdict: Verdict = "inconclusive"
    limit = settings.margin
    if interval.estimate >= 2 * limit and np.mean([v > limit for v in own.values()]) >= 0.75:
        verdict = "fail"
    elif interval.high is not None:
        verdict = "pass" if interval.high < limit else "inconclusive"
    elif len(own) >= FEWEST_TO_REASSURE and max(own.values()) < limit:
        verdict = "pass"
    rest = {
        "fail": "what it says of a single cell depends on how training fell out",
        "pass": f"less than the {limit:.0%} allowed",
        "inconclusive": f"neither clearly below the {limit:.0%} allowed nor twice that",
    }[verdict]
    agreement = float(np.mean(kappas)) if np.isfinite(kappas).all() else math.nan
    return Finding(
        name="seeds",
        question="Does a model made again from another seed say the same of the same cell?",
        verdict=verdict,
        statistic=interval.estimate,
        low=None if interval.low is None else max(0.0, interval.low),
        high=interval.high,
        n=interval.n,
        unit=unit,
        assumed=(f"{unit}s are independent",),
        why=(
            f"Between two of {settings.refits} models that differ in their seed alone, "
            f"{interval.estimate:.0%} of the cells of {interval.n} {unit}s that none has seen "
            f"change their class (Cohen's kappa {agreement:.2f}): {rest}."
        ),
        statistic_name="share of cells that change",
        details={
            "per_unit": own,
            "kappa": agreement,
            "kappas": kappas,
            "balanced_accuracies": accuracies,
            "margin": limit,
            "reviewer": (
                f"{settings.refits} refits on the same training {unit}s with different seeds; "
                f"pairwise disagreement on {len(asked)} cells of held-out {unit}s, mean over "
                f"{unit}s."
            ),
        },
    )


def _one_split(subject: Subject, settings: ChallengeSettings) -> tuple[CropSet, npt.NDArray[Any]]:
    some, _ = subject.cells(settings.most_asked, settings.seed).testable()
    cells = some.crops
    count, why = best_folds(cells.labels, cells.groups, HELD_OUT_SHARE)
    if count < 2:
        raise UsageError(why)
    return cells, group_folds(cells.labels, cells.groups, count, settings.seed) == 0


def _learner(subject: Subject) -> Learner:
    if subject.learner is None:
        raise UsageError("there is no learner to make the model again with.")
    return subject.learner
