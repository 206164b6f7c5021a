"""A map beside maps that know nothing: it passes only where it beats every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.controls import BLURRED, CONTROLS, WORDS, blurred, control_maps
from lucyte.evidence.explanation.examined import Examined, ExamSettings, is_map
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import (
    FEWEST,
    FEWEST_TO_REASSURE,
    Interval,
    unit_mean_interval,
    unit_means,
)

Floats = npt.NDArray[np.float64]
Score = Callable[[Examined, Floats, np.random.Generator], Floats]
"""``(case, maps N L Y X, rng) -> V N``: larger is better; V variants (fills), nan undefined."""

SMOOTHER = 0.1
"""Share of the map's lead over random pixels by which its blurred copy must lead to count."""


@dataclass(frozen=True)
class Question:
    """What a scored exam asks, and how its answer is told.

    Attributes
    ----------
    name : str
        Second part of the Finding's name.
    question : str
    measure : str
        What the score is, with its unit.
    passed : str
        What a pass means, a full sentence for a biologist.
    assumed : tuple of str
    variants : tuple of str
        What the rows of the score are, one or more.
    beats : tuple of str
        Controls that decide; the others are shown.
    blur : {"beaten", "guard", "shown"}
        What the blurred copy of the map is for: it must be beaten, as the others; or it must not
        be surely better, for then the exam rewards smoothness (a blurred copy of a map of one
        compact spot ranks the same pixels first, and does no worse); or it is shown.
    """

    name: str
    question: str
    measure: str
    passed: str
    assumed: tuple[str, ...]
    variants: tuple[str, ...] = ("all",)
    beats: tuple[str, ...] = tuple(CONTROLS)
    blur: Literal["beaten", "guard", "shown"] = "shown"

    @property
    def deciding(self) -> tuple[str, ...]:
        """Controls that must be beaten."""
        return (*self.beats, BLURRED) if self.blur == "beaten" else self.beats


def beside_controls(
    case: Examined, settings: ExamSettings, asked: Question, score: Score
) -> Finding:
    """Score the map and every control on the same crops and compare them within units.

    fail
        A control that knows nothing of the model does at least as well, on average over units.
    pass
        Against each deciding control the interval of the gain (with few units: every unit of at
        least 4) lies above 0, and the mean gain does with each variant.
    inconclusive
        Anything else: few units, a gain that hangs on the fill, a blurred copy that does as well
        where detail is asked about, or better where it is not.

    An intersection-union test: all comparisons must succeed, so nothing is corrected for number.

    References
    ----------
    Berger 1982, doi 10.1080/00401706.1982.10487790.
    """
    there = np.flatnonzero(is_map(case.maps))
    gone = sorted(set(range(len(case))) - set(there.tolist()))
    if not len(there):
        return undecided(case, asked, "There is no map: every one is flat or holds no numbers.")
    kept = case.take(there)
    rng = np.random.default_rng(settings.seed)
    tried = {
        "map": kept.maps,
        **control_maps(kept.predictor.channels, kept.crops, kept.maps, rng),
        BLURRED: blurred(kept.maps),
    }
    scores = {name: score(kept, maps, rng) for name, maps in tried.items()}
    known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(scores["map"]).all(axis=0))
    if not known.any():
        return undecided(case, asked, "The score is undefined for every map.")
    units = [group for group, fine in zip(kept.groups, known, strict=True) if fine]
    # a control without a score (nothing positive in it) marks nothing: the worst there is
    worst = min(float(np.nanmin(each)) for each in scores.values() if np.isfinite(each).any())
    of = {name: np.nan_to_num(each[:, known], nan=worst) for name, each in scores.items()}
    gains = {name: of["map"] - of[name] for name in tried if name != "map"}
    found = {
        name: unit_mean_interval(gain.mean(axis=0), units, seed=settings.seed)
        for name, gain in gains.items()
    }
    nearest = min(asked.deciding, key=lambda name: found[name].estimate)
    points = {name: unit_means(gain.mean(axis=0), units) for name, gain in gains.items()}
    verdict, because = _judge(asked, found, {k: v[1] for k, v in points.items()}, gains)
    if verdict == "pass" and len(gone) * 2 >= len(case):
        verdict, because = "inconclusive", "Where there is a map it does well, but"
    levels = {
        name: float(unit_means(each.mean(axis=0), units)[1].mean()) for name, each in of.items()
    }
    names, values = points[nearest]
    return Finding(
        name=f"{case.method}.{asked.name}",
        question=asked.question,
        verdict=verdict,
        statistic=found[nearest].estimate,
        low=found[nearest].low,
        high=found[nearest].high,
        n=found[nearest].n,
        unit=case.unit,
        assumed=asked.assumed,
        why=f"{because} {asked.measure}: {levels['map']:.3g}; with {WORDS[nearest]} "
        f"{levels[nearest]:.3g}.{without_map(case, gone)}",
        statistic_name=f"{asked.measure}, beyond the nearest control",
        group="explanation",
        details={
            "reviewer": f"mean over {found[nearest].n} units of the paired gain over the nearest "
            f"of {len(asked.deciding)} controls ({nearest}); {found[nearest].method}; "
            "intersection-union over controls.",
            "scores": levels,
            "scores_by_variant": {
                name: dict(zip(asked.variants, each.mean(axis=1).tolist(), strict=True))
                for name, each in of.items()
            },
            "gains": {
                name: {"mean": each.estimate, "low": each.low, "high": each.high}
                for name, each in found.items()
            },
            "deciding": list(asked.deciding),
            "nearest_control": nearest,
            "units": dict(zip(names, values.tolist(), strict=True)),
            "crops": int(known.sum()),
            "undefined": [kept.names[k] for k in np.flatnonzero(~known)],
            "no_map": [case.names[k] for k in gone],
        },
    )


