"""States held against chance: whole units by their label, units of several classes within."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.evidence.accuracy.requirement import Requirement
from lucyte.stats.permutation import (
    Permutation,
    permutation_test,
    sign_flip_test,
    smallest_p,
)
from lucyte.stats.roc import unit_pairs

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Sides:
    """What is held against chance: whole units by their label, mixed units within themselves.

    Attributes
    ----------
    labels : list of W str
        Classes of the units that hold one class; empty where these are all of the same.
    whole : callable
        Takes W labels, returns what they gain above chance; its mean over all orders is 0.
    within : array M
        What each unit of several classes gains above chance by itself.
    dealt : callable or None
        Takes draws and a generator; returns ``draws``: the mean of ``within`` after the answers of
        each unit were dealt anew among its own objects. None where that says what flips of signs
        say: without ties an AUROC is as often above 1/2 as below, by as much.
    """

    labels: list[str]
    whole: Callable[[npt.NDArray[Any]], float]
    within: Floats
    dealt: Callable[[int, np.random.Generator], Floats] | None


def auroc_sides(score: Floats, positive: npt.NDArray[np.bool_], units: Names) -> Sides:
    """Gain: AUROC less 1/2, between whole units and within mixed ones."""
    names = np.unique(units)
    share = np.array([positive[units == u].mean() for u in names])
    mixed = (share > 0) & (share < 1)
    own = unit_pairs(score, positive, units).rates().diagonal()
    twice, sides = np.concatenate([score, score]), np.repeat([True, False], len(score))
    rates = unit_pairs(twice, sides, np.concatenate([units, units])).rates()
    rates = rates[np.ix_(~mixed, ~mixed)]
    labels = share[~mixed].astype(int).astype(str).tolist()

    def whole(given: npt.NDArray[Any]) -> float:
        return float(rates[np.ix_(given == "1", given == "0")].mean()) - 0.5

    def dealt(draws: int, rng: np.random.Generator) -> Floats:
        each = [
            _dealt_auroc(score[at], positive[at], draws, rng)
            for at in (units == u for u in names[mixed])
        ]
        return np.asarray(np.mean(each, axis=0))

    tied = any(_tied(score[units == u]) for u in names[mixed])
    labels = labels if len(set(labels)) > 1 else []
    return Sides(labels, whole, own[mixed] - 0.5, dealt if tied else None)


def _tied(score: Floats) -> bool:
    return len(np.unique(score)) < len(score)


def _dealt_auroc(
    score: Floats, positive: npt.NDArray[np.bool_], draws: int, rng: np.random.Generator
) -> Floats:
    ranks, m, size = rankdata(score), int(positive.sum()), len(score)
    pairs, least = m * (size - m), m * (m + 1) / 2
    if not _tied(score):
        gain = (ranks[positive].sum() - least) / pairs - 0.5
        return np.asarray(gain * rng.choice((-1.0, 1.0), draws), dtype=np.float64)
    few = min(m, size - m)
    parts = []
    for start in range(0, draws, step := max(1, 4_000_000 // size)):
        keys = rng.random((min(step, draws - start), size))
        parts.append(ranks[np.argpartition(keys, few - 1, axis=1)[:, :few]].sum(axis=1))
    total = np.concatenate(parts)
    if few < m:
        total = ranks.sum() - total
    return np.asarray((total - least) / pairs - 0.5, dtype=np.float64)


def recall_sides(truth: Names, said: Names, units: Names, classes: list[str]) -> Sides:
    """Gain: mean over classes of the share called so among its own, less that among all."""
    order = {name: k for k, name in enumerate(classes)}
    codes = np.array([[order[a], order[b]] for a, b in zip(truth, said, strict=True)])
    tables = np.zeros((len(np.unique(units)), len(classes), len(classes)), dtype=np.int64)
    np.add.at(tables, (np.unique(units, return_inverse=True)[1], codes[:, 0], codes[:, 1]), 1)
    held = (tables.sum(axis=2) > 0).sum(axis=1)
    pure, mixed = tables[held == 1], tables[held > 1]
    labels = [classes[int(each.sum(axis=1).argmax())] for each in pure]
    called = pure.sum(axis=1) / np.maximum(pure.sum(axis=(1, 2)), 1)[:, None]
    there = sorted(set(labels))

    def whole(given: npt.NDArray[Any]) -> float:
        each = [called[:, order[name]] for name in there]
        own = [shares[given == name].mean() for name, shares in zip(there, each, strict=True)]
        return float(np.mean(own) - np.mean(each))

    def dealt(draws: int, rng: np.random.Generator) -> Floats:
        return np.asarray(np.mean([_dealt_recall(each, draws, rng) for each in mixed], axis=0))

    within = np.array([_gain(each, np.diag(each)[None])[0] for each in mixed])
    return Sides(labels if len(there) > 1 else [], whole, within, dealt)


def _gain(table: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Floats:
    """Of a unit's ``truth x said`` and right answers ``draws classes``: recall above chance."""
    own = table.sum(axis=1)
    at = own > 0
    chance = table.sum(axis=0)[at] / own.sum()
    return np.asarray((right[:, at] / own[at] - chance).mean(axis=1))


