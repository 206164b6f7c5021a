"""Does the model still answer when the cells are gone, and does it follow their outlines?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.donors import NoDonorError
from lucyte.evidence.model.exchange import BATCH, answers
from lucyte.evidence.model.guard import judge
from lucyte.evidence.model.inputs import FEWEST_FREE, erased, grown, with_free_level
from lucyte.evidence.model.permit import class_names
from lucyte.evidence.model.reliance import (
    Asked,
    not_exchanged,
    nothing_to_rely_on,
    reliance_finding,
)
from lucyte.evidence.model.retrain import HeldOut, apart_of
from lucyte.evidence.model.sample_crops import nothing_outside
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.watch import Make, known_cells, watch
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import cluster_interval
from lucyte.stats.roc import unit_pairs

Floats = npt.NDArray[np.float64]
Light = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

ERASED = "background.model_relies.erased"
SILHOUETTES = Asked(
    name="background.model_relies.silhouettes",
    question="Does this model look inside the cell rather than at its outline?",
    what="Silhouettes",
    done="Showing each cell's own light in the outline of a cell of the other class",
    guilty="this model follows size and shape, whether they are biology or not",
    exchanges={"outline": "its light drawn at random from within it, nothing else changed"},
    judged=("outline",),
    assumed=("outlines hold the whole cell",),
    reviewer="Paired exchange of silhouettes, filled with the cell's own shuffled px,",
)


def erased_relies(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Overwrite every object by cell-free px of its own crop and ask the model again.

    It should no longer know. The answers on erased crops are compared between units as those on
    the crops as they are; the rule is that of `lucyte.evidence.model.guard.judge`.
    """
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    void = nothing_outside(cells, settings.halo_px)
    usable = with_free_level(cells, settings.halo_px)
    if void or len(usable.classes) < 2:
        return [_not_erased(usable.unit, void or "too few crops show px outside their objects")]
    classes = list(subject.predictor.classes)
    rng = np.random.default_rng(settings.seed)
    parts = []
    for start in range(0, len(usable), BATCH):
        some = usable.take(np.arange(start, min(start + BATCH, len(usable))))
        pictures = erased(some, settings.halo_px, rng)
        parts.append(answers(subject.predictor, some, pictures))
    before = answers(subject.predictor, usable, usable.crops)
    with_cells = told_by_answers(before, classes, usable)
    without = told_by_answers(np.concatenate(parts), classes, usable)
    return [_erased_finding(without, with_cells, usable, settings)]


