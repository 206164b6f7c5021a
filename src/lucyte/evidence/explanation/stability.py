r"""Sensitivity: how far a map moves when the picture hardly does.

.. math:: S = \max_{\lVert \delta \rVert_\infty \le r}
          \frac{\lVert R(x + \delta) - R(x) \rVert}{\lVert R(x) \rVert}

over random draws of uniform noise. A map that never changes has S = 0 and says nothing, so S is
put beside D, the same distance to the map of another cell.

References
----------
Yeh et al. 2019, arXiv 1901.09392.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.controls import CONTROLS, WORDS, control_maps
from lucyte.evidence.explanation.examined import Examined, ExamSettings, ask_again, is_map
from lucyte.evidence.explanation.judging import Question, undecided, without_map
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST_TO_REASSURE, unit_mean_interval, unit_means

Floats = npt.NDArray[np.float64]

ASKED = Question(
    "sensitivity",
    "Does the map stay when the picture changes by invisible noise?",
    "largest relative change of the map",
    "Invisible noise moves the map less than another cell does: it belongs to the cell.",
    (
        "noise of this size changes nothing that a person would see",
        "steady is not true: edges and bright pixels are steady, too",
    ),
)
OF_PICTURE = ("edge", "intensity")


def sensitivity(case: Examined, settings: ExamSettings) -> Finding:
    """Guard: fails where noise moves the map as far as another cell does.

    Controls are told beside it; they cannot decide, for a map of edges is steady and a fixed spot
    does not move at all.
    """
    gone = np.flatnonzero(~is_map(case.maps)).tolist()
    if len(gone) == len(case):
        return undecided(case, ASKED, "There is no map: every one is flat or holds no numbers.")
    if len(case) < 2:
        return undecided(case, ASKED, "There is one cell only, and no other map to compare with.")
    rng = np.random.default_rng(settings.seed)
    copies = [noisy(case, settings.radius, rng) for _ in range(settings.draws)]
    maps = [ask_again(case, case.predictor, each)[0] for each in copies]
    moved = np.max([change(case.maps, each) for each in maps], axis=0)
    apart = change(case.maps, case.maps[another(case)])
    ready = np.isfinite(moved) & np.isfinite(apart)
    if not ready.any():
        return undecided(case, ASKED, "No cell has a map before and after the noise.")
    units_of = [group for group, fine in zip(case.groups, ready, strict=True) if fine]
    gain = unit_mean_interval((apart - moved)[ready], units_of, seed=settings.seed)
    units, values = unit_means((apart - moved)[ready], units_of)
    verdict, because = _judge(gain.low, values)
    beside = _controls(case, copies, settings)
    return Finding(
        name=f"{case.method}.{ASKED.name}",
        question=ASKED.question,
        verdict=verdict,
        statistic=gain.estimate,
        low=gain.low,
        high=gain.high,
        n=gain.n,
        unit=case.unit,
        assumed=ASKED.assumed,
        why=f"{because} Noise moves the map by {moved[ready].mean():.2f} of its own size, another "
        f"cell by {apart[ready].mean():.2f}.{without_map(case, gone)}",
        statistic_name="change between cells less change under noise",
        group="explanation",
        details={
            "reviewer": f"max-sensitivity over {settings.draws} draws of uniform noise of "
            f"{settings.radius:g} deviations; {gain.method}.",
            "noise": float(moved[ready].mean()),
            "between_cells": float(apart[ready].mean()),
            "controls": {WORDS[name]: value for name, value in beside.items()},
            "units": dict(zip(units, values.tolist(), strict=True)),
            "no_map": [case.names[k] for k in gone],
        },
    )


def noisy(case: Examined, radius: float, rng: np.random.Generator) -> Floats:
    """The crops with uniform noise of ``radius`` deviations of each channel; masks untouched."""
    out = case.crops.astype(np.float64)
    spread = out[:, case.light].std(axis=(2, 3), keepdims=True)
    out[:, case.light] += rng.uniform(-radius, radius, out[:, case.light].shape) * spread
    return out


def change(first: Floats, second: Floats) -> Floats:
    """Distance of two maps over the size of the first, ``N``; nan where that has none."""
    flat = first.reshape(len(first), -1)
    size = np.linalg.norm(flat, axis=1)
    moved = np.linalg.norm(second.reshape(len(second), -1) - flat, axis=1)
    out: Floats = np.divide(moved, size, out=np.full(len(first), np.nan), where=size > 0)
    return out


def another(case: Examined) -> npt.NDArray[np.int64]:
    """For each crop the next one explained for the same class; the next at all where none is."""
    n = len(case)
    out = np.empty(n, dtype=np.int64)
    for k in range(n):
        later = [(k + step) % n for step in range(1, n)] or [k]
        out[k] = next((j for j in later if case.targets[j] == case.targets[k]), later[0])
    return out


def _controls(case: Examined, copies: list[Floats], settings: ExamSettings) -> dict[str, float]:
    def of(name: str, crops: Floats) -> Floats:
        rng = np.random.default_rng(settings.seed)
        return control_maps(case.predictor.channels, crops, case.maps, rng)[name]

    out = {}
    for name in OF_PICTURE:
        before = of(name, case.crops.astype(np.float64))
        out[name] = float(np.nanmean(np.max([change(before, of(name, x)) for x in copies], axis=0)))
    return {name: out.get(name, 0.0) for name in CONTROLS if name in out or name == "centre"}


def _judge(low: float | None, values: Floats) -> tuple[Verdict, str]:
    if values.mean() <= 0:
        return "fail", "Invisible noise moves the map as far as another cell does."
    sure = low > 0 if low is not None else len(values) >= FEWEST_TO_REASSURE and values.min() > 0
    if sure:
        return "pass", ASKED.passed
    return "inconclusive", "Noise moves the map less than another cell does, but not surely."
