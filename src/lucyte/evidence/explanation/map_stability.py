"""A map of cells: does it show the same when it is made again, by another seed or perplexity?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import (
    FEWEST,
    FEWEST_TO_REASSURE,
    Interval,
    unit_mean_interval,
    unit_means,
)
from lucyte.stats.neighbours import jaccard, nearest, overlap

Floats = npt.NDArray[np.float64]
Runs = Mapping[tuple[float, int], Floats]

LIMIT = 1 / 3
"""Jaccard index at which half of a cell's neighbours come again."""
NEIGHBOURS = 30
"""Neighbours that are compared, where there are ten times as many cells; else a tenth of them."""
FEWEST_CELLS = 20
QUESTION = "Does the map show the same with another seed or perplexity?"


@dataclass(frozen=True, eq=False)
class Steadiness:
    """How far each cell keeps its neighbours.

    Attributes
    ----------
    neighbours : int
        How many were compared.
    seeds, perplexities : float array N
        Mean Jaccard index of a cell's neighbours over pairs of maps that differ in the seed, or
        in the perplexity, alone; nan where no such pair was made.
    """

    neighbours: int
    seeds: Floats
    perplexities: Floats

    @property
    def cells(self) -> Floats:
        """Mean of the two, or the one that is known, ``N``."""
        both = np.stack([self.seeds, self.perplexities])
        known = ~np.isnan(both[:, 0])
        mean: Floats = both[known].mean(axis=0)
        return mean


