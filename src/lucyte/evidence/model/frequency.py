"""Frequency shortcuts: is it a narrow periodic pattern that tells the classes?

`frequency.data_permit` asks the data: lines of the spectrum alone, beside the cells too.
`frequency.model_relies` asks the model: does its answer follow when the amplitude of those lines is
taken from the other class? `frequency.dominant_map` asks the model what it needs by itself: does
the narrow band whose loss hurts it most suffice alone, more than random bands equally far from
frequency 0?
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lucyte.evidence.model.frequency_exchange import Followed, exchange_band
from lucyte.evidence.model.frequency_lines import (
    Line,
    beside_cells,
    line_mask,
    line_spectra,
    strongest_lines,
    texture_table,
    told_by_lines,
)
from lucyte.evidence.model.frequency_maps import (
    Alone,
    Asked,
    FrequencyMap,
    affordable,
    alone,
    default_patch,
    frequency_map,
    ranked_amplitudes,
    sweeps,
)
from lucyte.evidence.model.guard import judge
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.crops import CropLearner
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval, unit_mean_interval
from lucyte.stats.spectrum import frequency_blocks

__all__ = ["frequency_shortcut"]

SHARE = 0.05
"""Share of the frequencies that counts as a narrow band of the map."""
SHARES_SHOWN = (0.01, 0.05, 0.1, 0.2)
MASKS = 19
"""Random masks at most; each costs one question to the model per crop."""
MARGINS_TO_FAIL = 2
"""Margins by which the dominant band must beat random ones: blocks of one ring differ by chance."""
SMALLEST_PX = 16
ASK_LINES = 4


def frequency_shortcut(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Ask data and model for shortcuts in a narrow band of frequencies.

    Returns
    -------
    list of Finding
        ``frequency.data_permit``; with a predictor also ``frequency.model_relies`` and
        ``frequency.dominant_map``.

    Raises
    ------
    UsageError
        One class, crops below 16 px, or classes that the model does not know.
    """
    cells = subject.crops.of_kind("cell")
    if len(cells.classes) < 2:
        raise UsageError(f"the frequency question needs cells of two classes, got {cells.classes}.")
    if cells.crop_px < SMALLEST_PX:
        raise UsageError(f"the frequency question needs crops of {SMALLEST_PX} px or more.")
    cells = cells.take(even_sample(cells.groups, settings.most_crops, settings.seed))
    spectra = line_spectra(cells.crops)
    found = [_data_permit(cells, spectra, settings)]
    if subject.predictor is not None:
        few = even_sample(cells.groups, settings.most_asked, settings.seed)
        asked = Asked(subject.predictor, cells.take(few))
        lines = strongest_lines(spectra, cells.labels, cells.channels, ASK_LINES)
        found.append(_model_relies(asked, lines, settings))
        found.append(_dominant(asked, settings))
    return found


def _data_permit(cells: CropSet, spectra: Any, settings: ChallengeSettings) -> Finding:
    labels, groups, how = cells.labels, cells.groups, (settings.folds, settings.seed)
    learner = CropLearner(channels=cells.channels)
    plain = held_out(
        with_learner(learner, [cells.crops], labels, groups, settings.seed), labels, groups, *how
    )
    texture = held_out(
        with_table(texture_table(cells.crops), labels, settings.seed), labels, groups, *how
    )
    whole = told_by_lines(spectra, labels, groups, *how)
    beside, why_few = _beside(cells, settings)
    lines = strongest_lines(spectra, labels, cells.channels, ASK_LINES)
    names = _names(cells)
    seen = judge(whole, plain.auroc, settings.margin)
    seen_beside = judge(beside, plain.auroc, settings.margin)
    limit = 0.5 + settings.margin
    verdict: Verdict = seen.verdict
    shown = whole
    line = lines[0] if lines else None
    pattern = _pattern(line)
    told = f"A few single frequencies tell {names} with AUROC {whole.auroc:.2f}"
    cells_too = f"crops as they are reach {plain.auroc:.2f}"
    if whole.undefined:
        why = f"Narrow patterns could not be judged: {whole.undefined}."
    elif seen_beside.verdict == "fail":
        verdict = "fail"
        shown = whole if whole.auroc >= beside.auroc else beside
        why = (
            f"{told} and, beside the cells, with {beside.auroc:.2f} ({cells_too}): {pattern} "
            "differs, and it is not in the cells."
        )
    elif seen.verdict == "fail" and beside.undefined:
        why = (
            f"{told} ({cells_too}): {pattern} differs. Whether it is there without cells cannot "
            f"be seen ({why_few})."
        )
    elif seen.verdict == "fail" and beside.auroc < limit:
        verdict = "inconclusive"
        why = (
            f"{told} ({cells_too}), beside the cells only with {beside.auroc:.2f}: {pattern} lies "
            "within the outlines, and may be a structure of the cells."
        )
    elif seen.verdict == "fail":
        why = f"{told}, beside the cells with {beside.auroc:.2f} ({cells_too}): {pattern} differs."
    elif seen.verdict == "pass" and (beside.undefined or beside.auroc < limit):
        why = (
            f"{told} ({seen.because}): no narrow pattern is worth learning ({cells_too}, the "
            f"fineness of texture alone {texture.auroc:.2f})."
        )
    else:
        verdict = "inconclusive"
        because = seen.because if seen.verdict != "pass" else f"beside the cells {beside.auroc:.2f}"
        why = f"{told}; {cells_too}: {because}."
    return Finding(
        name="frequency.data_permit",
        question=f"Is it the cells that tell {names}, rather than a periodic pattern?",
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
            "beside_cells": {"auroc": beside.auroc, "low": beside.low, "high": beside.high}
            | {"per_unit": beside.units, "undefined": beside.undefined},
            "cells_auroc": plain.auroc,
            "texture_auroc": texture.auroc,
            "lines": [each.to_json() for each in lines],
            "adcs": ranked_amplitudes(cells),
            "margin": settings.margin,
            "reviewer": (
                "Log power (Hann window) less the median of its own ring of frequencies; per fold "
                "the 8 frequencies of largest class difference in the training "
                f"{cells.unit}s, ridge logistic model, whole {cells.unit}s left out; repeated with "
                "cells painted over. Blind to ring-shaped bands, to patterns that turn from crop "
                f"to crop, and to fewer than 3 repeats per crop. Margin {settings.margin:g}."
            ),
        },
    )


