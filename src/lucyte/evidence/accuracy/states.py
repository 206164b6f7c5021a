"""Whether states agree with a truth, and whether better than chance over units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.requirement import GROUP, Requirement, meets, shown
from lucyte.evidence.model.retrain import compare
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.classification import Score, confusion, evaluate
from lucyte.stats.intervals import Interval, cluster_interval
from lucyte.stats.permutation import Permutation, permutation_test, sign_flip_test
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
        test = _chance_of_auroc(logits[:, 1] - logits[:, 0], truth == classes[1], units, asked)
    else:
        name = "balanced accuracy"
        said = known["state"].astype(str).to_numpy(dtype=str)
        interval, values = _balanced(truth, said, units, list(classes), asked.seed)
        test = _chance_of_recall(truth, said, units, len(classes), asked)
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
    return accuracy, _above_chance(test, interval, (name, noun), names, asked)


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
    return cluster_interval(recall, units, seed=seed), values


def _chance_of_auroc(
    score: Floats, positive: npt.NDArray[np.bool_], units: Names, asked: Requirement
) -> Permutation | None:
    twice = np.concatenate([score, score])
    sides = np.repeat([True, False], len(score))
    rates = unit_pairs(twice, sides, np.concatenate([units, units])).rates()
    names = np.unique(units)
    share = np.array([positive[units == u].mean() for u in names])
    if np.any((share > 0) & (share < 1)):
        own = unit_pairs(score, positive, units).rates().diagonal()
        own = own[np.isfinite(own)] - 0.5
        return sign_flip_test(own.tolist(), asked.permutations, asked.seed)
    if len(np.unique(share)) < 2:
        return None

    def auroc(labels: npt.NDArray[Any]) -> float:
        return float(rates[np.ix_(labels == 1, labels == 0)].mean()) - 0.5

    return permutation_test(
        auroc, share.astype(int).tolist(), "two-sided", asked.permutations, asked.seed
    )


def _chance_of_recall(
    truth: Names, said: Names, units: Names, count: int, asked: Requirement
) -> Permutation | None:
    names = np.unique(units)
    held = [np.unique(truth[units == u]) for u in names]
    if any(len(own) > 1 for own in held):
        above = []
        for u, own in zip(names, held, strict=True):
            at = units == u
            each = [(said[at & (truth == name)] == name).mean() for name in own]
            above.append(float(np.mean(each)) - 1 / count)
        return sign_flip_test(above, asked.permutations, asked.seed)
    labels = np.array([str(own[0]) for own in held])
    if len(np.unique(labels)) < 2:
        return None
    shares = {
        name: np.array([(said[units == u] == name).mean() for u in names])
        for name in np.unique(labels).tolist()
    }

    def recall(given: npt.NDArray[Any]) -> float:
        return float(np.mean([shares[n][given == n].mean() for n in shares])) - 1 / count

    return permutation_test(recall, labels.tolist(), "greater", asked.permutations, asked.seed)


def _above_chance(
    test: Permutation | None,
    interval: Interval,
    nouns: tuple[str, str],
    names: str,
    asked: Requirement,
) -> Finding:
    name, unit = nouns
    verdict: Verdict = "inconclusive"
    p = math.nan
    if test is None:
        why = f"Only one class is among the {unit}s, so there is nothing to compare with chance."
    else:
        p = test.p
        told = f"Exchanging the labels of whole {unit}s gives p = {p:.3g}"
        if not test.can_reach(asked.alpha):
            why = (
                f"{told}, the smallest that {interval.n} {unit}s can give being "
                f"{test.smallest_p:.2g}: too few {unit}s to tell anything from chance at "
                f"{asked.alpha:g}, however good the answers."
            )
        elif p > asked.alpha:
            why = f"{told}: answers this good come by chance too often ({asked.alpha:g} was set)."
        elif test.observed > 0:
            verdict, why = "pass", f"{told}: better than chance."
        else:
            verdict, why = "fail", f"{told}: worse than chance; the states are turned round."
    return Finding(
        name="accuracy.above_chance",
        question=f"Do the states tell {names} better than chance?",
        verdict=verdict,
        statistic=p,
        low=None,
        high=None,
        n=interval.n,
        unit=unit,
        assumed=(f"under chance any {unit} could have had any label", "answers are kept fixed"),
        why=why,
        statistic_name="p",
        group=GROUP,
        details={"of": name, "alpha": asked.alpha} | (_told(test) if test else {}),
    )


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