def steadiness(runs: Runs) -> Steadiness:
    """Compare the neighbours of every cell between maps of the same cells.

    Parameters
    ----------
    runs : mapping of (perplexity, seed) to float array N 2

    Raises
    ------
    UsageError
        Fewer than two maps, or fewer than 20 cells.
    """
    sizes = {len(each) for each in runs.values()}
    if len(runs) < 2 or len(sizes) > 1:
        raise UsageError("to see whether a map comes again, two maps of the same cells are needed.")
    cells = sizes.pop()
    if cells < FEWEST_CELLS:
        raise UsageError(f"{cells} cells are too few to compare neighbours ({FEWEST_CELLS}).")
    k = min(NEIGHBOURS, cells // 10) if cells >= 50 else 5
    near = {key: nearest(places, k) for key, places in runs.items()}
    by_seed, by_perplexity = [], []
    for a, b in combinations(near, 2):
        same = jaccard(overlap(near[a], near[b]))
        if a[0] == b[0]:
            by_seed.append(same)
        elif a[1] == b[1]:
            by_perplexity.append(same)
    if not by_seed and not by_perplexity:
        raise UsageError("no two maps differ in the seed alone or in the perplexity alone.")
    unknown = np.full(cells, np.nan)
    return Steadiness(
        k,
        np.mean(by_seed, axis=0) if by_seed else unknown,
        np.mean(by_perplexity, axis=0) if by_perplexity else unknown,
    )


def stability(
    runs: Runs,
    groups: Sequence[str],
    unit: str,
    classes: Sequence[str] = (),
    quality: Mapping[str, float] | None = None,
) -> Finding:
    """Is what the map shows the same over seeds and perplexities? ``embedding.stability``.

    pass
        The interval's lower end (with few units: every one of at least 4) is above 1/3, where
        half of the neighbours come again.
    fail
        The mean over units is not: who lies beside whom is an accident of the seed or of the
        perplexity. Groups may hold all the same; how far neighbours are of a cell's own class is
        told for every map.

    Parameters
    ----------
    runs : mapping of (perplexity, seed) to float array N 2
        Maps of the same cells, from random starts: from principal components every seed gives
        one map.
    groups : sequence of N str
        Independent units.
    unit : str
    classes : sequence of N str, optional
        What is known of the cells.
    quality : mapping of str to float, optional
        Trustworthiness and continuity, for the details.

    Raises
    ------
    UsageError
        Maps that do not compare: see `steadiness`. Fewer than 20 cells give an open Finding.

    References
    ----------
    Kobak and Berens 2019, doi 10.1038/s41467-019-13056-x. Jaccard 1912,
    doi 10.1111/j.1469-8137.1912.tb05611.x.
    """
    if len(groups) < FEWEST_CELLS:
        return _open(len(groups), len(set(groups)), unit)
    found = steadiness(runs)
    each = found.cells
    interval = unit_mean_interval(each, groups)
    names, values = unit_means(each, groups)
    verdict, because = _judged(interval, values)
    share = 2 * interval.estimate / (1 + interval.estimate)
    cells, k = len(each), found.neighbours
    purity = _purity(runs, classes, k)
    told = ""
    if purity:
        low, high = min(purity.values()), max(purity.values())
        told = f" Of its neighbours {low:.0%} to {high:.0%} are of its own class in every map."
    return Finding(
        name="embedding.stability",
        question=QUESTION,
        verdict=verdict,
        statistic=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        unit=unit,
        assumed=("the cells compared stand for all cells of the map",),
        why=f"{because} About {share:.0%} of a cell's {k} neighbours come again.{told}",
        statistic_name=f"Jaccard index of {k} nearest neighbours",
        group="explanation",
        details={
            "reviewer": f"mean over units of the Jaccard index of {k} neighbours between t-SNE "
            f"maps of {cells} cells from random starts, pairs differing in seed or in perplexity "
            f"alone; {interval.method}; against {LIMIT:.2f}; chance {_chance(cells, k):.3f}.",
            "perplexities": sorted({key[0] for key in runs}),
            "seeds": sorted({key[1] for key in runs}),
            "over_seeds": float(found.seeds.mean()),
            "over_perplexities": float(found.perplexities.mean()),
            "chance": _chance(cells, k),
            "neighbours": k,
            "cells": cells,
            "own_class": purity,
            "units": dict(zip(names, values.tolist(), strict=True)),
            **dict(quality or {}),
        },
    )


def _open(cells: int, n: int, unit: str) -> Finding:
    why = f"{cells} cells are too few to compare neighbours (below {FEWEST_CELLS})."
    return Finding(
        name="embedding.stability",
        question=QUESTION,
        verdict="inconclusive",
        statistic=float("nan"),
        low=None,
        high=None,
        n=n,
        unit=unit,
        assumed=(),
        why=why,
        statistic_name="Jaccard index of nearest neighbours",
        group="explanation",
        details={"reviewer": f"Not asked: {why}"},
    )


def _chance(cells: int, k: int) -> float:
    """About the Jaccard index of neighbours drawn at random twice."""
    share = k / (cells - 1)
    return share / (2 - share)


def _purity(runs: Runs, classes: Sequence[str], k: int) -> dict[str, float]:
    """Share of neighbours in a cell's own class, per map; every class counts the same."""
    if len(set(classes)) < 2:
        return {}
    own = np.asarray(classes, dtype=str)
    out = {}
    for (perplexity, seed), places in runs.items():
        same = (own[nearest(places, k)] == own[:, None]).mean(axis=1)
        per_class = [float(same[own == name].mean()) for name in np.unique(own)]
        out[f"perplexity {perplexity:g}, seed {seed}"] = float(np.mean(per_class))
    return out


def _judged(interval: Interval, values: Floats) -> tuple[Verdict, str]:
    if interval.estimate <= LIMIT:
        return "fail", (
            "Which cells lie beside one another changes with seed or perplexity: read the map "
            "for groups at most."
        )
    sure = (
        interval.low > LIMIT
        if interval.low is not None
        else len(values) >= FEWEST_TO_REASSURE and bool(values.min() > LIMIT)
    )
    if sure:
        return "pass", "Neighbours on the map stay neighbours whatever the seed and perplexity."
    if interval.n < FEWEST:
        return "inconclusive", (
            f"Most neighbours stay, but {interval.n} units are too few to be sure."
        )
    return "inconclusive", "Most neighbours stay on average, but not surely over units."
