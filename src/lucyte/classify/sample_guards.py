"""Before training: does anything but the cells tell the classes of these samples?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.classify.guards import confounding
from lucyte.classify.sample_guards_looks import border_table, light_table
from lucyte.classify.sample_guards_told import (
    Ints,
    Names,
    Told,
    judged,
    names_array,
    told_by_level,
    told_by_neighbours,
    told_by_table,
)
from lucyte.learn.crop_statistics import crop_statistics
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.samples import Samples


@dataclass(frozen=True)
class GuardSettings:
    """How the guards ask.

    Attributes
    ----------
    margin : float
        Balanced accuracy above chance (one over the number of classes) that is little.
    folds : int
        At most; fewer where a class is in fewer groups.
    most : int
        Samples whose pixels are looked at, drawn evenly over groups.
    trees : int
    seed : int
    """

    margin: float = 0.1
    folds: int = 5
    most: int = 4000
    trees: int = 100
    seed: int = 0


def sample_guards(
    samples: Samples,
    settings: GuardSettings | None = None,
    file_bytes: npt.ArrayLike | None = None,
) -> tuple[Finding, ...]:
    """Announce what else than the cells tells the classes, before any model is trained.

    Classes in a single group cannot be tested and are named. What whole pictures tell by the same
    extra trees is the measure that a shortcut is held against.

    Parameters
    ----------
    samples : Samples
    settings : GuardSettings
    file_bytes : array N, optional
        Size of each file.

    Returns
    -------
    tuple of Finding
        ``data.acquisition`` and ``data.position`` (see `lucyte.classify.guards.confounding`),
        one ``data.level.<name>`` per level of the design, ``data.border`` (pixels that are not the
        cell) and ``data.light`` (level, tint, sharpness, file size).

    Raises
    ------
    UsageError
        Fewer than two classes.
    """
    how = settings or GuardSettings()
    if len(samples.classes) < 2:
        raise UsageError(f"a guard needs two classes, got {len(samples.classes)}.")
    known = names_array(samples.labels) != ""
    findings = [*_design(samples.take(known) if not known.all() else samples)]
    ask = _Asker.of(samples, how)
    findings += [ask.level(name, values) for name, values in _levels(samples).items()]
    findings += ask.looks(file_bytes)
    return tuple(findings)


def _design(samples: Samples) -> tuple[Finding, ...]:
    """What the plate map alone says, by the guard of runs."""
    if not samples.grouped or not set(samples.levels) & {"plate", "batch", "day", "well"}:
        return ()
    table = pd.DataFrame({name: list(values) for name, values in samples.levels.items()})
    table["state"] = list(samples.labels)
    unit = samples.unit
    if not (unit == "well" and "well" in table):  # then plate and well are put together there
        unit = unit if unit not in table and unit not in ("well", "field") else f"{unit} group"
        table[unit] = list(samples.groups)
    found = confounding(table, "state", unit)
    n = len(set(samples.groups))
    return tuple(
        replace(each, n=n, unit=samples.unit)
        for each in found
        if each.verdict != "inconclusive" or "are known" not in each.why
    )


def _levels(samples: Samples) -> dict[str, tuple[str, ...]]:
    """Levels that can tell anything, the groups among them: two values or more, some shared.

    Where the class was assigned to whole groups, two or more for each class, the groups and what
    lies within them tell it by design; holding groups out answers for that: they are not asked.
    """
    pairs = Counter(label for label, _ in set(zip(samples.labels, samples.groups, strict=True)))
    several = all(count > 1 for count in pairs.values())
    assigned = several and _nested(samples.groups, samples.labels)
    levels = dict(samples.levels)
    if samples.grouped and samples.groups not in levels.values():
        name = samples.unit
        if name in levels:
            name = "plate/well" if name == "well" and "plate" in levels else f"{name} group"
        levels[name] = samples.groups
    return {
        name: values
        for name, values in levels.items()
        if 2 <= len(set(values)) <= len(samples) // 2
        and "" not in values
        and not (samples.grouped and assigned and _nested(values, samples.groups))
    }


def _nested(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether every value of ``inner`` lies within one of ``outer``."""
    return len(set(zip(inner, outer, strict=True))) == len(set(inner))


