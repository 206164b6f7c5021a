"""Does the place on the plate move the readout? Rows, columns and the edge, by permutation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Names = Sequence[str] | npt.NDArray[Any]

EFFECTS = ("row", "column", "edge")


@dataclass(frozen=True)
class PositionEffect:
    """One effect of place.

    Attributes
    ----------
    effect : {"row", "column", "edge"}
    size : float
        Edge: mean of the outermost wells minus that of the others. Row, column: standard deviation
        of the means of rows (columns), wells counted. nan where it cannot be asked.
    worst : str
        The row or column farthest from the others, as ``C`` or ``5``; ``edge`` for the edge.
    p : float
        (b + 1) / (m + 1), places exchanged within plate and group.
    noticeable : float
        Size that chance alone exceeds in one case of 20: smaller effects may hide.
    n : int
        Wells that took part.
    why : str
        Why it cannot be asked, or empty.
    """

    effect: str
    size: float
    worst: str
    p: float
    noticeable: float
    n: int
    why: str = ""


def position_effects(
    values: npt.ArrayLike,
    places: Sequence[tuple[int, int]],
    strata: Names,
    shape: tuple[int, int],
    permutations: int = 1999,
    seed: int = 0,
) -> tuple[PositionEffect, ...]:
    """Effects of row, column and edge on wells that were treated alike.

    Every value is taken against the mean of its stratum, and places are exchanged within strata
    only, so neither plates nor treatments can pass for a place. Rows and columns are taken
    together over plates: an effect is one that repeats.

    Parameters
    ----------
    values : array N
        One per well; nan is left out.
    places : sequence of (int, int)
        Row and column from 0.
    strata : sequence of N names
        Plate and treatment: wells that may be exchanged.
    shape : tuple of int
        Rows and columns of the plate.
    permutations : int
    seed : int

    References
    ----------
    Phipson and Smyth 2010, doi 10.2202/1544-6115.1585.
    """
    x = np.asarray(values, dtype=np.float64)
    groups = np.asarray(strata, dtype=str)
    where = np.array(places, dtype=np.int64).reshape(len(x), 2)
    counts = dict(zip(*np.unique(groups[np.isfinite(x)], return_counts=True), strict=True))
    kept = np.isfinite(x) & np.array([counts.get(name, 0) > 1 for name in groups], dtype=np.bool_)
    x, groups, where = x[kept], groups[kept], where[kept]
    if not len(x):
        none = "no two wells of a plate were treated alike"
        return tuple(PositionEffect(each, math.nan, "", math.nan, math.nan, 0, none)
                     for each in EFFECTS)  # fmt: skip
    blocks = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    residual = x.copy()
    for block in blocks:
        residual[block] -= x[block].mean()
    rng = np.random.default_rng(seed)
    drawn = np.tile(residual, (permutations + 1, 1))
    for block in blocks:
        drawn[1:, block] = rng.permuted(drawn[1:, block], axis=1)
    edge = _on_edge(where, shape)
    return (
        _of_lines("row", where[:, 0], drawn),
        _of_lines("column", where[:, 1], drawn),
        _of_edge(edge, blocks, drawn),
    )


def _on_edge(where: Ints, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    rows, columns = where[:, 0], where[:, 1]
    return np.asarray(
        (rows == 0) | (rows == shape[0] - 1) | (columns == 0) | (columns == shape[1] - 1)
    )


def _of_lines(effect: str, line: Ints, drawn: Floats) -> PositionEffect:
    """Spread of the means of lines; the first row of ``drawn`` is what was seen."""
    lines, at = np.unique(line, return_inverse=True)
    n = drawn.shape[1]
    if len(lines) < 2:
        why = f"all {n} wells that were treated alike lie in one {effect}"
        return PositionEffect(effect, math.nan, "", math.nan, math.nan, n, why)
    share = np.zeros((n, len(lines)))
    share[np.arange(n), at] = 1
    wells = share.sum(axis=0)
    means = drawn @ (share / wells)
    spread = np.sqrt((wells * means**2).sum(axis=1) / n)
    far = int(np.abs(means[0]).argmax())
    name = row_letters(int(lines[far])) if effect == "row" else str(int(lines[far]) + 1)
    return PositionEffect(effect, float(spread[0]), name, *_tail(spread), n)


def _of_edge(edge: npt.NDArray[np.bool_], blocks: Sequence[Ints], drawn: Floats) -> PositionEffect:
    mixed = [block for block in blocks if 0 < edge[block].sum() < len(block)]
    if not mixed:
        why = "no wells treated alike lie both at the edge of a plate and inside it"
        return PositionEffect("edge", math.nan, "edge", math.nan, math.nan, drawn.shape[1], why)
    rows = np.concatenate(mixed)
    # Least squares on a common shift of edge wells, each stratum with a mean of its own.
    weight = np.zeros(drawn.shape[1])
    for block in mixed:
        weight[block] = edge[block] - edge[block].mean()
    shift = drawn @ weight / float((weight**2).sum())
    p, noticeable = _tail(np.abs(shift))
    return PositionEffect("edge", float(shift[0]), "edge", p, noticeable, len(rows))


def _tail(sizes: Floats) -> tuple[float, float]:
    slack = 1e-12 * max(1.0, float(sizes[0]))
    p = float(np.count_nonzero(sizes >= sizes[0] - slack)) / len(sizes)
    return p, float(np.quantile(sizes[1:], 0.95))


def row_letters(row: int) -> str:
    """``A`` for 0, ``AA`` for 26."""
    return chr(65 + row) if row < 26 else "A" + chr(65 + row - 26)
