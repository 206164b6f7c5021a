"""How far two ways of measuring, or two people, agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
LIMIT = 1.96


@dataclass(frozen=True)
class Agreement:
    """Bland and Altman's comparison of two measurements of the same units.

    Attributes
    ----------
    bias : float
        Mean of prediction minus reference, in the unit of the readout.
    sd : float
        Standard deviation of the differences (n - 1); nan with one pair.
    low, high : float
        Limits of agreement, ``bias -/+ 1.96 sd``.
    n : int
        Pairs.
    """

    bias: float
    sd: float
    low: float
    high: float
    n: int


def limits_of_agreement(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> Agreement:
    """Bias and limits of agreement; pairs with a nan are left out.

    References
    ----------
    Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8.
    """
    a, b = _pairs(prediction, reference)
    gap = a - b
    bias = float(gap.mean()) if len(gap) else math.nan
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else math.nan
    return Agreement(bias, sd, bias - LIMIT * sd, bias + LIMIT * sd, len(gap))


def concordance(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Lin's concordance correlation ``2 s_ab / (s_a^2 + s_b^2 + (mean_a - mean_b)^2)``.

    Moments divide by n. nan where `why_no_concordance` has a reason.

    References
    ----------
    Lin 1989, doi 10.2307/2532051.
    """
    if why_no_concordance(prediction, reference):
        return math.nan
    a, b = _pairs(prediction, reference)
    below = float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    return float(2 * ((a - a.mean()) * (b - b.mean())).mean() / below)


def why_no_concordance(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> str:
    """Why two measurements have no concordance; empty where they have one.

    One pair, or two constants, hold no spread that could agree or not.
    """
    a, b = _pairs(prediction, reference)
    if len(a) < 2:
        return "fewer than 2 pairs"
    return "" if np.ptp(a) > 0 or np.ptp(b) > 0 else "neither of both varies"


def kappa(
    first: Sequence[Any],
    second: Sequence[Any],
    order: Sequence[Any] | None = None,
    weights: Literal["none", "linear", "quadratic"] = "none",
) -> float:
    """Cohen's kappa of two raters; nan where chance alone would agree always.

    Parameters
    ----------
    first, second : sequence of N labels
    order : sequence of labels
        Classes in rank order, for weights; sorted where not given.
    weights : {"none", "linear", "quadratic"}

    References
    ----------
    Cohen 1968, doi 10.1037/h0026256.
    """
    if len(first) != len(second):
        raise UsageError(f"two raters must rate the same things, got {len(first)}, {len(second)}.")
    classes = list(order) if order is not None else sorted(set(first) | set(second))
    place = {each: k for k, each in enumerate(classes)}
    for each in [*first, *second]:
        if each not in place:
            raise unknown("class", str(each), [str(name) for name in classes])
    table = np.zeros((len(classes), len(classes)))
    for a, b in zip(first, second, strict=True):
        table[place[a], place[b]] += 1
    gap = np.abs(np.subtract.outer(np.arange(len(classes)), np.arange(len(classes))))
    costs = {"none": gap > 0, "linear": gap, "quadratic": gap**2}
    if weights not in costs:
        raise unknown("weights", weights, costs)
    cost = np.asarray(costs[weights], dtype=np.float64)
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1)
    expected = float((cost * chance).sum())
    return 1 - float((cost * table).sum()) / expected if expected > 0 else math.nan


def _pairs(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(prediction, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise UsageError(f"prediction {a.shape} and reference {b.shape} must pair one to one.")
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]