def _dealt_recall(table: npt.NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    left = np.tile(table.sum(axis=0), (draws, 1))
    right = np.zeros_like(left)
    for row, own in enumerate(table.sum(axis=1)):
        need, rest = np.full(draws, own), left.sum(axis=1)
        for column in range(len(table)):
            rest = rest - left[:, column]
            got = rng.hypergeometric(left[:, column], rest, need)
            left[:, column] -= got
            need -= got
            if column == row:
                right[:, row] = got
    return _gain(table, right)


def against_chance(sides: Sides, asked: Requirement) -> Permutation | None:
    """Two-sided: labels exchanged over whole units, together with chance within mixed ones.

    Within mixed units chance is asked for twice, and the larger p counts: signs of the units'
    gains are flipped (right where these are as often above 0 as below, however much the objects of
    a unit resemble each other), and the answers are dealt anew among the objects of each unit
    (right where these are exchangeable, however skewed the gains). So p keeps its alpha where
    either holds. None where nothing can be exchanged.
    """
    whole, mixed, draws = len(sides.labels), len(sides.within), asked.permutations
    if not mixed:
        if not whole:
            return None
        return permutation_test(sides.whole, sides.labels, "two-sided", draws, asked.seed)
    rng = np.random.default_rng(asked.seed)
    labels, share = np.array(sides.labels), whole / (whole + mixed)
    observed = (1 - share) * float(sides.within.mean())
    given, floor = np.zeros(draws), 2.0**-mixed * (smallest_p(sides.labels) if whole else 2)
    if whole:
        observed += share * sides.whole(labels)
        given = np.array([share * sides.whole(rng.permutation(labels)) for _ in range(draws)])
        signs = rng.choice((-1.0, 1.0), (draws, mixed))
        flipped = _counted(observed, given + (1 - share) * (signs @ sides.within) / mixed, floor)
    else:
        flipped = sign_flip_test(sides.within.tolist(), draws, asked.seed)
    if sides.dealt is None:
        return flipped
    dealt = _counted(observed, given + (1 - share) * sides.dealt(draws, rng), floor)
    larger = flipped if flipped.p >= dealt.p else dealt
    return replace(larger, smallest_p=max(flipped.smallest_p, dealt.smallest_p))


def _counted(observed: float, values: Floats, floor: float) -> Permutation:
    slack = 1e-12 * max(1.0, float(np.abs(values).max(initial=abs(observed))))
    total = len(values) + 1
    p = (int(np.count_nonzero(np.abs(values) >= abs(observed) - slack)) + 1) / total
    return Permutation(observed, p, max(1 / total, floor), total, False)
