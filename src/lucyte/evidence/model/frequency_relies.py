"""Whether a model relies on a narrow band: by exchanging it, and by what it needs most."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lucyte.evidence.model.batch_leave_out import below
from lucyte.evidence.model.frequency_exchange import Followed, exchange_band
from lucyte.evidence.model.frequency_lines import Line, line_mask, name_pattern
from lucyte.evidence.model.frequency_maps import (
    Alone,
    Asked,
    FrequencyMap,
    affordable,
    alone,
    default_patch,
    frequency_map,
    sweeps,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import Interval, unit_mean_interval
from lucyte.stats.spectrum import frequency_blocks

SHARE = 0.05
"""Share of the frequencies that counts as a narrow band of the map."""
SHARES_SHOWN = (0.01, 0.05, 0.1, 0.2)
MASKS = 19
"""Random masks at most; each costs one question to the model per crop."""
MARGINS_TO_FAIL = 2
"""Margins by which the dominant band must beat random ones: blocks of one ring differ by chance."""


def model_relies(asked: Asked, lines: tuple[Line, ...], settings: ChallengeSettings) -> Finding:
    """``frequency.model_relies``: do answers follow the amplitude of these lines?"""
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
            else "The model does not tell the classes apart here, or not surely, so there is "
            "nothing for it to rely on."
        )
        return _undefined("frequency.model_relies", question, why, cells.unit)
    moved = followed.reliance
    values = list(followed.units.values())
    ahead = sum(value > settings.reliance for value in values) / len(values)
    upset = float(np.mean(np.abs(list(followed.sham.values()))))
    seen = (
        f"Giving each cell the other class's amplitude in {mask.mean():.1%} of the frequencies "
        f"({name_pattern(lines)}) moves its answer {moved.estimate:z.0%} of the "
        f"way to that class and turns {followed.flipped:z.0%} of the answers (exchange within the "
        f"class: {followed.flipped_sham:z.0%})"
    )
    verdict: Verdict = "inconclusive"
    if moved.estimate >= settings.fails_at and ahead >= 0.75:
        verdict, rest = "fail", "this model reads the pattern"
    elif upset > settings.fails_at:
        rest = f"but an exchange within the class moves answers by {upset:z.0%} too"
    elif below(moved, values, settings.reliance):
        verdict, rest = "pass", f"below the {settings.reliance:z.0%} allowed"
    else:
        rest = f"neither below the {settings.reliance:z.0%} allowed nor decisive"
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


def dominant(asked: Asked, settings: ChallengeSettings) -> Finding:
    """``frequency.dominant_map``: is the narrow band that the model needs most enough alone?"""
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
    times = len(cells.classes) * (MASKS + 1 + len(SHARES_SHOWN))
    tested = tested.take(
        even_sample(tested.cells.groups, affordable(tested, times, 96), settings.seed)
    )
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
        f"Shown only the {worst.share:z.0%} of frequencies that it needs most for {worst.label}, "
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
        below(i, list(a.gain.values()), settings.margin)
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
                f"half of the {cells.unit}s; the top {SHARE:z.0%} kept alone in all crops of the "
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
