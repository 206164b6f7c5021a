"""Whether the data permit a frequency shortcut: narrow lines of the spectrum, refitted alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lucyte.evidence.model.frequency_lines import (
    Excess,
    Lines,
    beside_cells,
    line_spectra,
    name_pattern,
    texture_table,
    told_by_lines,
)
from lucyte.evidence.model.frequency_maps import ranked_amplitudes
from lucyte.evidence.model.guard import judge
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.learn.crops import CropLearner
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding, Verdict


def data_permit(cells: CropSet, spectra: Excess, settings: ChallengeSettings) -> Finding:
    """``frequency.data_permit``: do a few single frequencies tell units left out apart?"""
    seen = _Seen(
        plain=_quick(cells, settings),
        texture=_texture(cells, settings),
        whole=told_by_lines(spectra, cells, settings),
        beside=_beside(cells, settings),
    )
    verdict, why, shown = _judged(cells, seen, settings)
    whole, beside = seen.whole.told, seen.beside.told
    return Finding(
        name="frequency.data_permit",
        question=f"Is it the cells that tell {_names(cells)}, rather than a periodic pattern?",
        verdict=verdict,
        statistic=shown.auroc if shown.n else math.nan,
        low=shown.low,
        high=shown.high,
        n=shown.n,
        unit=cells.unit,
        assumed=(
            "a pattern stands in the same direction in every crop; the cells do not",
            f"{cells.unit}s are independent",
        ),
        why=why,
        statistic_name="AUROC",
        details={
            "per_unit": whole.units,
            "p_strongest_line": seen.whole.p,
            "beside_cells": {
                "auroc": beside.auroc,
                "low": beside.low,
                "high": beside.high,
                "per_unit": beside.units,
                "p_strongest_line": seen.beside.p,
                "undefined": beside.undefined,
            },
            "cells_auroc": seen.plain.auroc,
            "texture_auroc": seen.texture.auroc,
            "lines": [each.to_json() for each in seen.whole.strongest],
            "adcs": ranked_amplitudes(cells),
            "margin": settings.margin,
            "reviewer": (
                "Log power (Hann window) less the median of its own ring of frequencies; per fold "
                "the 8 frequencies of largest class difference in the training "
                f"{cells.unit}s, ridge logistic model, whole {cells.unit}s left out; repeated with "
                "cells painted over; a failure also asks that the largest difference of all "
                f"frequencies stands out against exchanged classes (p = {seen.whole.p:.3f}, beside "
                f"the cells {seen.beside.p:.3f}). Blind to ring-shaped bands, to patterns that "
                "turn from crop to crop, and to fewer than 3 repeats per crop. Margin "
                f"{settings.margin:g}."
            ),
        },
    )


@dataclass(frozen=True)
class _Seen:
    """What was asked of the data: crops as they are, texture, lines, lines beside the cells."""

    plain: HeldOut
    texture: HeldOut
    whole: Lines
    beside: Lines


def _judged(
    cells: CropSet, seen: _Seen, settings: ChallengeSettings
) -> tuple[Verdict, str, HeldOut]:
    """Verdict, sentence, and the answer whose number is shown."""
    whole, beside = seen.whole.told, seen.beside.told
    limit = 0.5 + settings.margin
    judged = judge(whole, seen.plain.auroc, settings.margin)
    stands = judged.verdict == "fail" and seen.whole.p <= settings.alpha
    judged_beside = judge(beside, seen.plain.auroc, settings.margin)
    stands_beside = judged_beside.verdict == "fail" and seen.beside.p <= settings.alpha / 2
    told = f"A few single frequencies tell {_names(cells)} with AUROC {whole.auroc:.2f}"
    there = f"beside the cells with {beside.auroc:.2f}"
    plain = f"crops as they are reach {seen.plain.auroc:.2f}"
    pattern = name_pattern(seen.whole.strongest)
    if whole.undefined:
        return "inconclusive", f"Narrow patterns could not be judged: {whole.undefined}.", whole
    if stands_beside:
        shown, lines = (whole, seen.whole) if stands else (beside, seen.beside)
        pattern = name_pattern(lines.strongest)
        return "fail", f"{told}, {there} ({plain}): {pattern} differs, cells or no cells.", shown
    if stands and beside.undefined:
        hidden = f"Whether it is there without cells cannot be seen ({beside.undefined})"
        return "fail", f"{told} ({plain}): {pattern} differs. {hidden}.", whole
    if stands and beside.auroc < limit:
        inside = "lies within the outlines, and may be a structure of the cells"
        return "inconclusive", f"{told}, {there} ({plain}): {pattern} {inside}.", whole
    if stands:
        return "fail", f"{told}, {there} ({plain}): {pattern} differs.", whole
    if judged.verdict == "pass" and (beside.undefined or beside.auroc < limit):
        rest = f"the fineness of texture alone {seen.texture.auroc:.2f}"
        nothing = f"no narrow pattern is worth learning ({plain}, {rest})"
        return "pass", f"{told} ({judged.because}): {nothing}.", whole
    because = {
        "pass": there,
        "fail": "yet no single frequency stands out more than some one does by chance",
        "inconclusive": judged.because,
    }[judged.verdict]
    return "inconclusive", f"{told} ({plain}): {because}.", whole


def _quick(cells: CropSet, settings: ChallengeSettings) -> HeldOut:
    learner = CropLearner(channels=cells.channels)
    answer = with_learner(learner, [cells.crops], cells.labels, cells.groups, settings.seed)
    return held_out(answer, cells.labels, cells.groups, settings.folds, settings.seed)


def _texture(cells: CropSet, settings: ChallengeSettings) -> HeldOut:
    answer = with_table(texture_table(cells.crops), cells.labels, settings.seed)
    return held_out(answer, cells.labels, cells.groups, settings.folds, settings.seed)


def _beside(cells: CropSet, settings: ChallengeSettings) -> Lines:
    """What the lines of cell-free pixels tell."""
    painted, enough = beside_cells(cells, settings.halo_px)
    some = cells.take(enough)
    if len(some.classes) < len(cells.classes):
        return Lines(HeldOut(undefined="too few pixels beside the cells"))
    return told_by_lines(line_spectra(painted[enough]), some, settings)


def _names(cells: CropSet) -> str:
    return " from ".join(cells.classes) if len(cells.classes) == 2 else "one class from another"
