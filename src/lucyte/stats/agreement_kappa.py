"""Two annotators: kappa, agreement per class and confusion, with intervals over groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown
from lucyte.stats.intervals import Interval, cluster_interval

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassAgreement:
    """How far two annotators agree on one class.

    Attributes
    ----------
    name : str
    specific : Interval
        Positive agreement: 2 x called so by both / (called so by one + by the other); nan where
        neither called anything so.
    both, first, second : int
        Things called so by both, by the first, by the second.
    """

    name: str
    specific: Interval
    both: int
    first: int
    second: int


@dataclass(frozen=True)
class PairAgreement:
    """Two annotators of the same things.

    Attributes
    ----------
    classes : tuple of K str
    confusion : int array K x K
        Rows: the first annotator.
    observed : Interval
        Share of things called alike.
    kappa : Interval
        Cohen's; nan where chance alone would agree always.
    per_class : tuple of ClassAgreement
    n : int
        Things both called.
    """

    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    observed: Interval
    kappa: Interval
    per_class: tuple[ClassAgreement, ...]
    n: int


def pair_agreement(
    first: Sequence[str],
    second: Sequence[str],
    groups: Sequence[str],
    classes: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> PairAgreement:
    r"""Cohen's kappa of two annotators, whole groups drawn together for its interval.

    .. math:: \kappa = \frac{p_o - p_e}{1 - p_e}, \qquad
              p_o = \sum_k n_{kk} / N, \quad p_e = \sum_k n_{k\cdot} n_{\cdot k} / N^2

    and per class :math:`2 n_{kk} / (n_{k\cdot} + n_{\cdot k})`. Intervals are those of
    `lucyte.stats.intervals.cluster_interval`: none with fewer than 6 groups; limits are cut off at
    what the number can be.

    Parameters
    ----------
    first, second : sequence of N str
        What each called the same N things.
    groups : sequence of N str
        The independent unit of each thing.
    classes : sequence of str
        In the order to show; sorted where not given.

    Raises
    ------
    UsageError
        Lengths differ, nothing to compare, a label that is no class.

    References
    ----------
    Cohen 1960, doi 10.1177/001316446002000104. Cicchetti and Feinstein 1990,
    doi 10.1016/0895-4356(90)90159-M.
    """
    if not len(first) == len(second) == len(groups):
        raise UsageError(
            "two annotators must call the same things, each with a group; got "
            f"{len(first)}, {len(second)} and {len(groups)}."
        )
    if not len(first):
        raise UsageError("the two annotators have called nothing in common yet.")
    names = tuple(classes) if classes is not None else tuple(sorted({*first, *second}))
    a, b = _codes(first, names), _codes(second, names)
    count = len(names)

    def table(rows: Codes) -> npt.NDArray[np.int64]:
        return np.bincount(a[rows] * count + b[rows], minlength=count**2).reshape(count, count)

    def over(statistic: object, low: float) -> Interval:
        assert callable(statistic)
        found = cluster_interval(lambda rows: statistic(table(rows)), groups, level, seed)
        return _cut_off(found, low)

    whole = table(np.arange(len(a)))
    per_class = []
    for k, name in enumerate(names):
        rows, columns = int(whole[k].sum()), int(whole[:, k].sum())
        found = over(lambda counts, k=k: _specific(counts, k), 0.0)
        per_class.append(ClassAgreement(name, found, int(whole[k, k]), rows, columns))
    return PairAgreement(
        names,
        whole,
        over(lambda counts: float(np.trace(counts) / counts.sum()), 0.0),
        over(kappa_of_table, -1.0),
        tuple(per_class),
        len(a),
    )


def kappa_of_table(counts: npt.NDArray[np.int64]) -> float:
    """Cohen's kappa of a confusion table; nan where chance alone would agree always."""
    total = float(counts.sum())
    if total == 0:
        return math.nan
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0)) / total**2
    if 1 - chance <= 1e-12:
        return math.nan
    return (float(np.trace(counts)) / total - chance) / (1 - chance)


def _specific(counts: npt.NDArray[np.int64], k: int) -> float:
    called = int(counts[k].sum() + counts[:, k].sum())
    return 2 * int(counts[k, k]) / called if called else math.nan


def _cut_off(found: Interval, low: float) -> Interval:
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(low, found.low), high=min(1.0, found.high))


def _codes(labels: Sequence[str], names: Sequence[str]) -> Codes:
    place = {name: k for k, name in enumerate(names)}
    for each in labels:
        if each not in place:
            raise unknown("class", str(each), names)
    return np.array([place[each] for each in labels], dtype=np.int64)
