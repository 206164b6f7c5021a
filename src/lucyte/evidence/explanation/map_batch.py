"""A map of cells: do neighbours share a well or a plate more than chance would have it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import (
    FEWEST,
    FEWEST_TO_REASSURE,
    Interval,
    unit_mean_interval,
    unit_means,
)
from lucyte.stats.neighbours import nearest
from lucyte.stats.permutation import count_arrangements, sign_flip_test

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

LIMIT = 0.1
"""Excess that a batch may have: 0 is chance, 1 that all neighbours are of the cell's own batch."""
NEIGHBOURS = 10
"""Neighbours of its own class that a cell is asked about, at most."""
PERMUTATIONS = 499
ALPHA = 0.05


def batch_findings(
    places: Floats,
    labels: Sequence[str],
    groups: Sequence[str],
    unit: str,
    levels: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> list[Finding]:
    """`batch` of the units, and of each level above them (plate, day) that has several values.

    Parameters
    ----------
    places : float array N 2
        The map.
    labels : sequence of N str
        Class of each cell, as the experiment has it.
    groups : sequence of N str
        Independent units.
    unit : str
    levels : mapping of str to sequence of N str, optional
    seed : int
    """
    found = [_own_unit(places, labels, groups, unit)]
    for level, values in (levels or {}).items():
        held: dict[str, set[str]] = {}
        for group, value in zip(groups, values, strict=True):
            held.setdefault(group, set()).add(str(value))
        several = len(set(values)) > 1 and len(set(values)) < len(held)
        if several and all(len(each) == 1 for each in held.values()):
            found.append(_level(places, labels, groups, (unit, level), values, seed))
    return found


def excess(places: Floats, labels: Names, batches: Names, apart: Names | None = None) -> Floats:
    """How far each cell's neighbours within its class share its batch, beyond chance.

    .. math:: e_i = (o_i - c_i) / (1 - c_i)

    :math:`o`: share of the nearest cells of its class that are of its batch; :math:`c`: share of
    all other cells of its class that are. 0 is chance, 1 that all are. nan where the class holds
    one batch only, or no other cell of the batch.

    Parameters
    ----------
    places : float array N D
    labels, batches : array N of str
    apart : array N of str, optional
        Cells of the same name here are not asked (a plate effect is asked of other wells only).
    """
    return _excess(_ranks(places, labels, apart), batches)


@dataclass(frozen=True, eq=False)
class _Class:
    """Cells of one class: their rows, the others by nearness, which are asked, and the first k."""

    rows: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    asked: npt.NDArray[np.bool_]
    first: npt.NDArray[np.bool_]


def _ranks(places: Floats, labels: Names, apart: Names | None) -> list[_Class]:
    found = []
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        if len(rows) < 3:
            continue
        order = nearest(places[rows], len(rows) - 1)
        asked = np.ones(order.shape, dtype=np.bool_)
        if apart is not None:
            skip = apart[rows]
            asked = skip[order] != skip[:, None]
        # Half of those there are at most: all of them would be chance by construction.
        k = np.clip(asked.sum(axis=1) // 2, 1, NEIGHBOURS)
        first = asked & (np.cumsum(asked, axis=1) <= k[:, None])
        found.append(_Class(rows, order, asked, first))
    return found


def _excess(classes: Sequence[_Class], batches: Names) -> Floats:
    out = np.full(len(batches), np.nan)
    for each in classes:
        own = batches[each.rows]
        same = own[each.order] == own[:, None]
        total = each.asked.sum(axis=1)
        shared = (same & each.asked).sum(axis=1)
        usable = (shared > 0) & (shared < total)
        chance = shared[usable] / total[usable]
        seen = (same & each.first).sum(axis=1)[usable] / each.first.sum(axis=1)[usable]
        out[each.rows[usable]] = (seen - chance) / (1 - chance)
    return out


def _own_unit(places: Floats, labels: Sequence[str], groups: Sequence[str], unit: str) -> Finding:
    """``embedding.batch``: do neighbours share the independent unit?"""
    question = f"Do neighbours on the map share a {unit} more often than chance would have it?"
    name, own = "embedding.batch", np.asarray(groups, dtype=str)
    if not all(labels):
        why = f"The class of some cells is unknown, so {unit} and class cannot be told apart."
        return _open(name, question, unit, len(set(groups)), why)
    each = excess(places, np.asarray(labels, dtype=str), own)
    if not np.isfinite(each).any():
        why = (
            f"Every class is in one {unit} only, or every {unit} holds one cell: there is nothing "
            "to compare."
        )
        return _open(name, question, unit, len(set(groups)), why)
    interval = unit_mean_interval(each, own)
    names, values = unit_means(each, own)
    p = sign_flip_test(values.tolist()).p
    verdict, because = _judged(interval, values, unit)
    return _told(
        (name, question, unit),
        interval,
        verdict,
        f"{because} Excess {interval.estimate:.2f} (0 is chance, 1 that all neighbours are of the "
        f"same {unit}).",
        f"mean over {interval.n} units of the chance-corrected share of neighbours within class "
        f"that are of the cell's own unit; {interval.method}; sign-flip p = {p:.3g} over units; "
        f"against {LIMIT:g}.",
        {"p": p, "units": dict(zip(names, values.tolist(), strict=True))},
    )


def _level(
    places: Floats,
    labels: Sequence[str],
    groups: Sequence[str],
    words: tuple[str, str],
    values: Sequence[str],
    seed: int,
) -> Finding:
    """``embedding.batch_<level>``: a batch above the units, permuted over whole units."""
    unit, level = words
    question = f"Do neighbours from other {unit}s share a {level} more often than by chance?"
    name, count = f"embedding.batch_{level}", len(set(groups))
    if not all(labels):
        why = f"The class of some cells is unknown, so {level} and class cannot be told apart."
        return _open(name, question, unit, count, why)
    y, g, b = (np.asarray(each, dtype=str) for each in (labels, groups, values))
    each = excess(places, y, b, g)
    if not np.isfinite(each).any():
        why = f"In no class do two {level}s hold two {unit}s: there is nothing to compare."
        return _open(name, question, unit, count, why)
    interval = unit_mean_interval(each, g)
    named, means = unit_means(each, g)
    p, floor = _permuted(places, (y, g, b), interval.estimate, seed)
    verdict, because = _judged(interval, means, level)
    if verdict == "fail" and floor <= ALPHA < p:
        # The units allowed an answer, and dealing plates to wells at random does as much.
        verdict = "inconclusive"
        because = f"Neighbours share a {level} rather often, as they may by chance."
    return _told(
        (name, question, unit),
        interval,
        verdict,
        f"{because} Excess {interval.estimate:.2f} (0 is chance, 1 that all neighbours are of the "
        f"same {level}).",
        f"chance-corrected share of neighbours within class, from other units, that share the "
        f"{level}; {interval.method}; p = {p:.3g} by exchanging the {level} of whole units within "
        f"class (least possible {floor:.3g}); against {LIMIT:g}.",
        {"p": p, "smallest_p": floor, "units": dict(zip(named, means.tolist(), strict=True))},
    )


def _permuted(
    places: Floats, known: tuple[Names, Names, Names], observed: float, seed: int
) -> tuple[float, float]:
    """p of exchanging batches between units within class, and the least it could be."""
    y, g, b = known
    _, first, at = np.unique(g, return_index=True, return_inverse=True)
    batch, kind = b[first], y[first]
    floor = 1.0
    for name in np.unique(kind):
        floor /= count_arrangements(batch[kind == name].tolist())
    rng = np.random.default_rng(seed)
    ranks = _ranks(places, y, g)
    beaten = 0
    for _ in range(PERMUTATIONS):
        dealt = batch.copy()
        for name in np.unique(kind):
            rows = np.flatnonzero(kind == name)
            dealt[rows] = batch[rng.permutation(rows)]
        each = _excess(ranks, dealt[at])
        if not np.isfinite(each).any() or unit_mean_interval(each, g).estimate >= observed:
            beaten += 1
    return (beaten + 1) / (PERMUTATIONS + 1), max(floor, 1 / (PERMUTATIONS + 1))


def _judged(interval: Interval, values: Floats, batch: str) -> tuple[Verdict, str]:
    """Warns without significance where most units show it; reassures on evidence only."""
    if interval.low is not None and interval.high is not None:
        under, above = interval.high < LIMIT, interval.low > 0
    else:
        enough = len(values) >= FEWEST_TO_REASSURE
        under, above = enough and bool(values.max() < LIMIT), bool(values.min() > 0)
    if interval.estimate >= LIMIT and above:
        return "fail", (
            f"Cells of one class lie by {batch}: islands on the map may be batches, not states."
        )
    if under:
        return "pass", f"Within a class, neighbours hardly share a {batch} beyond chance."
    if interval.n < FEWEST:
        return "inconclusive", f"{interval.n} units are too few to reassure."
    return "inconclusive", f"Whether cells lie by {batch} stays open."


def _told(
    words: tuple[str, str, str],
    interval: Interval,
    verdict: Verdict,
    why: str,
    reviewer: str,
    details: Mapping[str, object],
) -> Finding:
    name, question, unit = words
    return Finding(
        name=name,
        question=question,
        verdict=verdict,
        statistic=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        unit=unit,
        assumed=("within a class, cells of different units should look alike",),
        why=why,
        statistic_name="Neighbours of the same batch, beyond chance",
        group="explanation",
        details={"reviewer": reviewer, **details},
    )


def _open(name: str, question: str, unit: str, n: int, why: str) -> Finding:
    nothing = Interval(float("nan"), None, None, n, "not asked")
    return _told((name, question, unit), nothing, "inconclusive", why, f"Not asked. {why}", {})