def silhouettes_relies(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Exchange outlines between cells, each filled with the cell's own light, shuffled.

    The same is done with the outline of a cell of its own class, so that what the shuffling does
    is taken away; what is left is what the outline says.
    """
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    free = ~grown(cells.foreground, settings.halo_px)
    cells = cells.take((free.sum(axis=(1, 2)) >= FEWEST_FREE) & cells.masks.any(axis=(1, 2)))
    if len(cells.classes) < 2:
        why = "too few crops show px outside their objects"
        return [not_exchanged(SILHOUETTES, why, subject.crops.unit)]
    try:
        made = {"outline": outlined(cells, settings)}
        moved, gap = watch(subject.predictor, cells, made, settings)
    except NoDonorError as error:
        return [not_exchanged(SILHOUETTES, str(error), cells.unit)]
    if moved is None:
        return [not_exchanged(SILHOUETTES, nothing_to_rely_on(gap), cells.unit)]
    limits = (settings.reliance, settings.fails_at)
    return [reliance_finding(moved, gap, cells.unit, limits, SILHOUETTES)]


def outlined(cells: CropSet, settings: ChallengeSettings) -> Make:
    """Pictures of cells in other cells' outlines: own background, own light, drawn px by px."""
    free = ~grown(cells.foreground, settings.halo_px)

    def make(at: Rows, donors: Rows) -> Light:
        rng = np.random.default_rng(settings.seed)
        out = np.asarray(cells.crops[at], dtype=np.float32)
        cover = grown(cells.masks[at], settings.halo_px)
        for k, (row, donor) in enumerate(zip(at, donors, strict=True)):
            flat = out[k].reshape(out.shape[1], -1)
            inside = flat[:, np.flatnonzero(cells.masks[row])]
            outside = flat[:, np.flatnonzero(free[row])]
            holes = np.flatnonzero(cover[k] | cells.masks[donor])
            flat[:, holes] = outside[:, rng.integers(0, outside.shape[1], len(holes))]
            shape = np.flatnonzero(cells.masks[donor])
            flat[:, shape] = inside[:, rng.integers(0, inside.shape[1], len(shape))]
        return out

    return make


def told_by_answers(logits: Floats, classes: list[str], cells: CropSet) -> HeldOut:
    """How well units are told apart by the answers of one model, with an interval over units.

    Parameters
    ----------
    logits : float array N x classes
    classes : list of str
        In the order of the logits.
    cells : CropSet
    """
    truth, names = np.asarray(cells.labels, dtype=str), np.asarray(cells.groups, dtype=str)
    pairs = list(combinations(cells.classes, 2))
    lean = {(a, b): logits[:, classes.index(b)] - logits[:, classes.index(a)] for a, b in pairs}
    units: dict[str, list[float]] = {}

    def auroc(rows: Rows, keep: bool = False) -> float:
        told = []
        for (a, b), score in lean.items():
            at = rows[np.isin(truth[rows], (a, b))]
            if len(set(truth[at])) < 2:
                continue
            found = unit_pairs(score[at], truth[at] == b, names[at])
            rates = found.rates()
            if np.isfinite(rates).any():
                told.append(float(np.nanmean(rates)))
            for k, name in enumerate(found.names if keep else ()):
                own = np.concatenate([rates[k], np.delete(rates[:, k], k)])
                units.setdefault(str(name), []).extend(own[np.isfinite(own)].tolist())
        return float(np.mean(told)) if told else math.nan

    whole = auroc(np.arange(len(truth)), keep=True)
    interval = cluster_interval(lambda rows: auroc(rows), names, resamples=199)
    columns = np.column_stack([lean[pair] for pair in pairs])
    return HeldOut(
        auroc=whole,
        low=None if interval.low is None else max(0.0, interval.low),
        high=None if interval.high is None else min(1.0, interval.high),
        units={name: float(np.mean(own)) for name, own in sorted(units.items()) if own},
        apart=apart_of(columns, truth, names),
        undefined="" if math.isfinite(whole) else "no two units of different classes",
    )


def _erased_finding(
    without: HeldOut, with_cells: HeldOut, cells: CropSet, settings: ChallengeSettings
) -> Finding:
    names, unit = class_names(cells), cells.unit
    judgement = judge(without, with_cells.auroc, settings.margin)
    verdict: Verdict = judgement.verdict
    rest = {
        "fail": f"{judgement.because}: its answers come from somewhere else than the cells",
        "pass": f"{judgement.because}: it needs the cells",
        "inconclusive": judgement.because,
    }[verdict]
    if with_cells.auroc < 0.5 + settings.margin:
        verdict, rest = "inconclusive", "it does not tell them with the cells either"
    why = (
        f"With every cell overwritten by its background this model tells {names} with AUROC "
        f"{without.auroc:.2f}{_range(without, unit)}, with them {with_cells.auroc:.2f}: {rest}."
    )
    return Finding(
        name=ERASED,
        question=f"Does this model need the cells to tell {names}?",
        verdict=verdict,
        statistic=without.auroc,
        low=without.low,
        high=without.high,
        n=without.n,
        unit=unit,
        assumed=("the light around a cell ends within the halo", f"{unit}s are independent"),
        why=why,
        statistic_name="AUROC",
        details=_details(without, with_cells, cells, settings),
    )


def _details(
    without: HeldOut, with_cells: HeldOut, cells: CropSet, settings: ChallengeSettings
) -> Mapping[str, Any]:
    return {
        "per_unit": without.units,
        "apart": without.apart,
        "with_cells": {"auroc": with_cells.auroc, "per_unit": with_cells.units},
        "margin": settings.margin,
        "reviewer": (
            f"Objects (dilated by {settings.halo_px} px) overwritten by bootstrap px of the same "
            f"crop outside them; AUROC of the unchanged model between {cells.unit}s, "
            f"{len(cells)} crops; margin {settings.margin:g}."
        ),
    }


def _not_erased(unit: str, why: str) -> Finding:
    return Finding(
        name=ERASED,
        question="Does this model need the cells?",
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        unit=unit,
        assumed=(),
        why=f"Cells could not be erased: {why}.",
        statistic_name="AUROC",
        details={"reviewer": "No crop with px outside its objects, so no texture to erase with."},
    )


def _range(told: HeldOut, unit: str) -> str:
    if told.low is None or told.high is None:
        return f" ({told.n} {unit}s: {', '.join(f'{v:.2f}' for v in told.units.values())})"
    return f" ({told.low:.2f} to {told.high:.2f}, {told.n} {unit}s)"
