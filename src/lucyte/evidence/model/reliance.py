"""Whether this model relies on the background: exchange it and watch the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lucyte.evidence.model.donors import Donors, NoDonorError
from lucyte.evidence.model.exchange import EXCHANGES, Exchange, Moved, move, sample
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Predictor
from lucyte.stats.intervals import FEWEST, Interval

__all__ = ["Exchange", "model_relies"]

JUDGED = ("medium", "level")
"""A model that subtracts the local background answers wrongly when only its surroundings are
exchanged, though it is right in any real medium; so that exchange is shown, not judged."""


@dataclass(frozen=True)
class Asked:
    """The words of one question about reliance, and which of its exchanges are judged.

    Attributes
    ----------
    name, question : str
        Of the Finding.
    what : str
        What is exchanged, in the plural, to begin a sentence with.
    done : str
        What was done to the cells, to begin the Finding's sentence with.
    guilty : str
        What follows where it fails.
    exchanges : mapping of str to str
        Every exchange and what it moves, in words.
    judged : tuple of str
        Those that count; the others are shown.
    assumed : tuple of str
    reviewer : str
    """

    name: str
    question: str
    what: str
    done: str
    guilty: str
    exchanges: Mapping[str, str]
    judged: tuple[str, ...]
    assumed: tuple[str, ...]
    reviewer: str


BACKGROUND = Asked(
    name="background.model_relies",
    question="Does this model look at the cell rather than at the background?",
    what="Backgrounds",
    done="Giving each cell the background of the other class",
    guilty="this model reads the background",
    exchanges=EXCHANGES,
    judged=JUDGED,
    assumed=(
        "medium light adds through the cell as it does beside it",
        "outlines hold the whole cell",
    ),
    reviewer="Paired exchange of background between classes",
)


def model_relies(predictor: Predictor, crops: CropSet, how: Exchange | None = None) -> Finding:
    """Give each cell the background of the other class and see how far its answer moves.

    For a cell of class a and a donor of class b in another unit, the answer is the logit margin
    ``s = logit_b - logit_a``. Reliance is ``(move with the donor of b) - (move with a donor of a,
    the sham)``, as a share of the distance between the classes: 0, the background does not
    matter; 1, it decides all. Averaged over the cells of each unit, then over units.

    Parameters
    ----------
    predictor : Predictor
        Its channels may include ``mask:cell``, which stays the cell's own.
    crops : CropSet
        Cells; cell-free places serve as donors where there are any, otherwise the cell-free
        pixels of other crops, drawn pixel by pixel.
    how : Exchange

    Returns
    -------
    Finding
        ``background.model_relies``; every exchange in its details.

    Raises
    ------
    UsageError
        No cells, one class, or classes that the model does not know.
    """
    settings = how or Exchange()
    cells = sample(crops.of_kind("cell"), settings)
    if len(cells.classes) < 2:
        raise UsageError(f"exchanging backgrounds needs cells of two classes, got {cells.classes}.")
    strange = sorted(set(cells.classes) - set(predictor.classes))
    if strange:
        raise UsageError(
            f"the model knows the classes {list(predictor.classes)}, the cells are {strange}; "
            "give the cells' states under the model's names."
        )
    donors = Donors.of(crops, settings.halo_px)
    try:
        moved, gap = move(predictor, cells, donors, settings)
    except NoDonorError as error:
        return not_exchanged(BACKGROUND, str(error), crops.unit)
    if moved is None:
        return not_exchanged(BACKGROUND, nothing_to_rely_on(gap), crops.unit)
    limits = (settings.margin, settings.fails_at)
    return reliance_finding(moved, gap, crops.unit, limits, BACKGROUND)


def nothing_to_rely_on(gap: float) -> str:
    """The sentence for a model whose answers do not lean to the right class."""
    return (
        "The model does not tell the classes apart here, or not surely (its answers to them differ "
        f"by {gap:.2f} logits on average), so there is nothing for it to rely on."
    )


def reliance_finding(
    moved: dict[str, Moved], gap: float, unit: str, limits: tuple[float, float], asked: Asked
) -> Finding:
    """One Finding from every exchange; the worst of those that are judged counts.

    Parameters
    ----------
    moved : mapping of exchange to Moved
    gap : float
        Distance between the classes, logits.
    unit : str
        What n counts.
    limits : (float, float)
        Share that is allowed, and share from which it fails.
    asked : Asked
    """
    allowed, fails_at = limits
    judged = [name for name in asked.judged if name in moved]
    name = max(judged, key=lambda each: moved[each].reliance.estimate)
    worst = moved[name].reliance
    values = list(moved[name].units.values())
    upset = float(np.mean(np.abs(list(moved[name].sham.values()))))
    verdict: Verdict = "inconclusive"
    seen = (
        f"{asked.done} ({asked.exchanges[name]}) moves its answer "
        f"{worst.estimate:z.0%} of the way to that class{_range(worst, values, unit)} and turns "
        f"{moved[name].flipped:z.0%} of the answers (exchange within the class: "
        f"{moved[name].flipped_sham:z.0%})"
    )
    ahead = sum(value > allowed for value in values) / len(values)
    if worst.estimate >= fails_at and ahead >= 0.75:
        verdict, rest = "fail", asked.guilty
    elif upset > fails_at:
        rest = (
            f"but an exchange within the class moves answers by {upset:z.0%} too, so the model "
            "reacts to the exchange itself"
        )
    elif _reassures([moved[each] for each in judged], allowed):
        verdict, rest = "pass", f"below the {allowed:z.0%} allowed"
    else:
        rest = f"neither below the {allowed:z.0%} allowed nor decisive"
    return Finding(
        name=asked.name,
        question=asked.question,
        verdict=verdict,
        statistic=worst.estimate,
        low=worst.low,
        high=worst.high,
        n=worst.n,
        unit=unit,
        assumed=(*asked.assumed, f"{unit}s are independent"),
        why=f"{seen}: {rest}.",
        statistic_name="reliance",
        details={
            "exchanges": [
                _told(each, moved[each], asked.exchanges[each], each in judged) for each in moved
            ],
            "class_distance_logits": gap,
            "margin": allowed,
            "fails_at": fails_at,
            "reviewer": (
                f"{asked.reviewer} against a sham exchange within "
                f"class from another {unit}; shift of the logit margin over the distance between "
                f"class means of {unit} means ({gap:.2f} logits)."
            ),
        },
    )


def _reassures(judged: Sequence[Moved], allowed: float) -> bool:
    for own in judged:
        if own.reliance.n < FEWEST:
            if own.reliance.n < 4 or max(own.units.values()) >= allowed:
                return False
        elif own.reliance.high is None or own.reliance.high >= allowed:
            return False
    return True


def _told(name: str, moved: Moved, what: str, judged: bool) -> dict[str, Any]:
    return {
        "exchange": name,
        "what": what,
        "judged": judged,
        "reliance": moved.reliance.estimate,
        "low": moved.reliance.low,
        "high": moved.reliance.high,
        "per_unit": dict(moved.units),
        "sham_per_unit": dict(moved.sham),
        "flipped": moved.flipped,
        "flipped_sham": moved.flipped_sham,
    }


def _range(interval: Interval, values: list[float], unit: str) -> str:
    if interval.low is not None and interval.high is not None:
        return f" ({interval.low:z.0%} to {interval.high:z.0%}, {interval.n} {unit}s)"
    return f" ({interval.n} {unit}s: {', '.join(f'{v:z.0%}' for v in values)})"


def not_exchanged(asked: Asked, why: str, unit: str) -> Finding:
    """The Finding where nothing could be exchanged, with the reason."""
    return Finding(
        name=asked.name,
        question=asked.question,
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        unit=unit,
        assumed=(),
        why=why if why.endswith(".") else f"{asked.what} could not be exchanged: {why}.",
        statistic_name="reliance",
        details={"reviewer": f"{asked.reviewer}: not done."},
    )