@dataclass(frozen=True)
class _Asker:
    samples: Samples
    rows: Ints
    labels: Names
    groups: Names
    folds: Ints
    why_not: str
    lonely: tuple[str, ...]
    how: GuardSettings

    @classmethod
    def of(cls, samples: Samples, how: GuardSettings) -> _Asker:
        labels, groups = names_array(samples.labels), names_array(samples.groups)
        pairs = np.unique(np.stack([labels, groups]), axis=1)
        names, count = np.unique(pairs[0], return_counts=True)
        lonely = tuple(str(name) for name, n in zip(names, count, strict=True) if n < 2 and name)
        usable = np.flatnonzero((labels != "") & ~np.isin(labels, lonely))
        folds, why = np.zeros(0, np.int64), ""
        if len(np.unique(labels[usable])) < 2:
            why = f"class {lonely[0]!r} is in one {samples.unit} only, so nothing can be held out"
            usable = usable[:0]
        else:
            usable = usable[even_sample(groups[usable], how.most, how.seed)]
            try:
                possible, why = best_folds(labels[usable], groups[usable], how.folds)
            except UsageError as error:
                possible, why = 0, str(error).rstrip(".")
            if possible >= 2:
                why = ""
                folds = group_folds(labels[usable], groups[usable], possible, how.seed)
        return cls(samples, usable, labels[usable], groups[usable], folds, why, lonely, how)

    @property
    def chance(self) -> float:
        return 1 / max(2, len(np.unique(self.labels)))

    @property
    def unit(self) -> str:
        return self.samples.unit

    def level(self, name: str, of_each: tuple[str, ...]) -> Finding:
        values = names_array(of_each)
        labels = names_array(self.samples.labels)
        known = labels != ""
        accuracy, base = told_by_neighbours(values[known], labels[known])
        held = Told(undefined=self.why_not)
        if not self.why_not:
            held = told_by_level(values[self.rows], self.labels, self.groups, self.folds)
        verdict, why = self._level_words(name, accuracy, base, held)
        return Finding(
            name=f"data.level.{name}",
            question=f"Does the {name} leave the class open?",
            verdict=verdict,
            statistic=accuracy,
            low=None,
            high=None,
            n=len(set(self.samples.groups)),
            unit=self.unit,
            assumed=(f"the {name} of each picture is right",),
            why=why,
            statistic_name="accuracy",
            group="data",
            details={
                "accuracy": accuracy,
                "commonest_class": base,
                "values": len(set(of_each)),
                "held_out_balanced_accuracy": held.balanced_accuracy,
                "chance": self.chance,
            },
        )

    def _level_words(
        self, name: str, accuracy: float, base: float, held: Told
    ) -> tuple[Verdict, str]:
        seen = (
            f"The {name} alone predicts the class with accuracy {accuracy:.2f} (naming the "
            f"commonest class throughout: {base:.2f})"
        )
        reached = f"balanced accuracy {held.balanced_accuracy:.2f}, chance {self.chance:.2f}"
        gain = accuracy >= base + self.how.margin
        if not self.samples.grouped:
            if not gain:
                return "pass", f"{seen}: little is given away."
            return "fail", (
                f"{seen}: pictures of one {name} must not be parted by a split. Say so with "
                "--group-column or --group-regex."
            )
        if held.balanced_accuracy >= self.chance + self.how.margin:
            return "fail", (
                f"{seen}, and in {self.unit}s that were held out it still tells it ({reached}): a "
                f"model can be right by knowing the {name}, and no split by {self.unit} shows it."
            )
        if held.undefined:
            return "inconclusive", f"{seen}; what it tells elsewhere is unknown: {held.undefined}."
        if not gain:
            return "pass", f"{seen}: little is given away."
        return "inconclusive", (
            f"{seen}: a random split of pictures would be given that. In {self.unit}s that were "
            f"held out it tells little ({reached}), so only a split by {self.unit} is honest."
        )

    def looks(self, file_bytes: npt.ArrayLike | None) -> list[Finding]:
        if self.why_not:
            nothing = Told(undefined=self.why_not)
            return [
                self._look("border", "What is not the cell", nothing, math.nan, {}),
                self._look("light", "The light of the picture as a whole", nothing, math.nan, {}),
            ]
        part = self.samples.take(self.rows)
        whole = crop_statistics(part.images, part.channels)
        pictures = self._ask(whole).balanced_accuracy
        border, where = border_table(part)
        sizes = None if file_bytes is None else np.asarray(file_bytes)[self.rows]
        light = light_table(whole, sizes)
        return [
            self._look(
                "border",
                f"Statistics of {where}",
                self._ask(border),
                pictures,
                {"columns": list(border.columns)},
            ),
            self._look(
                "light",
                "Level, tint and sharpness of whole pictures"
                + (" and file size" if "file size" in light else ""),
                self._ask(light),
                pictures,
                {"columns": list(light.columns)},
            ),
        ]

    def _ask(self, table: pd.DataFrame) -> Told:
        how = self.how
        return told_by_table(table, self.labels, self.groups, self.folds, how.seed, how.trees)

    def _look(
        self, name: str, subject: str, told: Told, pictures: float, details: dict[str, Any]
    ) -> Finding:
        verdict, because = judged(told, pictures, self.chance, self.how.margin)
        if told.undefined:
            why = f"{subject} could not be asked about: {because}."
        else:
            spread = (
                f" ({told.low:.2f} to {told.high:.2f})"
                if told.low is not None and told.high is not None
                else ""
            )
            seen = (
                f"{subject} tell the class with balanced accuracy {told.balanced_accuracy:.2f}"
                f"{spread} in {told.n} {self.unit}s held out; chance {self.chance:.2f}, statistics "
                f"of whole pictures {pictures:.2f}"
            )
            follows = {
                "fail": _FOLLOWS[name],
                "pass": "there is little to gain by it",
                "inconclusive": "compare what the model reaches with this",
            }[verdict]
            why = f"{seen}: {because}; {follows}."
        if self.lonely:
            why += f" Not asked of class {self.lonely[0]!r}: it is in one {self.unit} only."
        return Finding(
            name=f"data.{name}",
            question=_QUESTIONS[name],
            verdict=verdict,
            statistic=told.balanced_accuracy,
            low=told.low,
            high=told.high,
            n=told.n,
            unit=self.unit,
            assumed=_ASSUMED[name],
            why=why,
            statistic_name="balanced accuracy",
            group="data",
            details={
                "accuracy": told.accuracy,
                "recall": told.per_class,
                "chance": self.chance,
                "pictures": pictures,
                "margin": self.how.margin,
                "samples": len(self.rows),
                **details,
            },
        )


_QUESTIONS = {
    "border": "Do pixels beside the cell leave the class open?",
    "light": "Do brightness, tint and sharpness leave the class open?",
}
_FOLLOWS = {
    "border": "a model can be right without looking at a cell",
    "light": "a model can be right from exposure, staining or focus, whether they are biology or "
    "not",
}
_ASSUMED = {
    "border": (
        "no part of the cell, and none of its light, reaches these pixels",
        "extra trees see there what a network would see",
    ),
    "light": ("classes were imaged with the same settings",),
}
