"""Sentences of the background question: from answers to Findings that a biologist can read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lucyte.evidence.model.guard import judge
from lucyte.evidence.model.retrain import HeldOut
from lucyte.schema.finding import Finding, Verdict

VARY_BY_NATURE = ("silhouettes",)
"""Inputs in which the cells of one unit differ, so that means over units are judged, too."""
FEW_TO_LIST = 8
"""Up to so many units the sentence lists each one."""


@dataclass(frozen=True)
class Row:
    """One input: what it is, whether it holds cells, what was answered."""

    name: str
    what: str
    told: HeldOut
    count: int

    def to_json(self) -> dict[str, Any]:
        return {
            "input": self.name,
            "what": self.what,
            "auroc": self.told.auroc,
            "low": self.told.low,
            "high": self.told.high,
            "n": self.told.n,
            "crops": self.count,
            "per_unit": self.told.units,
            "undefined": self.told.undefined,
        }


@dataclass(frozen=True)
class Teller:
    """Turns answers into Findings with sentences."""

    names: str
    plain: HeldOut
    margin: float
    unit: str

    def shortcut(
        self, name: str, row: Row, subject: str, details: Mapping[str, Any] | None = None
    ) -> Finding:
        told = row.told
        judgement = judge(told, self.plain.auroc, self.margin, row.name in VARY_BY_NATURE)
        if judgement.verdict == "pass" and self.plain.auroc < 0.5 + self.margin:
            nothing = "the crops do not tell them apart either, so there is nothing to attribute"
            judgement = replace(judgement, verdict="inconclusive", because=nothing)
        if told.undefined:
            why = f"{subject} could not be judged: {told.undefined}."
        else:
            seen = f"{subject} tell {self.names} with AUROC {told.auroc:.2f}{self._range(told)}"
            cells = f"crops with the cells reach {self.plain.auroc:.2f}"
            why = {
                "fail": f"{seen}, {judgement.because} ({cells}): "
                f"{_FOLLOWS.get(row.name, 'a model can be right without looking at a cell')}.",
                "pass": f"{seen} ({judgement.because}): there is little to gain by not looking at "
                f"the cells ({cells}).",
                "inconclusive": f"{seen}; {cells}: {judgement.because}.",
            }[judgement.verdict]
        return self._finding(
            name,
            f"Is it the cells that tell {self.names}, rather than {_inside(subject)}?",
            (judgement.verdict, why),
            row,
            details or {},
        )

    def remains(self, row: Row) -> Finding:
        told, limit = row.told, 0.5 + self.margin
        verdict: Verdict = "inconclusive"
        if told.undefined:
            why = f"What remains of the cells could not be judged: {told.undefined}."
        else:
            seen = (
                f"The cells alone, less their background and matched in size and crowding, tell "
                f"{self.names} with AUROC {told.auroc:.2f}{self._range(told)}; as they came: "
                f"{self.plain.auroc:.2f}"
            )
            if told.low is not None and told.low > limit:
                verdict = "pass"
                rest = "something within the outlines differs, be it biology, focus or staining"
            elif self.plain.auroc < limit:
                rest = "as they came they told little either, so nothing could be lost"
            elif told.high is not None and told.high < min(limit, _low(self.plain, limit)):
                verdict, rest = "fail", "little of what the plain crops told is in the cells"
            else:
                rest = f"too few {self.unit}s, or too little difference, to say that it is there"
            why = f"{seen}: {rest}."
        question = (
            f"Do the cells tell {self.names} once surroundings, light level, size and crowding "
            "are taken away?"
        )
        return self._finding("background.remains", question, (verdict, why), row, {})

    def _finding(
        self,
        name: str,
        question: str,
        answer: tuple[Verdict, str],
        row: Row,
        details: Mapping[str, Any],
    ) -> Finding:
        told = row.told
        reviewer = (
            f"Learner refitted per fold on '{row.name}' ({row.what}; {row.count} rows) with whole "
            f"{self.unit}s left out in {len(told.folds)} class-balanced folds; AUROC between "
            f"{self.unit}s of one fold, t over folds on the logit; margin {self.margin:g}."
        )
        return Finding(
            name=name,
            question=question,
            verdict=answer[0],
            statistic=told.auroc if told.n else math.nan,
            low=told.low,
            high=told.high,
            n=told.n,
            unit=self.unit,
            assumed=(*_ASSUMED.get(row.name, ()), f"{self.unit}s are independent"),
            why=answer[1],
            statistic_name="AUROC",
            details={
                "per_unit": told.units,
                "folds": list(told.folds),
                "cells_auroc": self.plain.auroc,
                "margin": self.margin,
                "reviewer": reviewer,
                **details,
            },
        )

    def _range(self, told: HeldOut) -> str:
        """The points where they can be read one by one, else the interval."""
        values = [f"{value:.2f}" for value in told.units.values()]
        if told.n <= FEW_TO_LIST or told.low is None or told.high is None:
            return f" ({told.n} {self.unit}s: {', '.join(values)})"
        return f" ({told.low:.2f} to {told.high:.2f}, {told.n} {self.unit}s)"


_FOLLOWS = {
    "silhouettes": "a model can be right from size, shape and crowding without looking inside a "
    "cell, whether they are biology or not",
    "image statistics": "a model can be right from the look of the whole field",
}
_ASSUMED = {
    "cell-free places": (
        "places counted as cell-free hold no cell; one too dim to be found would be missed",
        "the learner can see what a stronger model would see",
    ),
    "cells erased": ("the light around a cell ends within the halo",),
    "silhouettes": ("outlines were drawn in the same way in both classes",),
    "image statistics": ("found objects cover all cells",),
    "what remains": (
        "medium light adds through the cell as it does beside it",
        "size and crowding are matched in coarse bins",
    ),
}


def _low(plain: HeldOut, otherwise: float) -> float:
    """What the plain crops tell at the least, so that a loss is a loss."""
    return otherwise if plain.low is None else plain.low


def _inside(subject: str) -> str:
    return subject[0].lower() + subject[1:]
