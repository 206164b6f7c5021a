"""Permutation tests over independent units: labels of whole units are exchanged, never of cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Alternative = Literal["two-sided", "greater"]


@dataclass(frozen=True)
class Permutation:
    """What a permutation test says, and the least it could have said.

    Attributes
    ----------
    observed : float
        The statistic with the true labels.
    p : float
        ``(b + 1) / (m + 1)``; the observed arrangement is one of the m + 1.
    smallest_p : float
        The smallest p that this test can reach with these units.
    arrangements : int
        How many were looked at, the observed one included.
    exact : bool
        Whether they are all there are.
    """

    observed: float
    p: float
    smallest_p: float
    arrangements: int
    exact: bool

    def can_reach(self, alpha: float) -> bool:
        """Whether any outcome would have been significant at ``alpha``."""
        return self.smallest_p <= alpha


def permutation_test(
    statistic: Callable[[npt.NDArray[Any]], float],
    labels: Sequence[Any],
    alternative: Alternative = "two-sided",
    permutations: int = 9999,
    seed: int = 0,
) -> Permutation:
    """Exchange the labels of the units and see how often the statistic is as extreme.

    Every arrangement is looked at where there are at most ``permutations + 1``; otherwise that
    many are drawn.

    Parameters
    ----------
    statistic : callable
        Takes one label per unit, returns a number that is 0 in the middle (a difference of
        means; AUROC - 0.5). Nan is refused.
    labels : sequence
        One label per independent unit (see `unit_labels`).
    alternative : {"two-sided", "greater"}
        ``two-sided`` compares absolute values.

    Raises
    ------
    UsageError
        Only one class, or the statistic is undefined.

    References
    ----------
    Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    if alternative not in ("two-sided", "greater"):
        raise unknown("alternative", alternative, ["two-sided", "greater"])
    truth = np.asarray(labels)
    if len(np.unique(truth)) < 2:
        raise UsageError("a permutation needs units of at least two classes; got one.")
    total = count_arrangements(truth.tolist())
    exact = total <= permutations + 1
    rng = np.random.default_rng(seed)
    rows: Iterator[npt.NDArray[Any]] = (
        _arrangements(truth) if exact else (rng.permutation(truth) for _ in range(permutations))
    )
    observed = float(statistic(truth))
    values = np.array([float(statistic(row)) for row in rows])
    if not (math.isfinite(observed) and np.isfinite(values).all()):
        raise UsageError("the statistic is undefined for some arrangement of the labels.")
    extreme, reached = (values, observed)
    if alternative == "two-sided":
        extreme, reached = np.abs(values), abs(observed)
    slack = 1e-12 * max(1.0, float(extreme.max(initial=reached)))
    beaten = int(np.count_nonzero(extreme >= reached - slack))
    if exact:
        # What the design allows: ties of this data say nothing of how many units would do.
        floor = smallest_p(truth.tolist(), alternative)
        return Permutation(observed, beaten / total, floor, total, True)
    floor = max(1 / (permutations + 1), smallest_p(truth.tolist(), alternative))
    return Permutation(observed, (beaten + 1) / (permutations + 1), floor, permutations + 1, False)


def unit_labels(
    labels: Sequence[str], units: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The one label of each unit, units sorted.

    Raises
    ------
    UsageError
        A unit holds several labels: the cause was not assigned to it.
    """
    if len(labels) != len(units):
        raise UsageError(f"got {len(labels)} labels for {len(units)} units.")
    held: dict[str, set[str]] = {}
    for label, unit in zip(labels, units, strict=True):
        held.setdefault(str(unit), set()).add(str(label))
    for unit, found in sorted(held.items()):
        if len(found) > 1:
            raise UsageError(
                f"unit {unit!r} holds {sorted(found)}; permuting whole units needs one label each. "
                "Take the level at which the cause was assigned as the unit."
            )
    names = tuple(sorted(held))
    return names, tuple(next(iter(held[name])) for name in names)


def count_arrangements(labels: Sequence[Any]) -> int:
    """In how many ways these labels can be dealt to their units."""
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    return math.factorial(int(counts.sum())) // math.prod(math.factorial(int(c)) for c in counts)


def smallest_p(labels: Sequence[Any], alternative: Alternative = "two-sided") -> float:
    """The smallest p any statistic can reach with these labels: 3 against 3 gives 0.10.

    Two-sided with two classes of equal size every arrangement has its mirror image.
    """
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    mirrored = alternative == "two-sided" and len(counts) == 2 and counts[0] == counts[1]
    return (2 if mirrored else 1) / count_arrangements(labels)


def _arrangements(labels: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Every distinct order of the labels, in lexicographic order (Knuth's algorithm L)."""
    names, codes = np.unique(labels, return_inverse=True)
    a = sorted(int(code) for code in codes)
    while True:
        yield names[a]
        k = next((i for i in range(len(a) - 2, -1, -1) if a[i] < a[i + 1]), None)
        if k is None:
            return
        last = next(i for i in range(len(a) - 1, k, -1) if a[k] < a[i])
        a[k], a[last] = a[last], a[k]
        a[k + 1 :] = a[:k:-1]


def sign_flip_test(values: Sequence[float], permutations: int = 9999, seed: int = 0) -> Permutation:
    """Two-sided test that one number per unit is as often above 0 as below.

    For units that hold both classes, or two treatments each. ``n`` units reach ``2 / 2**n``.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21.
    """
    x = np.asarray(values, dtype=np.float64)
    if not len(x) or not np.isfinite(x).all():
        raise UsageError("a sign-flip test needs one known number per unit.")
    exact = len(x) < 63 and 2 ** len(x) <= permutations + 1
    if exact:
        code = np.arange(2 ** len(x))[:, None] >> np.arange(len(x))[None] & 1
        signs = 1 - 2 * code
    else:
        signs = np.random.default_rng(seed).choice((-1, 1), (permutations, len(x)))
    flipped = np.abs(signs @ x) / len(x)
    observed = float(x.mean())
    slack = 1e-12 * max(1.0, float(np.abs(x).max()))
    beaten = int(np.count_nonzero(flipped >= abs(observed) - slack))
    if exact:
        return Permutation(observed, beaten / len(signs), 2 / len(signs), len(signs), True)
    total = permutations + 1
    return Permutation(
        observed, (beaten + 1) / total, max(1 / total, 2.0 ** (1 - len(x))), total, False
    )
