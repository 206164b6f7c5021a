"""Whether plate, well, day or position tells the class by itself: a matter of the design."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Confounding:
    """How far a level of the design tells the class.

    Attributes
    ----------
    gain : float
        Balanced accuracy of naming the class from the other rows with the same value, 0 at
        chance, 1 where it is always right; nan where no value has a second row.
    commonest : float
        Share of rows whose class is the commonest of their value; it flatters values with few
        rows.
    commonest_null : float
        The same with exchanged classes, on average.
    cramers_v : float
        Corrected for bias.
    pure : float
        Share of values that hold a single class.
    p : float
        Of ``gain``, classes exchanged between rows.
    rows : int
        What is counted: units, or unit and value, where these hold a single class; else cells.
    counted : str
    values : mapping of value to mapping of class to int
    """

    gain: float
    commonest: float
    commonest_null: float
    cramers_v: float
    pure: float
    p: float
    rows: int
    counted: str
    values: dict[str, dict[str, int]]


def confounding(
    labels: Sequence[str],
    groups: Sequence[str],
    level: Sequence[str],
    permutations: int = 199,
    seed: int = 0,
) -> Confounding:
    """Cross classes with the values of a level.

    Parameters
    ----------
    labels, groups, level : sequence of N names
        Class, independent unit and value of each cell.

    References
    ----------
    Bergsma 2013, doi 10.1016/j.jkss.2012.10.002 (Cramer's V corrected for bias).
    """
    rows, counted = _rows(labels, groups, level)
    classes, y = np.unique([row[0] for row in rows], return_inverse=True)
    names, at = np.unique([row[1] for row in rows], return_inverse=True)

    def table(truth: Ints) -> Ints:
        out = np.zeros((len(names), len(classes)), dtype=np.int64)
        np.add.at(out, (at, truth), 1)
        return out

    counts = table(y)
    rng = np.random.default_rng(seed)
    shuffled = [table(rng.permutation(y)) for _ in range(permutations)]
    gain = _gain(counts)
    beaten = sum(_gain(each) >= gain - 1e-12 for each in shuffled)
    return Confounding(
        gain,
        _commonest(counts),
        float(np.mean([_commonest(each) for each in shuffled])),
        _cramers_v(counts),
        float(((counts > 0).sum(axis=1) == 1).mean()),
        (beaten + 1) / (permutations + 1) if math.isfinite(gain) else math.nan,
        len(rows),
        counted,
        {
            str(name): {str(c): int(k) for c, k in zip(classes, row, strict=True)}
            for name, row in zip(names, counts, strict=True)
        },
    )


def _rows(
    labels: Sequence[str], groups: Sequence[str], level: Sequence[str]
) -> tuple[list[tuple[str, str]], str]:
    """(class, value) per unit, or per unit and value, or per cell: the coarsest of one class."""
    cells = list(zip(labels, groups, level, strict=True))
    triples = sorted(set(cells))
    pairs = {(group, value) for _, group, value in triples}
    if len(triples) == len(pairs) == len(set(groups)):
        return [(label, value) for label, _, value in triples], "unit"
    if len(triples) == len(pairs):
        return [(label, value) for label, _, value in triples], "unit and value"
    return [(label, value) for label, _, value in cells], "cell"


def _gain(counts: Ints) -> float:
    """Balanced accuracy of the class that other rows of the value speak for, chance taken off."""
    classes = counts.shape[1]
    total = counts.sum(axis=0).astype(np.float64)
    if not (counts.sum(axis=1) > 1).any() or classes < 2:
        return math.nan
    right = np.zeros(classes)
    for own in range(classes):
        rest = counts - np.eye(classes, dtype=np.int64)[own]
        held = counts[:, own] > 0
        others = total - np.eye(classes)[own]
        share = np.divide(rest, others, out=np.zeros(rest.shape), where=others > 0)
        best = share.max(axis=1)
        tied = share >= best[:, None] - 1e-12
        credit = tied[:, own] / tied.sum(axis=1)
        right[own] = (credit * counts[:, own])[held].sum() / total[own]
    return float((right.mean() - 1 / classes) / (1 - 1 / classes))


def _commonest(counts: Ints) -> float:
    return float(counts.max(axis=1).sum() / counts.sum())


def _cramers_v(counts: Ints) -> float:
    n, (r, k) = float(counts.sum()), counts.shape
    if r < 2 or k < 2 or n < 2:
        return math.nan
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    phi = float(((counts - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (r - 1) * (k - 1) / (n - 1))
    rows, columns = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    least = min(rows - 1, columns - 1)
    return math.sqrt(phi / least) if least > 0 else math.nan


def one_value_each(found: Confounding) -> list[str]:
    """Classes that are in one value only, which no other class shares."""
    homes: dict[str, list[Any]] = {}
    for value, counts in found.values.items():
        for label, count in counts.items():
            if count:
                homes.setdefault(label, []).append(value)
    alone = []
    for label, values in sorted(homes.items()):
        shared = sum(count > 0 for count in found.values[values[0]].values())
        if len(values) == 1 and shared == 1:
            alone.append(label)
    return alone