def _beside(cells: CropSet, settings: ChallengeSettings) -> tuple[HeldOut, str]:
    """What the lines of cell-free pixels tell."""
    painted, enough = beside_cells(cells, settings.halo_px)
    some = cells.take(enough)
    why = "too few pixels beside the cells"
    if len(some.classes) < len(cells.classes):
        return HeldOut(undefined=why), why
    told = told_by_lines(
        line_spectra(painted[enough]), some.labels, some.groups, settings.folds, settings.seed
    )
    return told, why


def _model_relies(asked: Asked, lines: tuple[Line, ...], settings: ChallengeSettings) -> Finding:
    cells = asked.cells
    shape = (len(cells.channels), cells.crop_px, cells.crop_px)
    mask = line_mask(lines, shape)
    followed = exchange_band(asked, mask, settings.seed)
    question = "Does this model do without the narrow band in which the classes differ most?"
    few = f"exchanging within a class needs 2 {cells.unit}s of each class"
    if followed is None or not followed.units:
        why = (
            f"Amplitudes could not be exchanged: {few}."
            if followed is None
            else "The model does not tell the classes apart here, so there is nothing for it to "
            "rely on."
        )
        return _undefined("frequency.model_relies", question, why, cells.unit)
    moved = followed.reliance
    values = list(followed.units.values())
    ahead = sum(value > settings.reliance for value in values) / len(values)
    upset = float(np.mean(np.abs(list(followed.sham.values()))))
    seen = (
        f"Giving each cell the other class's amplitude in {mask.mean():.1%} of the frequencies "
        f"({_pattern(lines[0] if lines else None)}) moves its answer {moved.estimate:.0%} of the "
        f"way to that class and turns {followed.flipped:.0%} of the answers (exchange within the "
        f"class: {followed.flipped_sham:.0%})"
    )
    verdict: Verdict = "inconclusive"
    if moved.estimate >= settings.fails_at and ahead >= 0.75:
        verdict, rest = "fail", "this model reads the pattern"
    elif upset > settings.fails_at:
        rest = f"but an exchange within the class moves answers by {upset:.0%} too"
    elif _below(moved, values, settings.reliance):
        verdict, rest = "pass", f"below the {settings.reliance:.0%} allowed"
    else:
        rest = f"neither below the {settings.reliance:.0%} allowed nor decisive"
    return Finding(
        name="frequency.model_relies",
        question=question,
        verdict=verdict,
        statistic=moved.estimate,
        low=moved.low,
        high=moved.high,
        n=moved.n,
        unit=cells.unit,
        assumed=(
            "other frequencies do not give the pattern away",
            f"{cells.unit}s are independent",
        ),
        why=f"{seen}: {rest}.",
        statistic_name="reliance",
        details=_exchange_details(followed, lines, mask.mean(), settings),
    )


def _exchange_details(
    followed: Followed, lines: tuple[Line, ...], share: float, settings: ChallengeSettings
) -> dict[str, Any]:
    return {
        "per_unit": followed.units,
        "sham_per_unit": followed.sham,
        "flipped": followed.flipped,
        "flipped_sham": followed.flipped_sham,
        "class_distance_logits": followed.gap,
        "lines": [each.to_json() for each in lines],
        "share_of_frequencies": float(share),
        "margin": settings.reliance,
        "fails_at": settings.fails_at,
        "reviewer": (
            "Fourier amplitude at the lines (and their direct neighbours) exchanged between "
            "classes, phase kept, against a sham exchange within the class from another unit; "
            f"shift of the logit margin over the distance between classes ({followed.gap:.2f})."
        ),
    }


