"""Whether states agree with a truth, and whether better than chance over units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from lucyte.evidence.accuracy.requirement import GROUP, Requirement, meets, shown
from lucyte.evidence.model.retrain import compare
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.classification import Score, confusion, evaluate
from lucyte.stats.intervals import Interval, cluster_interval
from lucyte.stats.permutation import (
    Permutation,
    permutation_test,
    sign_flip_test,
    smallest_p,
)
from lucyte.stats.roc import auroc_interval, unit_pairs

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


def classification_accuracy(
    table: pd.DataFrame,
    classes: Sequence[str],
    unit: str = "well",
    requirement: Requirement | None = None,
) -> tuple[Finding, Finding]:
    """How well held-out states agree with the truth, and whether better than chance.

    Parameters
    ----------
    table : DataFrame
        One row per object: ``truth``, ``state``, ``p_<class>`` for every class, the column named
        by ``unit``, and ``fold`` where states are out-of-fold (then only units held out together
        are compared). Rows without a truth are left out.
    classes : sequence of str
        With two, AUROC of the second; with more, balanced accuracy.
    unit : str
        Column of the independent unit.

    Returns
    -------
    (accuracy.classification, accuracy.above_chance)

    Raises
    ------
    UsageError
        A missing column, no row with a truth, or a truth that is not one of the classes.
    """
    asked = requirement or Requirement()
    needed = ("truth", "state", unit, *(f"p_{name}" for name in classes))
    for column in needed:
        if column not in table.columns:
            raise unknown("column", column, [str(name) for name in table.columns])
    known = table[table["truth"].notna() & (table["truth"].astype(str) != "")]
    if not len(known):
        raise UsageError("no object has a truth to compare its state with.")
    truth = known["truth"].astype(str).to_numpy(dtype=str)
    units = known[unit].astype(str).to_numpy(dtype=str)
    chances = known[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    scores = evaluate(truth.tolist(), known["state"].astype(str).tolist(), list(classes), chances)
    folds = known["fold"].to_numpy(dtype=np.int64) if "fold" in known.columns else None
    noun = unit.removesuffix("_id")
    if len(classes) == 2:
        logits = np.log(np.clip(chances, 1e-12, 1.0))
        name = "AUROC"
        interval, values = _auroc(logits, truth, units, folds, list(classes))
        sides = _auroc_sides(logits[:, 1] - logits[:, 0], truth == classes[1], units)
    else:
        name = "balanced accuracy"
        said = known["state"].astype(str).to_numpy(dtype=str)
        interval, values = _balanced(truth, said, units, list(classes), asked.seed)
        sides = _recall_sides(truth, said, units, list(classes))
    verdict, because = meets(interval, list(values.values()), asked.at_least)
    details = {
        "metrics": {key: score.value for key, score in scores.items()},
        "undefined": {key: score.undefined for key, score in scores.items() if score.undefined},
        "confusion": confusion(
            truth.tolist(), known["state"].astype(str).tolist(), classes
        ).tolist(),
        "classes": list(classes),
        "per_unit": values,
        "at_least": asked.at_least,
        "interval": interval.method,
        "objects": len(known),
    }
    beside = _balance(scores) if len(classes) == 2 else ""
    names = " from ".join(classes) if len(classes) == 2 else f"{len(classes)} states"
    accuracy = Finding(
        name="accuracy.classification",
        question=f"How well do the states tell {names}?",
        verdict=verdict,
        statistic=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        unit=noun,
        assumed=("each state was given by a model that had not seen the object's " + noun,),
        why=f"{name} is {shown(interval, values, noun)}{beside}: {because}.",
        statistic_name=name,
        group=GROUP,
        details=details,
    )
    test = _against_chance(sides, asked)
    return accuracy, _above_chance(test, sides, interval, (name, noun), names, asked)


def _auroc(
    logits: Floats,
    truth: Names,
    units: Names,
    folds: npt.NDArray[np.int64] | None,
    classes: list[str],
) -> tuple[Interval, dict[str, float]]:
    if folds is not None:
        codes = np.where(truth == classes[1], "1", "0").tolist()
        told = compare(logits, folds, codes, units.tolist())
        mixed = all(len(set(truth[folds == k])) == 2 for k in np.unique(folds[folds >= 0]))
        if mixed and not told.undefined:
            method = f"t over {len(told.folds)} folds of whole units, on the logit"
            return Interval(told.auroc, told.low, told.high, told.n, method), told.units
    score = logits[:, 1] - logits[:, 0]
    pairs = unit_pairs(score, truth == classes[1], units)
    rates = pairs.rates()
    both = {
        name: np.concatenate([rates[k], np.delete(rates[:, k], k)])
        for k, name in enumerate(pairs.names)
    }
    values = {k: float(np.nanmean(v)) for k, v in both.items() if np.isfinite(v).any()}
    return auroc_interval(score, truth == classes[1], units), values


def _balanced(
    truth: Names, said: Names, units: Names, classes: list[str], seed: int
) -> tuple[Interval, dict[str, float]]:
    def recall(rows: npt.NDArray[np.int64]) -> float:
        right, own, at = truth[rows] == said[rows], truth[rows], units[rows]
        each = []
        for name in classes:
            mine = own == name
            if mine.any():
                each.append(np.mean([right[mine & (at == u)].mean() for u in np.unique(at[mine])]))
        return float(np.mean(each)) if each else math.nan

    values = {str(u): recall(np.flatnonzero(units == u)) for u in np.unique(units)}
    return _inside(cluster_interval(recall, units, seed=seed)), values


def _inside(interval: Interval) -> Interval:
    """A share's limits lie between 0 and 1, whatever a t quantile says."""
    if interval.low is None or interval.high is None:
        return interval
    return replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))


