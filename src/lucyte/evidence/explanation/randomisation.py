"""Does the map change when the model does? Weights drawn anew, and labels shuffled."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.examined import Examined, ExamSettings, ask_again, is_map
from lucyte.evidence.explanation.judging import Question, below, undecided, without_map
from lucyte.evidence.explanation.randomised import cascade
from lucyte.evidence.explanation.similarity import rank_correlation, structural_similarity
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import Differentiable
from lucyte.stats.intervals import unit_mean_interval, unit_means

Floats = npt.NDArray[np.float64]

MODEL = Question(
    "model_randomisation",
    "Does the map change when the model's weights are drawn anew?",
    "rank correlation with the map of a model of random weights",
    "With random weights the map is another one: it shows what was learned.",
    ("a drawn network answers for other reasons than the trained one",),
)
LABELS = Question(
    "label_randomisation",
    "Does the map change when the model has learned shuffled labels?",
    "rank correlation with the map of a model of shuffled labels",
    "After learning shuffled labels the map is another one: it shows what the labels taught.",
    ("nothing that tells the classes apart is left in shuffled labels",),
)
UNMOVED = {"centre": 1.0, "edge": 1.0, "intensity": 1.0}
"""What controls that never look at the model score, by construction."""
SAME = 1e-9


def model_randomisation(case: Examined, settings: ExamSettings) -> Finding:
    """Cascading randomisation of the weights, from the head to the picture (MPRT).

    The absolute rank correlation is judged at the end of the cascade, mean over draws: a map with
    its sign turned is still the same map.
    """
    predictor = cast(Differentiable, case.predictor)
    before = case.predictor.logits(case.crops)
    curve: dict[str, dict[str, float]] = {}
    ends, moved, refusal = [], 0.0, ""
    for draw in range(settings.cascades):
        maps = case.maps
        for stage, drawn in cascade(predictor, settings.seed + draw):
            maps, refusal = ask_again(case, drawn, case.crops)
            moved = max(moved, float(np.abs(drawn.logits(case.crops) - before).max()))
            if not draw:
                curve[stage] = likeness(case.maps, maps)
        ends.append(np.abs(rank_correlation(case.maps, maps)))
    if moved <= SAME:
        reason = "Drawing the weights anew changed no answer: the model keeps a copy elsewhere."
        return undecided(case, MODEL, reason)
    return _judged(case, settings, MODEL, np.stack(ends), {"cascade": curve, "refusal": refusal})


def label_randomisation(case: Examined, settings: ExamSettings) -> Finding:
    """The method on a model that learned the same pictures with shuffled labels."""
    assert case.learner is not None
    assert case.training is not None
    samples = case.training
    rng = np.random.default_rng(settings.seed)
    shuffled = [samples.labels[int(k)] for k in rng.permutation(len(samples))]
    seen = samples.for_channels(case.predictor.channels)
    sham = case.learner.fit(seen, shuffled, list(samples.groups), settings.seed)
    if sorted(sham.classes) != sorted(case.predictor.classes):
        return undecided(case, LABELS, "The labels to shuffle are not the model's classes.")
    maps, refusal = ask_again(case, sham, case.crops)
    alike = np.abs(rank_correlation(case.maps, maps))
    details = {"likeness": likeness(case.maps, maps), "refusal": refusal}
    return _judged(case, settings, LABELS, alike[None], details)


def likeness(first: Floats, second: Floats) -> dict[str, float]:
    """Mean similarity of pairs of maps, and how many of the second say anything."""
    rho, ssim = rank_correlation(first, second), structural_similarity(first, second)
    return {
        "rank_correlation": _mean(rho),
        "absolute_rank_correlation": _mean(np.abs(rho)),
        "ssim": _mean(ssim),
        "maps": int(is_map(second).sum()),
    }


def _judged(
    case: Examined,
    settings: ExamSettings,
    asked: Question,
    alike: Floats,
    details: dict[str, Any],
) -> Finding:
    first = is_map(case.maps)
    gone = np.flatnonzero(~first).tolist()
    if not first.any():
        return undecided(case, asked, "There is no map: every one is flat or holds no numbers.")
    pairs = np.isfinite(alike)
    if not pairs.any():
        reason = "The changed model has no map at all (all flat): there is nothing to compare."
        reason += f" The method says: {details['refusal']}" if details["refusal"] else ""
        return undecided(case, asked, reason, **details)
    mean = np.where(pairs.any(axis=0), np.nansum(np.where(pairs, alike, 0), axis=0), np.nan)
    mean = mean / np.maximum(pairs.sum(axis=0), 1)
    found = unit_mean_interval(mean, case.groups, seed=settings.seed)
    units, values = unit_means(mean, case.groups)
    verdict = below(settings.similar, found, values)
    because = {
        "pass": asked.passed,
        "fail": "The map hardly changes although the model does: it shows the picture, not the "
        "model.",
        "inconclusive": "The map changes, but not surely in every unit.",
    }[verdict]
    return Finding(
        name=f"{case.method}.{asked.name}",
        question=asked.question,
        verdict=verdict,
        statistic=found.estimate,
        low=found.low,
        high=found.high,
        n=found.n,
        unit=case.unit,
        assumed=asked.assumed,
        why=f"{because} {asked.measure[0].upper()}{asked.measure[1:]}: {found.estimate:.2f}; edges "
        f"and bright pixels, which no model can change, have 1.00; {settings.similar:.2f} counts "
        f"as unchanged.{without_map(case, gone)}",
        statistic_name=asked.measure,
        group="explanation",
        details={
            "reviewer": f"absolute Spearman correlation, {alike.shape[0]} draw(s); {found.method}; "
            f"{int(pairs.any(axis=0).sum())} of {len(case)} pairs of maps could be compared.",
            "controls": {**UNMOVED, "random": 0.0},
            "limit": settings.similar,
            "units": dict(zip(units, values.tolist(), strict=True)),
            "no_map": [case.names[k] for k in gone],
            **details,
        },
    )


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
