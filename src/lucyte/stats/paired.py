"""Two models on the same units: the difference of a score, and whether chance would give it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.stats.intervals import (
    Interval,
    Names,
    cluster_interval,
    unit_mean_interval,
    unit_means,
)
from lucyte.stats.permutation import Permutation, sign_flip_test

Score = Callable[[npt.NDArray[np.int64], npt.NDArray[np.bool_]], float]
"""Takes rows, and for each whether the second model answers; gives the score."""
EXACT = 4096
"""Most arrangements of a pooled score that are all looked at."""


@dataclass(frozen=True)
class Paired:
    """Second model minus first.

    Attributes
    ----------
    first, second : float
        The score of each, on the units both have.
    difference : Interval
    test : Permutation or None
        Models exchanged within whole units; None where the difference is undefined.
    units : dict of str to float
        Difference of each unit; empty where the score is no mean over units.
    """

    first: float
    second: float
    difference: Interval
    test: Permutation | None
    units: dict[str, float]


def paired_means(
    first: npt.ArrayLike, second: npt.ArrayLike, units: Names, seed: int = 0
) -> Paired:
    """Difference of a score that every row (image) has; rows with a nan in either are left out.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    names = np.asarray(units, dtype=str)
    if not len(a) == len(b) == len(names):
        raise UsageError(f"got {len(a)} and {len(b)} scores for {len(names)} units; pair them.")
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        nothing = Interval(math.nan, None, None, 0, "no row has the score in both")
        return Paired(math.nan, math.nan, nothing, None, {})
    a, b, names = a[known], b[known], names[known]
    found, gaps = unit_means(b - a, names)
    return Paired(
        float(unit_means(a, names)[1].mean()),
        float(unit_means(b, names)[1].mean()),
        unit_mean_interval(b - a, names, seed=seed),
        sign_flip_test(gaps.tolist(), seed=seed),
        dict(zip(found, gaps.tolist(), strict=True)),
    )


def paired_score(
    score: Score, units: Names, seed: int = 0, permutations: int = 999, resamples: int = 499
) -> Paired:
    """Difference of a score that is no mean over rows: AUROC, balanced accuracy, mAP.

    The interval draws whole units for both models together. The test exchanges the models within
    whole units: all arrangements where these are at most 4,096, drawn ones otherwise.

    Parameters
    ----------
    score : callable
        Takes row positions, and for each whether the second model answers.
    units : sequence of N names
    """
    names = np.asarray(units, dtype=str)
    rows = np.arange(len(names))

    def of(drawn: npt.NDArray[np.int64], *, second: bool) -> float:
        return float(score(drawn, np.full(len(drawn), second)))

    one, two = of(rows, second=False), of(rows, second=True)
    if not math.isfinite(one) or not math.isfinite(two):
        n = len(np.unique(names))
        nothing = Interval(math.nan, None, None, n, "the score is undefined for a model")
        return Paired(one, two, nothing, None, {})
    interval = cluster_interval(
        lambda drawn: of(drawn, second=True) - of(drawn, second=False),
        names,
        seed=seed,
        resamples=resamples,
    )
    return Paired(one, two, interval, _exchange(score, names, seed, permutations), {})


def fewest_for_sign_flip(alpha: float = 0.05) -> int:
    """Units below which exchanging two models can never reach alpha: 6 at 0.05."""
    n = 1
    while 2.0 ** (1 - n) > alpha:
        n += 1
    return n


def _exchange(
    score: Score, names: npt.NDArray[Any], seed: int, permutations: int
) -> Permutation | None:
    found, at = np.unique(names, return_inverse=True)
    n, rows = len(found), np.arange(len(names))
    exact = n < 63 and 2**n <= EXACT
    if exact:
        turned = (np.arange(2**n)[:, None] >> np.arange(n)[None] & 1).astype(bool)
    else:
        turned = np.random.default_rng(seed).random((permutations, n)) < 0.5
    values = np.array([score(rows, ~own[at]) - score(rows, own[at]) for own in turned])
    observed = score(rows, np.ones(len(rows), dtype=bool))
    observed -= score(rows, np.zeros(len(rows), dtype=bool))
    if not np.isfinite(values).all():
        return None
    slack = 1e-12 * max(1.0, float(np.abs(values).max(initial=abs(observed))))
    beaten = int(np.count_nonzero(np.abs(values) >= abs(observed) - slack))
    if exact:
        return Permutation(observed, beaten / len(values), 2 / len(values), len(values), True)
    total = permutations + 1
    floor = max(1 / total, 2.0 ** (1 - n))
    return Permutation(observed, (beaten + 1) / total, floor, total, False)