@dataclass(frozen=True)
class _Sides:
    """What is held against chance: whole units by their label, mixed units within themselves.

    Attributes
    ----------
    labels : list of W str
        Classes of the units that hold one class; empty where these are all of the same.
    whole : callable
        Takes W labels, returns what they gain above chance; its mean over all orders is 0.
    within : array M
        What each unit of several classes gains above chance by itself.
    dealt : callable
        Takes draws and a generator; returns ``draws``: the mean of ``within`` after the answers of
        each unit were dealt anew among its own objects.
    """

    labels: list[str]
    whole: Callable[[npt.NDArray[Any]], float]
    within: Floats
    dealt: Callable[[int, np.random.Generator], Floats]


def _auroc_sides(score: Floats, positive: npt.NDArray[np.bool_], units: Names) -> _Sides:
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

    return _Sides(labels if len(set(labels)) > 1 else [], whole, own[mixed] - 0.5, dealt)


def _dealt_auroc(
    score: Floats, positive: npt.NDArray[np.bool_], draws: int, rng: np.random.Generator
) -> Floats:
    ranks, m, size = rankdata(score), int(positive.sum()), len(score)
    pairs, least = m * (size - m), m * (m + 1) / 2
    if len(np.unique(score)) == size:  # without ties it is as often above as below, by as much
        gain = (ranks[positive].sum() - least) / pairs - 0.5
        return gain * rng.choice((-1.0, 1.0), draws)
    few = min(m, size - m)
    parts = []
    for start in range(0, draws, step := max(1, 4_000_000 // size)):
        keys = rng.random((min(step, draws - start), size))
        parts.append(ranks[np.argpartition(keys, few - 1, axis=1)[:, :few]].sum(axis=1))
    total = np.concatenate(parts)
    return np.asarray(((total if few == m else ranks.sum() - total) - least) / pairs - 0.5)


def _recall_sides(truth: Names, said: Names, units: Names, classes: list[str]) -> _Sides:
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
    return _Sides(labels if len(there) > 1 else [], whole, within, dealt)


def _gain(table: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Floats:
    """For a unit's ``truth x said`` and right answers ``draws classes``: recall above chance."""
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


def _against_chance(sides: _Sides, asked: Requirement) -> Permutation | None:
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
        turned = (
            given + (1 - share) * (rng.choice((-1.0, 1.0), (draws, mixed)) @ sides.within) / mixed
        )
        flipped = _counted(observed, turned, floor)
    else:
        flipped = sign_flip_test(sides.within.tolist(), draws, asked.seed)
    dealt = _counted(observed, given + (1 - share) * sides.dealt(draws, rng), floor)
    larger = flipped if flipped.p >= dealt.p else dealt
    return replace(larger, smallest_p=max(flipped.smallest_p, dealt.smallest_p))


def _counted(observed: float, values: Floats, floor: float) -> Permutation:
    slack = 1e-12 * max(1.0, float(np.abs(values).max(initial=abs(observed))))
    total = len(values) + 1
    p = (int(np.count_nonzero(np.abs(values) >= abs(observed) - slack)) + 1) / total
    return Permutation(observed, p, max(1 / total, floor), total, False)


def _above_chance(
    test: Permutation | None,
    sides: _Sides,
    interval: Interval,
    nouns: tuple[str, str],
    names: str,
    asked: Requirement,
) -> Finding:
    name, unit = nouns
    verdict: Verdict = "inconclusive"
    p = math.nan
    whole, mixed = len(sides.labels), len(sides.within)
    tested = whole + mixed
    if test is None:
        why = f"Only one class is among the {unit}s, so there is nothing to compare with chance."
    else:
        p = test.p
        told = f"{_how(whole, mixed, interval.n, unit)} gives p = {p:.3g}"
        count = f"{tested} {unit}{'' if tested == 1 else 's'}"
        if not test.can_reach(asked.alpha):
            why = (
                f"{told}, the smallest that {count} can give being "
                f"{test.smallest_p:.2g}: too few {unit}s to tell anything from chance at "
                f"{asked.alpha:g}, however good the answers."
            )
        elif p > asked.alpha:
            why = f"{told}: answers this good come by chance too often ({asked.alpha:g} was set)."
        elif test.observed > 0:
            verdict, why = "pass", f"{told}: better than chance."
        else:
            verdict, why = "fail", f"{told}: worse than chance; the states are turned round."
    assumed = []
    if whole or not mixed:
        assumed.append(f"under chance any {unit} could have had any label")
    if mixed:
        assumed.append(
            f"under chance the objects of a {unit} could have had each other's answers, or {unit}s "
            "gain as often as they lose"
        )
    return Finding(
        name="accuracy.above_chance",
        question=f"Do the states tell {names} better than chance?",
        verdict=verdict,
        statistic=p,
        low=None,
        high=None,
        n=tested if test else interval.n,
        unit=unit,
        assumed=(*assumed, "answers are kept fixed"),
        why=why,
        statistic_name="p",
        group=GROUP,
        details={
            "of": name,
            "alpha": asked.alpha,
            "units": interval.n,
            "whole_units_exchanged": whole,
            "mixed_units_tested_within": mixed,
        }
        | (_told(test) | {"reviewer": _reviewer(test, sides, nouns)} if test else {}),
    )


def _how(whole: int, mixed: int, units: int, unit: str) -> str:
    """The start of a sentence: what was exchanged, and in how many of the units."""
    inside = f"chance within {mixed} {unit}{'' if mixed == 1 else 's'} of several classes"
    some = f" (the other {units - whole - mixed} of {units} hold one and the same class)"
    some = some if units > whole + mixed else ""
    if not whole:
        return f"{inside[:1].upper()}{inside[1:]}{some}"
    exchanged = f"Exchanging the labels of {f'{whole} ' if mixed else ''}whole {unit}s"
    return f"{exchanged}{some}, with {inside}," if mixed else f"{exchanged}{some}"


def _reviewer(test: Permutation, sides: _Sides, nouns: tuple[str, str]) -> str:
    name, unit = nouns
    looked = f"{'all' if test.exact else 'drawn'} {test.arrangements:,} arrangements"
    parts = []
    if sides.labels:
        parts.append(f"labels of {len(sides.labels)} whole {unit}s exchanged")
    if len(sides.within):
        gain = "AUROC less 1/2" if name == "AUROC" else "recall less the share of such answers"
        parts.append(
            f"within {len(sides.within)} mixed {unit}s {gain}, its signs flipped and its answers "
            "dealt anew, the larger p of both"
        )
    return f"Two-sided permutation, {looked}: {'; '.join(parts)}."


def _told(test: Permutation) -> dict[str, Any]:
    return {
        "observed_above_chance": test.observed,
        "smallest_p": test.smallest_p,
        "arrangements": test.arrangements,
        "exact": test.exact,
    }


def _balance(scores: Mapping[str, Score]) -> str:
    value = scores["balanced_accuracy"].value
    return f", balanced accuracy over objects {value:.2f}" if math.isfinite(value) else ""
