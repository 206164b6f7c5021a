r"""The response curve: how far a model's answer goes with the dose of a virtual perturbation.

For each dose the change of the target's probability and of its margin in logits, cell by cell,
averaged over each independent unit. Asked of the *model*: what would you say if this were
otherwise? Changing a cause in the picture moves a model that looks at it; that the cause moves the
*cells* is another question.

References
----------
Soelistyo et al. 2022, doi 10.1038/s42256-022-00503-6 (edits of input or latents, the change of the
output compared with known biology). Spearman 1904, doi 10.2307/1412159.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from scipy.stats import spearmanr

from lucyte.explain.perturbation.kinds import Perturbation, perturb
from lucyte.explain.perturbation.scene import Scene
from lucyte.learn.margins import class_margin
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Predictor
from lucyte.stats.intervals import (
    FEWEST_TO_REASSURE,
    Interval,
    unit_mean_interval,
    unit_means,
    why_open,
)

Floats = npt.NDArray[np.float64]
MOVES = 0.1
"""Change of a probability that counts as an answer that moved."""
STEADY = 0.9
"""Rank correlation of dose and mean answer from which a curve is called monotone: of five levels
two neighbours may change places, as where the smallest dose takes no spot from most cells."""
ROUNDING = 1e-9
"""A rank correlation of exactly the limit may come out a last digit below it."""


@dataclass(frozen=True)
class Response:
    """What the model answered at each dose.

    Attributes
    ----------
    perturbation : Perturbation
    target : str
    levels : tuple of float
        From 0.
    probability, margin : float array N S
        Of the target: softmax of the model's logits, and its logit less the largest other one.
    groups : tuple of str
    unit : str
    """

    perturbation: Perturbation
    target: str
    levels: tuple[float, ...]
    probability: Floats
    margin: Floats
    groups: tuple[str, ...]
    unit: str

    def per_unit(self, what: str = "probability") -> dict[str, Floats]:
        """Mean change from level 0 at each level, by unit; of probability or margin."""
        if what not in ("probability", "margin"):
            raise unknown("answer", what, ("probability", "margin"))
        change = self._change(what)
        names = np.asarray(self.groups, dtype=str)
        return {str(u): change[names == u].mean(axis=0) for u in np.unique(names)}

    def curve(self, what: str = "probability") -> tuple[Interval, ...]:
        """Mean over units of the change from level 0, at each level, with its interval."""
        change = self._change(what)
        return tuple(unit_mean_interval(column, self.groups) for column in change.T)

    def flipped(self) -> Floats:
        """Share of cells that are answered otherwise than at level 0, at each level; mean of units.

        An answer counts as the target or not.
        """
        said = self.margin > 0
        turned = (said != said[:, :1]).astype(np.float64)
        return np.array([unit_means(column, self.groups)[1].mean() for column in turned.T])

    @property
    def steadiness(self) -> float:
        """Rank correlation of level and mean answer; nan where the answer never changes."""
        means = [each.estimate for each in self.curve("margin")]
        if np.ptp(means) == 0:
            return float("nan")
        return float(spearmanr(self.levels, means).statistic)

    def _change(self, what: str) -> Floats:
        told = self.probability if what == "probability" else self.margin
        change: Floats = told - told[:, :1]
        return change


def response(
    model: Predictor,
    scene: Scene,
    perturbation: Perturbation,
    target: str,
    levels: Sequence[float] | None = None,
    seed: int = 0,
) -> Response:
    """Ask a model about the same cells at rising doses of a perturbation.

    Parameters
    ----------
    model : Predictor
    scene : Scene
        In the model's channels, in its order; ``mask:cell`` included where it takes one.
    perturbation : Perturbation
    target : str
        The class whose answer is followed.
    levels : sequence of float, optional
        Rising from 0; those of the row where None.
    seed : int

    Raises
    ------
    UsageError
        No cells, a class or channel the model does not know, levels that do not rise from 0.
    """
    if target not in model.classes:
        raise unknown("class", target, model.classes)
    if tuple(scene.channels) != tuple(model.channels):
        raise UsageError(
            f"the model takes channels {', '.join(model.channels)}; "
            f"the scene has {', '.join(scene.channels)}."
        )
    if not len(scene):
        raise UsageError("there is no cell to ask about.")
    asked = perturbation.checked(scene, None if levels is None else tuple(levels))
    at = np.full(len(scene), model.classes.index(target), dtype=np.int64)
    probability, margin = [], []
    for level in asked:
        logits = model.logits(perturb(scene, perturbation, level, seed))
        probability.append(softmax(logits, axis=1)[:, at[0]])
        margin.append(class_margin(logits, at))
    return Response(
        perturbation,
        target,
        asked,
        np.stack(probability, axis=1),
        np.stack(margin, axis=1),
        scene.groups,
        scene.unit,
    )


def response_finding(
    found: Response,
    expected: str = "moves",
    sham: Response | None = None,
    of: str = "",
) -> Finding:
    """Whether the dose moves the answer, or leaves it where it is, as it should.

    *moves* passes when the change at the full dose, beyond the sham's, is above 0.1 of probability
    with certainty and the curve is monotone; it fails when it is surely below. *stays* is the other
    way round, and asks for no monotone curve.

    Parameters
    ----------
    found : Response
    expected : {"moves", "stays"}
    sham : Response, optional
        The same motions at places without spots (`elsewhere`); what it changes is taken off.
    of : str
        What was perturbed, in words, where the perturbation does not say: "true spots".

    Raises
    ------
    UsageError
        Another word, or a sham of other cells or levels.
    """
    if expected not in ("moves", "stays"):
        raise unknown("expectation", expected, ("moves", "stays"))
    change = found.probability[:, -1] - found.probability[:, 0]
    if sham is not None:
        if sham.groups != found.groups or sham.levels != found.levels:
            raise UsageError("the sham must be of the same cells and levels.")
        change = change - (sham.probability[:, -1] - sham.probability[:, 0])
    names, values = unit_means(change, found.groups)
    interval = unit_mean_interval(change, found.groups)
    size = _size(interval, values)
    monotone = bool(abs(found.steadiness) >= STEADY - ROUNDING)
    verdict = _verdict(expected, size, monotone)
    words = found.perturbation.words + (f": {of}" if of else "")
    sense = "changes" if expected == "moves" else "leaves"
    return Finding(
        f"perturbation.{found.perturbation.kind}",
        f"Is it so that {words} {sense} the model's answer {found.target}?",
        verdict,
        float(interval.estimate),
        interval.low,
        interval.high,
        len(names),
        found.unit,
        ("the changed pictures look like pictures that could have been taken",),
        _why(found, words, (interval.estimate, verdict, expected, monotone)),
        "change of probability at the full dose" + (" beyond the sham" if sham else ""),
        "explanation",
        _details(found, sham, interval, (names, values)),
    )


def _size(interval: Interval, values: Floats) -> tuple[float, float]:
    """Least and largest size of the change that the data allow."""
    if interval.low is None or interval.high is None:
        if len(values) < FEWEST_TO_REASSURE:
            return 0.0, math.inf
        one_side = bool((values > 0).all() or (values < 0).all())
        return (float(np.abs(values).min()) if one_side else 0.0), float(np.abs(values).max())
    low, high = interval.low, interval.high
    least = max(low, -high, 0.0)
    return least, max(abs(low), abs(high))


def _verdict(expected: str, size: tuple[float, float], monotone: bool) -> Verdict:
    least, most = size
    if expected == "stays":
        return "pass" if most < MOVES else "fail" if least >= MOVES else "inconclusive"
    if least >= MOVES:
        return "pass" if monotone else "inconclusive"
    return "fail" if most < MOVES else "inconclusive"


def _why(found: Response, words: str, told: tuple[float, Verdict, str, bool]) -> str:
    change, verdict, expected, monotone = told
    units = len(set(found.groups))
    text = (
        f"{words[0].upper()}{words[1:]} takes the probability of {found.target} "
        f"{'up' if change > 0 else 'down'} by {abs(change):.2f} at the full dose"
    )
    text += f" and turns {found.flipped()[-1]:.0%} of the answers"
    if expected == "moves":
        return (
            text
            + {
                "pass": ": the more, the further, so the model looks at it.",
                "fail": ": the model hardly looks at it.",
                "inconclusive": "; the answer does not follow the dose steadily."
                if not monotone
                else why_open(units, found.unit),
            }[verdict]
        )
    return (
        text
        + {
            "pass": ", as little as it should.",
            "fail": ", though it should not matter: the model relies on what it should not.",
            "inconclusive": why_open(units, found.unit).removesuffix(".")
            + " that it does not matter.",
        }[verdict]
    )


def _details(
    found: Response,
    sham: Response | None,
    interval: Interval,
    units: tuple[tuple[str, ...], Floats],
) -> dict[str, Any]:
    curve = found.curve()
    return {
        "reviewer": (
            f"Mean over {found.unit}s of the change of softmax probability from level 0; "
            f"{interval.method}; an answer moves from {MOVES:g}; Spearman of level and mean margin "
            f"{found.steadiness:.2f} (monotone from {STEADY:g})."
        ),
        "dose": found.perturbation.row.dose,
        "levels": list(found.levels),
        "curve": [each.estimate for each in curve],
        "low": [each.low for each in curve],
        "high": [each.high for each in curve],
        "margin": [each.estimate for each in found.curve("margin")],
        "flipped": list(map(float, found.flipped())),
        "sham": None if sham is None else [each.estimate for each in sham.curve()],
        "per_unit": dict(zip(units[0], map(float, units[1]), strict=True)),
        "curves_per_unit": {name: list(map(float, v)) for name, v in found.per_unit().items()},
    }
