"""What decisions cost: expected cost, net benefit, likelihood ratio, F-beta, weighted kappa.

A confusion matrix is ``truth x answer``, as :func:`lucyte.stats.classification.confusion` gives it.
Undefined is nan, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown
from lucyte.stats.classification import Counts, Floats

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class ExpectedCost:
    """What an answer costs on average.

    Attributes
    ----------
    value : float
        In the unit of the costs, per object.
    naive : float
        Of the best single answer given to every object.
    normalised : float
        ``value / naive``: below 1 the answers are worth more than no answers.
    best_answer : int
        The class of that single answer; -1 where undefined.
    undefined : str
        Why values are nan; empty where none is.
    """

    value: float
    naive: float
    normalised: float
    best_answer: int
    undefined: str = ""


def expected_cost(
    table: Counts, costs: npt.ArrayLike | None = None, shares: npt.ArrayLike | None = None
) -> ExpectedCost:
    """Mean cost of the answers, and beside the cheapest thing to say of everything.

    ``EC = sum_ij P_i c_ij R_ij`` with ``R_ij`` the share of class i that is answered j, and
    ``EC_naive = min_j sum_i P_i c_ij``.

    Parameters
    ----------
    table : int array C x C
    costs : array C x C, optional
        ``c_ij`` of answering j where i is true; at least 0. Without, a wrong answer costs
        ``1 / (C P_i)``, so that every class weighs the same: 1 - balanced accuracy.
    shares : array C, optional
        ``P_i`` where the answers will be used; without, the shares in the data.

    Raises
    ------
    UsageError
        Costs or shares of another shape, or that are none.

    References
    ----------
    Ferrer 2022, arXiv 2209.05355; Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    n = len(table)
    totals = table.sum(axis=1).astype(np.float64)
    if not totals.sum():
        return ExpectedCost(math.nan, math.nan, math.nan, -1, "there is no object to judge")
    p = totals / totals.sum() if shares is None else _shares(shares, n)
    absent = np.flatnonzero((p > 0) & (totals == 0))
    if len(absent):
        why = f"class {int(absent[0])} has a share but no object in the data"
        return ExpectedCost(math.nan, math.nan, math.nan, -1, why)
    c = _equal_costs(p) if costs is None else check_costs(costs, n)
    rates = np.divide(table, totals[:, None], out=np.zeros((n, n)), where=totals[:, None] > 0)
    value = float((p[:, None] * c * rates).sum())
    of_answer = p @ c
    best = int(of_answer.argmin())
    naive = float(of_answer[best])
    why = "" if naive > 0 else "one answer given to everything costs nothing"
    return ExpectedCost(value, naive, value / naive if naive > 0 else math.nan, best, why)


def check_costs(costs: npt.ArrayLike, n: int) -> Floats:
    """Costs as an array ``n x n``; refuses another shape, nan, and what is below 0."""
    c = np.asarray(costs, dtype=np.float64)
    if c.shape != (n, n):
        raise UsageError(f"costs must be {n} classes x {n} answers, got {c.shape}.")
    if not np.isfinite(c).all() or (c < 0).any():
        raise UsageError("costs must be numbers of at least 0.")
    return c


def acting_from(costs: npt.ArrayLike) -> float | None:
    """The probability of the second of two classes from which calling it costs less.

    ``(c_01 - c_00) / (c_01 - c_00 + c_10 - c_11)``; None with more classes, or where one answer is
    always the cheaper one.

    References
    ----------
    Elkan 2001, The Foundations of Cost-Sensitive Learning, IJCAI.
    """
    c = np.asarray(costs, dtype=np.float64)
    if c.shape != (2, 2):
        return None
    alarm, miss = float(c[0, 1] - c[0, 0]), float(c[1, 0] - c[1, 1])
    return alarm / (alarm + miss) if alarm > 0 and miss > 0 else None


def net_benefit(scores: npt.ArrayLike, positive: npt.ArrayLike, threshold: float = 0.5) -> float:
    """``TP / n - FP / n * t / (1 - t)`` of calling positive from probability t on.

    The odds of t are what a false alarm costs in missed positives: at 0.5 both weigh the same.

    Parameters
    ----------
    scores : array N
        Probability of the positive class.
    positive : bool array N
    threshold : float
        More than 0, less than 1.

    References
    ----------
    Vickers and Elkin 2006, doi 10.1177/0272989X06295361.
    """
    p, y = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=np.bool_)
    if p.shape != y.shape or p.ndim != 1:
        raise UsageError(f"got scores {p.shape} for truths {y.shape}; one each.")
    if not 0 < threshold < 1:
        raise UsageError(f"a threshold of net benefit lies between 0 and 1, got {threshold:g}.")
    if not len(p):
        return math.nan
    called = p >= threshold
    hits, alarms = np.count_nonzero(called & y), np.count_nonzero(called & ~y)
    return float((hits - alarms * threshold / (1 - threshold)) / len(p))


def likelihood_ratio(table: Counts) -> Floats:
    """Per class ``sensitivity / (1 - specificity)``: by how much such an answer raises the odds.

    Does not depend on how frequent classes are. nan where a class or its opposite is not there,
    and where there was no false alarm at all, which gives the ratio no upper end.
    """
    n = table.sum()
    there = table.sum(axis=1).astype(np.float64)
    alarms = (table.sum(axis=0) - np.diag(table)).astype(np.float64)
    out: Floats = np.full(len(table), np.nan)
    known = (there > 0) & (there < n) & (alarms > 0)
    sensitive = np.diag(table)[known] / there[known]
    out[known] = sensitive / (alarms[known] / (n - there[known]))
    return out


def f_beta(table: Counts, beta: float = 1.0) -> Floats:
    """Per class; with beta above 1 a missed object weighs more than one made up.

    ``(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)``; nan for a class neither there nor called.

    References
    ----------
    van Rijsbergen 1979, Information Retrieval, chapter 7.
    """
    if not (math.isfinite(beta) and beta > 0):
        raise UsageError(f"beta must be more than 0, got {beta:g}.")
    square = beta**2
    hits = np.diag(table).astype(np.float64)
    missed, alarms = table.sum(axis=1) - hits, table.sum(axis=0) - hits
    below = (1 + square) * hits + square * missed + alarms
    out: Floats = np.full(len(table), np.nan)
    np.divide((1 + square) * hits, below, out=out, where=below > 0)
    return out


def weighted_kappa(table: Counts, weights: Weights = "quadratic") -> float:
    """Agreement beyond chance of ordered classes; nan where chance alone would agree always.

    ``1 - sum w O / sum w E`` with w the distance of the classes in rank, or its square.

    References
    ----------
    Cohen 1968, doi 10.1037/h0026256.
    """
    gap = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table)))).astype(float)
    kinds = {"none": (gap > 0).astype(float), "linear": gap, "quadratic": gap**2}
    if weights not in kinds:
        raise unknown("weights", weights, kinds)
    cost, n = kinds[weights], float(table.sum())
    expected = float((cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1 - float((cost * table).sum()) * n / expected if expected > 0 else math.nan


def _equal_costs(p: Floats) -> Floats:
    each = np.divide(1.0, len(p) * p, out=np.zeros_like(p), where=p > 0)
    return np.where(np.eye(len(p), dtype=bool), 0.0, each[:, None])


def _shares(shares: npt.ArrayLike, n: int) -> Floats:
    p = np.asarray(shares, dtype=np.float64)
    if p.shape != (n,) or not np.isfinite(p).all() or (p < 0).any() or abs(p.sum() - 1) > 1e-6:
        raise UsageError(f"shares must be {n} numbers of at least 0 that add up to 1.")
    return p