def undecided(case: Examined, asked: Question, reason: str, **details: Any) -> Finding:
    """An exam that could not be held, with the reason."""
    return Finding(
        name=f"{case.method}.{asked.name}",
        question=asked.question,
        verdict="inconclusive",
        statistic=float("nan"),
        low=None,
        high=None,
        n=len(set(case.groups)),
        unit=case.unit,
        assumed=asked.assumed,
        why=reason,
        statistic_name=asked.measure,
        group="explanation",
        details={"reviewer": f"Not held. {reason}", **details},
    )


def without_map(case: Examined, gone: Sequence[int]) -> str:
    """Names the crops that have no map; empty where all have one."""
    if not gone:
        return ""
    some = ", ".join(case.names[k] for k in gone[:3]) + (" ..." if len(gone) > 3 else "")
    return (
        f" {len(gone)} of {len(case)} cells have no map (flat, or no numbers) and are left out: "
        f"{some}."
    )


def below(limit: float, found: Interval, values: Floats) -> Verdict:
    """A guard on a number that must be small: see `Finding`; ``values`` are the units'."""
    if found.estimate >= limit:
        return "fail"
    if found.high is not None:
        return "pass" if found.high < limit else "inconclusive"
    return "pass" if len(values) >= FEWEST_TO_REASSURE and values.max() < limit else "inconclusive"


def _judge(
    asked: Question,
    found: dict[str, Interval],
    points: dict[str, Floats],
    gains: dict[str, Floats],
) -> tuple[Verdict, str]:
    as_well = [name for name in asked.beats if found[name].estimate <= 0]
    if as_well:
        listed = ", ".join(WORDS[name] for name in as_well)
        return "fail", f"A map that knows nothing of the model does as well: {listed}."
    if asked.blur == "beaten" and found[BLURRED].estimate <= 0:
        return "inconclusive", (
            "A blurred copy of the map does as well: the rough place is supported, the detail is "
            "not."
        )
    ahead = -found[BLURRED].estimate > SMOOTHER * found["random"].estimate
    if asked.blur == "guard" and ahead and _below_zero(found[BLURRED], points[BLURRED]):
        return "inconclusive", (
            "The map beats what knows nothing of the model, but its own blurred copy does better: "
            "here the exam rewards smoothness."
        )
    for at, variant in enumerate(asked.variants):
        lost = [WORDS[name] for name in asked.deciding if gains[name][at].mean() <= 0]
        if lost:
            return "inconclusive", (
                f"The answer hangs on what replaces a pixel: with {variant.replace('_', ' ')} it "
                f"is no better than {lost[0]}."
            )
    if all(_above_zero(found[name], points[name]) for name in asked.deciding):
        return "pass", asked.passed
    units = next(iter(found.values())).n
    if units < FEWEST:
        return "inconclusive", (
            f"The map does better on average; {units} units are too few (below {FEWEST}) for an "
            "interval."
        )
    return "inconclusive", "The map does better on average, but not surely over units."


def _above_zero(found: Interval, values: Floats) -> bool:
    if found.low is not None:
        return found.low > 0
    return len(values) >= FEWEST_TO_REASSURE and bool(values.min() > 0)


def _below_zero(found: Interval, values: Floats) -> bool:
    if found.high is not None:
        return found.high < 0
    return len(values) >= FEWEST_TO_REASSURE and bool(values.max() < 0)