def _dominant(asked: Asked, settings: ChallengeSettings) -> Finding:
    name, question = (
        "frequency.dominant_map",
        "Does this model need more than a narrow band of frequencies?",
    )
    cells = asked.cells
    possible, why_few = best_folds(cells.labels, cells.groups, 2)
    if possible < 2:
        return _undefined(
            name, question, f"The map could not be tested on other units: {why_few}", cells.unit
        )
    half = group_folds(cells.labels, cells.groups, 2, settings.seed)
    patch = default_patch(cells.crop_px)
    blocks = int(frequency_blocks(cells.crop_px, cells.crop_px, patch).max()) + 1
    made = asked.take(half == 0)
    made = made.take(even_sample(made.cells.groups, affordable(made, blocks), settings.seed))
    tested = asked.take(half == 1)
    found = frequency_map(made, patch)
    whole = tested.told(tested.logits(tested.light))
    draws = (min(settings.permutations, MASKS), settings.seed)
    told = [alone(tested, found, label, SHARE, draws) for label in cells.classes]
    intervals = [unit_mean_interval(list(a.gain.values()), list(a.gain)) for a in told]
    gains = [each.estimate for each in intervals]
    at = int(np.argmax(gains))
    worst, gain = told[at], intervals[at]
    limit = 0.5 + settings.margin
    seen = (
        f"Shown only the {worst.share:.0%} of frequencies that it needs most for {worst.label}, "
        f"the model tells the classes with AUROC {worst.told.auroc:.2f}; with as many at random, "
        f"equally fine, {np.median(worst.random):.2f}; with all of them {whole.auroc:.2f}"
    )
    enough = worst.told.auroc >= limit and worst.told.auroc >= whole.auroc - settings.margin
    verdict: Verdict = "inconclusive"
    if whole.auroc < limit:
        rest = "it tells little with all of them, so there is nothing to attribute"
    elif enough and _decides(gain, worst, settings):
        verdict, rest = "fail", "a narrow band is all it needs"
    elif all(
        _below(i, list(a.gain.values()), settings.margin)
        for i, a in zip(intervals, told, strict=True)
    ):
        verdict, rest = "pass", "no narrow band stands out from others as fine"
    else:
        rest = "neither enough by itself nor like any other band"
    return Finding(
        name=name,
        question=question,
        verdict=verdict,
        statistic=gain.estimate,
        low=gain.low,
        high=gain.high,
        n=gain.n,
        unit=cells.unit,
        assumed=(
            "the model's answers to filtered pictures mean something",
            f"{cells.unit}s are independent",
        ),
        why=f"{seen}: {rest}.",
        statistic_name="AUROC above random bands",
        details={
            "classes": [_alone_details(each) for each in told],
            "shares": _over_shares(tested, found),
            "maps": {label: found.picture(label).tolist() for label in found.classes},
            "block_frequencies": patch,
            "whole_auroc": whole.auroc,
            "sweeps": sweeps(tested),
            "margin": settings.margin,
            "reviewer": (
                "Dominant frequency map (loss rise per block of frequencies and its mirror) on one "
                f"half of the {cells.unit}s; the top {SHARE:.0%} kept alone in all crops of the "
                "other half, channel means set to a common level; null: random blocks of equal "
                f"number and radial profile, {len(worst.random)} draws, p = {worst.p:.3f}."
            ),
        },
    )


def _decides(gain: Interval, worst: Alone, settings: ChallengeSettings) -> bool:
    ahead = sum(value > settings.margin for value in worst.gain.values())
    return gain.estimate >= MARGINS_TO_FAIL * settings.margin and ahead >= 0.75 * len(worst.gain)


def _over_shares(asked: Asked, found: FrequencyMap) -> list[dict[str, Any]]:
    """TPR and FPR of each class over the share of frequencies kept."""
    kept = [alone(asked, found, c, share, (0, 0)) for share in SHARES_SHOWN for c in found.classes]
    names = ("class", "share", "auroc", "tpr", "fpr")
    return [{name: _alone_details(each)[name] for name in names} for each in kept]


def _alone_details(each: Alone) -> dict[str, Any]:
    return {
        "class": each.label,
        "share": each.share,
        "auroc": each.told.auroc,
        "tpr": each.true_positives,
        "fpr": each.false_positives,
        "random_auroc": each.random.tolist(),
        "p": each.p,
        "gain_per_unit": each.gain,
    }


def _below(interval: Interval, values: list[float], limit: float) -> bool:
    """Evidence that a gain is small: the interval's upper end, or with few units every unit."""
    if interval.n < FEWEST:
        return len(values) >= 4 and max(values) < limit
    return interval.high is not None and interval.high < limit


def _pattern(line: Line | None) -> str:
    if line is None:
        return "no pattern"
    return (
        f"a pattern that repeats every {line.period_px:.1f} px at {line.angle_deg:.0f} degrees in "
        f"{line.channel}"
    )


def _names(cells: CropSet) -> str:
    return " from ".join(cells.classes) if len(cells.classes) == 2 else "one class from another"


def _undefined(name: str, question: str, why: str, unit: str) -> Finding:
    return Finding(
        name=name,
        question=question,
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        unit=unit,
        assumed=(),
        why=why,
        statistic_name="reliance" if name.endswith("relies") else "AUROC above random bands",
    )
