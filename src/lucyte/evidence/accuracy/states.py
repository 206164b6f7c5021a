"""Whether states agree with a truth, and whether better than chance over units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.chance import Sides, against_chance, auroc_sides, recall_sides
from lucyte.evidence.accuracy.requirement import GROUP, Requirement, meets, shown
from lucyte.evidence.model.retrain import compare
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.classification import Score, confusion, evaluate
from lucyte.stats.intervals import Interval, cluster_interval, inside
from lucyte.stats.permutation import (
    Permutation,
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
        sides = auroc_sides(logits[:, 1] - logits[:, 0], truth == classes[1], units)
    else:
        name = "balanced accuracy"
        said = known["state"].astype(str).to_numpy(dtype=str)
        interval, values = _balanced(truth, said, units, list(classes), asked.seed)
        sides = recall_sides(truth, said, units, list(classes))
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
    test = against_chance(sides, asked)
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
    return inside(cluster_interval(recall, units, seed=seed)), values


def _above_chance(
    test: Permutation | None,
    sides: Sides,
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


def _reviewer(test: Permutation, sides: Sides, nouns: tuple[str, str]) -> str:
    name, unit = nouns
    looked = f"{'all' if test.exact else 'drawn'} {test.arrangements:,} arrangements"
    parts = []
    if sides.labels:
        parts.append(f"labels of {len(sides.labels)} whole {unit}s exchanged")
    if len(sides.within):
        gain = "AUROC less 1/2" if name == "AUROC" else "recall less the share of such answers"
        mixed = len(sides.within)
        anew = " and answers dealt anew, the larger p of both" if sides.dealt else ""
        parts.append(
            f"within {mixed} mixed {unit}{'' if mixed == 1 else 's'} {gain}, signs flipped{anew}"
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
