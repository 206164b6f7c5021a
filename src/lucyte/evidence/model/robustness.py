"""Under which conditions the model at hand still holds: graded disturbances, per unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.exchange import BATCH, answers
from lucyte.evidence.model.inputs import FEWEST_FREE, grown
from lucyte.evidence.model.perturbations import PERTURBATIONS, Perturbation, Scale, as_taken
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.watch import known_cells
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST_TO_REASSURE, cluster_interval

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
QUESTION = "Does this model hold when a picture is taken a little differently?"


@dataclass(frozen=True)
class Step:
    """What one level of one disturbance costs.

    Attributes
    ----------
    level : float
    accuracy : float
        Balanced over classes.
    cost : float
        Balanced accuracy of the untouched crops less this.
    low, high : float or None
        Of the cost, over units.
    per_unit : mapping of unit to float
        Cost of each.
    """

    level: float
    accuracy: float
    cost: float
    low: float | None
    high: float | None
    per_unit: dict[str, float]


def robustness(
    subject: Subject,
    settings: ChallengeSettings,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> list[Finding]:
    """Disturb the crops step by step and ask the model again.

    Returns
    -------
    list of Finding
        ``robustness``: the greatest cost in balanced accuracy at a mild level. Its details hold
        every curve, and ``conditions``: the lowest and highest level of each disturbance up to
        which balanced accuracy stays within the margin of the untouched crops.
    """
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    classes = np.asarray(subject.predictor.classes)
    present = np.array([list(classes).index(name) for name in cells.classes])
    truth = np.asarray(cells.labels, dtype=str)

    def right(pictures: npt.NDArray[Any]) -> Floats:
        told = answers(subject.predictor, cells, pictures)[:, present]  # type: ignore[arg-type]
        return np.asarray(classes[present][told.argmax(axis=1)] == truth, dtype=np.float64)

    before = right(cells.crops)
    scale = Scale.of(cells, settings.seed, settings.halo_px)
    sweeps, rows = [], []
    for each in perturbations:
        if each.name == "density" and not _shows_background(cells, settings.halo_px):
            continue
        steps = []
        for level in each.levels:
            after = before
            if level != each.neutral:
                after = right(_disturbed(each, cells, level, scale))
            steps.append(_step(level, before, after, cells))
        sweeps.append((each, steps))
        rows.append(_condition(each, steps, settings.margin))
    return [_finding(sweeps, rows, _balanced(before, truth), cells, settings)]


def conditions_held(finding: Finding) -> dict[str, tuple[str, ...]]:
    """Rows for a model's card: each disturbance, and from where to where the model held.

    Parameters
    ----------
    finding : Finding
        From `robustness`.
    """
    return {
        f"{row['perturbation']} ({row['level_unit']})": (
            f"holds from {row['lowest']:g} to {row['highest']:g}",
            f"tried from {row['tried_lowest']:g} to {row['tried_highest']:g}",
        )
        for row in finding.details["conditions"]
    }


def _disturbed(each: Perturbation, cells: CropSet, level: float, scale: Scale) -> npt.NDArray[Any]:
    if each.name == "density":  # takes its neighbours from all cells of a unit
        return as_taken(each.make(cells, level, scale), cells.crops)
    starts = range(0, len(cells), BATCH)
    parts = [cells.take(np.arange(at, min(at + BATCH, len(cells)))) for at in starts]
    return np.concatenate([as_taken(each.make(some, level, scale), some.crops) for some in parts])


def _step(level: float, before: Floats, after: Floats, cells: CropSet) -> Step:
    truth, groups = np.asarray(cells.labels, dtype=str), np.asarray(cells.groups, dtype=str)
    lost = before - after

    def cost(rows: Rows) -> float:
        return _balanced(lost[rows], truth[rows])

    interval = cluster_interval(cost, groups, resamples=199)
    own = {str(u): float(lost[groups == u].mean()) for u in np.unique(groups)}
    return Step(level, _balanced(after, truth), interval.estimate, interval.low, interval.high, own)


def _balanced(values: Floats, truth: npt.NDArray[Any]) -> float:
    return float(np.mean([values[truth == name].mean() for name in np.unique(truth)]))


def _condition(each: Perturbation, steps: Sequence[Step], margin: float) -> dict[str, Any]:
    """From where to where around the neutral level the cost stays within the margin."""
    levels = np.array([step.level for step in steps])
    fine = np.array([step.cost <= margin for step in steps])
    below = [k for k in range(len(levels)) if levels[k] <= each.neutral][::-1]
    above = [k for k in range(len(levels)) if levels[k] >= each.neutral]
    lowest = highest = each.neutral
    for k in below:
        if not fine[k]:
            break
        lowest = float(levels[k])
    for k in above:
        if not fine[k]:
            break
        highest = float(levels[k])
    return {
        "perturbation": each.name,
        "what": each.what,
        "level_unit": each.level_unit,
        "lowest": min(lowest, float(levels.max())),
        "highest": min(highest, float(levels.max())),
        "tried_lowest": float(levels.min()),
        "tried_highest": float(levels.max()),
        "margin": margin,
    }


def _finding(
    sweeps: Sequence[tuple[Perturbation, Sequence[Step]]],
    rows: list[dict[str, Any]],
    plain: float,
    cells: CropSet,
    settings: ChallengeSettings,
) -> Finding:
    mild = [(p, step) for p, steps in sweeps for step in steps if step.level in p.mild]
    worst, step = max(mild, key=lambda each: each[1].cost)
    chance, unit = 1 / len(cells.classes), cells.unit
    verdict, rest = _verdict([each for _, each in mild], step, settings.margin)
    if plain < chance + settings.margin:
        verdict, rest = "inconclusive", f"chance is {chance:.2f}, so there is little to lose"
    held = f"Within {settings.margin:g} it stays for {', '.join(_in_words(row) for row in rows)}."
    if plain < chance + settings.margin:
        held = ""
    why = (
        f"Of {len(sweeps)} mild disturbances {worst.name} ({step.level:g} {worst.level_unit}) "
        f"costs most: balanced accuracy {step.accuracy:.2f} instead of {plain:.2f}: {rest}. {held}"
    )
    return Finding(
        name="robustness",
        question=QUESTION,
        verdict=verdict,
        statistic=step.cost,
        low=step.low,
        high=step.high,
        n=len(step.per_unit),
        unit=unit,
        assumed=(
            "disturbances made in the computer cost as much as real ones",
            f"{unit}s are independent",
        ),
        why=why.rstrip(),
        statistic_name="cost in balanced accuracy",
        details={
            "balanced_accuracy": plain,
            "chance": chance,
            "margin": settings.margin,
            "conditions": rows,
            "curves": [_curve(p, steps) for p, steps in sweeps],
            "per_unit": step.per_unit,
            "reviewer": (
                f"Paired cost in balanced accuracy of {len(cells)} crops under graded synthetic "
                f"perturbations, jackknife or bootstrap over {unit}s; worst of the mild levels; "
                f"margin {settings.margin:g}."
            ),
        },
    )


def _verdict(mild: Sequence[Step], worst: Step, margin: float) -> tuple[Verdict, str]:
    sure = worst.low > 0 if worst.low is not None else worst.cost > 2 * margin
    if worst.cost > margin and sure:
        return "fail", "a little is enough to mislead it"
    few = [step for step in mild if step.high is None]
    if few:
        units = len(worst.per_unit)
        if units >= FEWEST_TO_REASSURE and all(
            max(step.per_unit.values()) < margin for step in mild
        ):
            return "pass", f"every unit loses less than {margin:g}"
        return "inconclusive", f"with {units} units only a clear answer would reassure"
    if all(step.high is not None and step.high < margin for step in mild):
        return "pass", f"less than the {margin:g} allowed"
    return "inconclusive", f"a loss above {margin:g} is not ruled out"


def _in_words(row: dict[str, Any]) -> str:
    if row["lowest"] == row["tried_lowest"] and row["highest"] == row["tried_highest"]:
        return f"{row['perturbation']} at every level tried"
    return f"{row['perturbation']} {row['lowest']:g} to {row['highest']:g} {row['level_unit']}"


def _curve(each: Perturbation, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "perturbation": each.name,
        "what": each.what,
        "level_unit": each.level_unit,
        "neutral": each.neutral,
        "mild": list(each.mild),
        "steps": [
            {
                "level": step.level,
                "balanced_accuracy": step.accuracy,
                "cost": step.cost,
                "low": step.low,
                "high": step.high,
                "per_unit": step.per_unit,
            }
            for step in steps
        ],
    }


def _shows_background(cells: CropSet, halo_px: int) -> bool:
    free = ~grown(cells.foreground, halo_px)
    return bool((free.sum(axis=(1, 2)) >= FEWEST_FREE).mean() > 0.5)
