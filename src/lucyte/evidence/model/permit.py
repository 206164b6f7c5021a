"""Whether any of several numbers of a crop tells the classes by itself: fitted again on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.guard import Judgement, judge_one_of
from lucyte.evidence.model.image_numbers import Family, ranked
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.telling import Row
from lucyte.learn.crops import CropLearner
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding, Verdict

TOGETHER = "together"


@dataclass(frozen=True)
class Permit:
    """The words of one question about what the data permit.

    Attributes
    ----------
    name, question : str
        ``{names}`` in the question becomes the classes.
    subject : str
        What was given to the model, to begin a sentence with.
    follows : str
        What follows where it fails.
    little : str
        What follows where it passes.
    assumed : tuple of str
    may_fail : bool
        False where biology may as well be what is seen: then a gain leaves the question open, and
        ``follows`` says so.
    """

    name: str
    question: str
    subject: str
    follows: str
    little: str
    assumed: tuple[str, ...]
    may_fail: bool = True


def plain_answer(crops: CropSet, settings: ChallengeSettings) -> HeldOut:
    """What the quick learner tells from the crops as they are."""
    learner = CropLearner(crops.channels)
    answer = with_learner(learner, [crops.crops], crops.labels, crops.groups, settings.seed)
    return held_out(answer, crops.labels, crops.groups, settings.folds, settings.seed)


def permit(
    subject: Subject,
    families: Sequence[Family],
    plain: HeldOut,
    settings: ChallengeSettings,
    asked: Permit,
) -> Finding:
    """Fit on all families together and on each by itself, and judge the one that tells most.

    Parameters
    ----------
    subject : Subject
        Cells, each in a class of two units or more.
    families : sequence of Family
    plain : HeldOut
        From `plain_answer`.
    settings : ChallengeSettings
    asked : Permit
    """
    crops = subject.crops
    rows, verdicts = _try_each(crops, families, plain, settings)
    at = _worst(rows, verdicts)
    table = [
        {**row.to_json(), "verdict": told.verdict} for row, told in zip(rows, verdicts, strict=True)
    ]
    return _finding(
        asked, crops, (rows[at], _in_words(verdicts[at], asked, plain, settings)), plain,
        _details(rows[at], plain, settings, table, crops),
    )  # fmt: skip


def _try_each(
    crops: CropSet, families: Sequence[Family], plain: HeldOut, settings: ChallengeSettings
) -> tuple[list[Row], list[Judgement]]:
    if not families:
        nothing = HeldOut(undefined="nothing of it varies from crop to crop")
        return [Row(TOGETHER, "", nothing, len(crops))], [
            Judgement("inconclusive", nothing.undefined)
        ]
    joint = [f.values for f in families if not (f.alike or f.signed)]
    tried = [f for f in families if not f.alike or _same_way(f.values, crops)]
    if len(joint) > 1:
        tried.insert(0, Family(TOGETHER, "all of these numbers", np.hstack(joint)))
    rows, verdicts = [], []
    for each in tried:
        told = _told_by(each, crops, settings)
        rows.append(Row(each.name, each.what, told, len(crops)))
        verdicts.append(
            judge_one_of(
                told, plain.auroc, settings.margin, (len(tried), settings.alpha), crops.labels,
                crops.groups, each.over_units,
            )
        )  # fmt: skip
    return rows, verdicts


def _told_by(family: Family, crops: CropSet, settings: ChallengeSettings) -> HeldOut:
    """What a family tells; of one that must move all channels alike, by the channel that least."""

    def ask(values: npt.NDArray[np.float64]) -> HeldOut:
        ranks = ranked(values)
        table = ranks[:, : values.shape[1]] if family.signed else ranks
        answer = with_table(table, crops.labels, settings.seed)
        return held_out(answer, crops.labels, crops.groups, settings.folds, settings.seed)

    if not family.alike:
        return ask(family.values)
    return min((ask(column[:, None]) for column in family.values.T), key=lambda told: told.auroc)


def _same_way(values: npt.NDArray[np.float64], crops: CropSet) -> bool:
    """Whether the classes are ordered alike by every column."""
    truth = np.asarray(crops.labels, dtype=str)
    ranks = ranked(values)[:, : values.shape[1]]
    means = np.stack([ranks[truth == name].mean(axis=0) for name in crops.classes])
    means -= means.mean(axis=0)
    return bool(((means * means.mean(axis=1, keepdims=True)).sum(axis=0) > 0).all())


def _in_words(
    told: Judgement, asked: Permit, plain: HeldOut, settings: ChallengeSettings
) -> Judgement:
    """The verdict with what follows from it."""
    if told.verdict == "pass" and plain.auroc < 0.5 + settings.margin:
        nothing = "the crops do not tell them apart either, so there is nothing to attribute"
        return Judgement("inconclusive", nothing)
    if told.verdict == "fail":
        verdict: Verdict = "fail" if asked.may_fail else "inconclusive"
        return Judgement(verdict, f"{told.because}; {asked.follows}")
    return (
        replace(told, because=f"{told.because}; {asked.little}") if told.verdict == "pass" else told
    )


def class_names(crops: CropSet) -> str:
    """``a from b``, or words for more classes."""
    return " from ".join(crops.classes) if len(crops.classes) == 2 else "one class from another"


def _worst(rows: Sequence[Row], verdicts: Sequence[Judgement]) -> int:
    """A failure before what is open before what passes; the highest AUROC among equals."""
    order = {"fail": 2, "inconclusive": 1, "pass": 0}

    def weight(k: int) -> tuple[int, float]:
        auroc = rows[k].told.auroc
        return order[verdicts[k].verdict], auroc if math.isfinite(auroc) else -1.0

    return max(range(len(rows)), key=weight)


def _finding(
    asked: Permit,
    crops: CropSet,
    answer: tuple[Row, Judgement],
    plain: HeldOut,
    details: Mapping[str, Any],
) -> Finding:
    (row, judgement), names = answer, class_names(crops)
    told = row.told
    if told.undefined:
        why = f"{asked.subject} could not be judged: {judgement.because}."
    else:
        why = (
            f"A model given {row.what} alone tells {names} with AUROC {told.auroc:.2f}"
            f"{_range(told, crops.unit)}; crops with the cells reach {plain.auroc:.2f}: "
            f"{judgement.because}."
        )
    return Finding(
        name=asked.name,
        question=asked.question.format(names=names),
        verdict=judgement.verdict,
        statistic=told.auroc if told.n else math.nan,
        low=told.low,
        high=told.high,
        n=told.n,
        unit=crops.unit,
        assumed=(*asked.assumed, f"{crops.unit}s are independent"),
        why=why,
        statistic_name="AUROC",
        details=details,
    )


def _details(
    row: Row,
    plain: HeldOut,
    settings: ChallengeSettings,
    table: list[dict[str, Any]],
    crops: CropSet,
) -> Mapping[str, Any]:
    tried = max(1, len(table))
    return {
        "worst": row.name,
        "per_unit": row.told.units,
        "folds": list(row.told.folds),
        "apart": row.told.apart,
        "cells_auroc": plain.auroc,
        "margin": settings.margin,
        "inputs": table,
        "reviewer": (
            f"Ridge logistic model on ranks and squared ranks, refitted per input and fold with "
            f"whole {crops.unit}s left out ({len(row.told.folds)} class-balanced folds, "
            f"{len(crops)} crops); AUROC between {crops.unit}s of one fold; {tried} inputs tried, "
            f"a failure needs a gap between {crops.unit} means at alpha {settings.alpha:g} over "
            f"twice that; margin {settings.margin:g}; baseline: logistic model of crop statistics."
        ),
    }


def _range(told: HeldOut, unit: str) -> str:
    if told.low is None or told.high is None:
        return f" ({told.n} {unit}s: {', '.join(f'{v:.2f}' for v in told.units.values())})"
    return f" ({told.low:.2f} to {told.high:.2f}, {told.n} {unit}s)"
