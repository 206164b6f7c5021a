"""What a model answers about units it has never seen, fitted again on one kind of input."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.splits import best_folds, group_folds
from lucyte.schema.protocols import Learner
from lucyte.stats.intervals import FEWEST
from lucyte.stats.roc import auroc_limits, unit_pairs

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
RULER_ROWS = 600
"""Training rows that are asked again in each fold, to know the scale of its model."""
Answer = Callable[[Rows, Rows], Floats]
"""Takes training rows and rows to ask about; returns logits ``asked x classes``, sorted."""


@dataclass(frozen=True)
class HeldOut:
    """How well whole units are told apart by a model that saw none of them.

    Attributes
    ----------
    auroc : float
        Mean over folds; within a fold every pair of units of different class counts once, and
        with more than two classes every pair of classes (Hand and Till). nan where undefined.
    low, high : float or None
        Limits over folds; None with fewer than 6 units.
    units : mapping of unit to float
        AUROC of each unit's objects against those of the other class held out beside it.
    folds : tuple of float
    apart : float
        Distance between the classes' unit means of the held-out logits, in standard deviations
        between units of one class (mean over pairs of classes); nan where it was not asked for.
        AUROC saturates where this does not: it tells a gap from wells that happen to fall right.
    logits : array N x classes
        nan for rows that were never held out.
    fold_of : int array N
        -1 for rows never held out.
    undefined : str
        Why there is no AUROC, in words.
    """

    auroc: float = math.nan
    low: float | None = None
    high: float | None = None
    units: dict[str, float] = field(default_factory=dict)
    folds: tuple[float, ...] = ()
    apart: float = math.nan
    logits: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    fold_of: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    undefined: str = ""

    @property
    def n(self) -> int:
        """Independent units."""
        return len(self.units)


def held_out(
    answer: Answer, labels: Sequence[str], groups: Sequence[str], folds: int = 6, seed: int = 0
) -> HeldOut:
    """Fit without each fold's units, ask about them, compare units within the fold.

    References
    ----------
    Airola et al. 2011, doi 10.1016/j.csda.2010.11.018 (why only within a fold).
    Hand and Till 2001, doi 10.1023/A:1010920819831.
    """
    classes = sorted(set(labels))
    count, _ = best_folds(labels, groups, folds)
    if len(classes) < 2 or count < 2:
        return HeldOut(undefined=_too_few_units(labels, groups))
    fold_of = group_folds(labels, groups, count, seed)
    logits = np.full((len(fold_of), len(classes)), np.nan)
    ruler = np.full((len(fold_of), len(classes) * (len(classes) - 1) // 2), np.nan)
    truth, names = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    for number in range(count):
        train, rows = np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)
        some = _spread_out(train, names)
        told = answer(train, np.concatenate([rows, some]))
        logits[rows], seen = told[: len(rows)], told[len(rows) :]
        ruler[rows] = _on_ruler(logits[rows], seen, truth[some], names[some])
    whole = compare(logits, fold_of, labels, groups)
    return replace(whole, apart=apart_of(ruler, truth, names))


def compare(
    logits: Floats,
    fold_of: Rows,
    labels: Sequence[str],
    groups: Sequence[str],
    among: npt.NDArray[np.bool_] | None = None,
) -> HeldOut:
    """AUROC between units held out in the same fold, from logits that are at hand.

    Parameters
    ----------
    among : bool array N
        Only these rows (places within some distance); all where not given.
    """
    truth, names = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    chosen = (fold_of >= 0) & np.isfinite(logits).all(axis=1)
    if among is not None:
        chosen &= among
    classes = sorted(set(labels))
    values: list[float] = []
    of_unit: dict[str, list[float]] = defaultdict(list)
    for number in np.unique(fold_of[chosen]):
        rows = np.flatnonzero(chosen & (fold_of == number))
        told = []
        for a, b in combinations(range(len(classes)), 2):
            at = rows[np.isin(truth[rows], (classes[a], classes[b]))]
            pairs = unit_pairs(logits[at, b] - logits[at, a], truth[at] == classes[b], names[at])
            rates = pairs.rates()
            if not np.isfinite(rates).any():
                continue
            told.append(float(np.nanmean(rates)))
            for k, name in enumerate(pairs.names):
                own = np.concatenate([rates[k], np.delete(rates[:, k], k)])
                of_unit[name].extend(own[np.isfinite(own)].tolist())
        if told:
            values.append(float(np.mean(told)))
    units = {name: float(np.mean(own)) for name, own in sorted(of_unit.items()) if own}
    whole = HeldOut(
        units=units,
        folds=tuple(values),
        logits=logits,
        fold_of=fold_of.astype(np.int64),
    )
    if not values:
        return replace(whole, undefined="no fold holds two classes")
    auroc = float(np.mean(values))
    if len(units) < FEWEST or len(values) < 2:
        return replace(whole, auroc=auroc)
    variance = float(np.var(values, ddof=1)) / len(values)
    per_class = [len(set(names[chosen & (truth == name)])) for name in classes]
    interval = auroc_limits(
        auroc, variance, (min(per_class), max(per_class)), len(values) - 1, len(units)
    )
    return replace(whole, auroc=auroc, low=interval.low, high=interval.high)


def _spread_out(rows: Rows, names: npt.NDArray[Any]) -> Rows:
    """Some of these rows, evenly over units."""
    units = np.unique(names[rows])
    each = max(1, RULER_ROWS // len(units))
    chosen = []
    for unit in units:
        own = rows[names[rows] == unit]
        step = np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(np.int64)
        chosen.append(own[step])
    return np.concatenate(chosen)


def _on_ruler(
    logits: Floats, seen: Floats, truth: npt.NDArray[Any], names: npt.NDArray[Any]
) -> Floats:
    """Where held-out rows lie between the classes' training means: 0 the first, 1 the second.

    One column per pair of classes; nan where the fitted model does not tell the pair apart. The
    models of different folds differ in scale, so their logits cannot be pooled as they are.
    """
    classes = np.unique(truth)
    columns = []
    for a, b in combinations(range(len(classes)), 2):
        lean = seen[:, b] - seen[:, a]
        ends = [_unit_means(lean, truth == classes[k], names).mean() for k in (a, b)]
        gap = float(ends[1] - ends[0])
        place = (logits[:, b] - logits[:, a] - ends[0]) / gap if gap > 1e-9 else np.nan
        columns.append(np.broadcast_to(place, len(logits)))
    return np.stack(columns, axis=1)


def apart_of(ruler: Floats, truth: npt.NDArray[Any], names: npt.NDArray[Any]) -> float:
    """Distance between the classes' unit means, in deviations between units of one class.

    Parameters
    ----------
    ruler : float array N x pairs
        One column per pair of classes (sorted, in the order of `itertools.combinations`), larger
        for the second.
    truth, names : array N
        Class and unit.
    """
    classes = np.unique(truth)
    found = []
    for at, (a, b) in enumerate(combinations(range(len(classes)), 2)):
        known = np.isfinite(ruler[:, at])
        first, second = (
            _unit_means(ruler[:, at], known & (truth == classes[k]), names) for k in (a, b)
        )
        if min(len(first), len(second)) < 2:
            continue
        within = sum(float(((own - own.mean()) ** 2).sum()) for own in (first, second))
        spread = math.sqrt(within / (len(first) + len(second) - 2))
        gap = float(second.mean() - first.mean())
        found.append(gap / spread if spread > 0 else math.copysign(math.inf, gap))
    return float(np.mean(found)) if found else math.nan


def _unit_means(
    values: Floats, chosen: npt.NDArray[np.bool_], names: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    units = np.unique(names[chosen])
    return np.array([values[chosen & (names == unit)].mean() for unit in units])


def with_learner(
    learner: Learner,
    parts: Iterable[npt.NDArray[Any]],
    labels: Sequence[str],
    groups: Sequence[str],
    seed: int,
) -> Answer:
    """An Answer that fits the learner on crops ``N C Y X``, given part after part.

    A `CropLearner` describes each crop by numbers of that crop alone; these are made once, not once
    in every fold, and the answers are the same.
    """
    from lucyte.learn.crops import CropLearner, light_statistics

    classes = sorted(set(labels))
    if isinstance(learner, CropLearner):
        tables = [light_statistics(part, learner.names(part)) for part in parts]
        table = pd.concat(tables, ignore_index=True)

        def tabled(train: Rows, test: Rows) -> Floats:
            told = learner.fit_table(
                table.iloc[train], [labels[i] for i in train], [groups[i] for i in train], seed
            )
            order = [list(told.classes).index(name) for name in classes]
            return np.asarray(told.logits(table.iloc[test]), dtype=np.float64)[:, order]

        return tabled

    samples = np.concatenate(list(parts))

    def answer(train: Rows, test: Rows) -> Floats:
        model = learner.fit(
            samples[train], [labels[i] for i in train], [groups[i] for i in train], seed
        )
        order = [list(model.classes).index(name) for name in classes]
        return np.asarray(model.logits(samples[test]), dtype=np.float64)[:, order]

    return answer


def with_table(table: npt.ArrayLike, labels: Sequence[str], seed: int) -> Answer:
    """An Answer by a ridge logistic model on standardised columns ``N x columns``."""
    x = np.asarray(table, dtype=np.float64)
    classes = sorted(set(labels))
    truth = np.asarray(labels, dtype=str)

    def answer(train: Rows, test: Rows) -> Floats:
        from sklearn.linear_model import LogisticRegression

        centre = x[train].mean(axis=0)
        spread = x[train].std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        model = LogisticRegression(C=1.0, max_iter=2000, class_weight="balanced")
        model.fit((x[train] - centre) / spread, truth[train])
        told = np.asarray(model.decision_function((x[test] - centre) / spread), dtype=np.float64)
        logits = np.column_stack([-told / 2, told / 2]) if told.ndim == 1 else told
        out = np.full((len(test), len(classes)), -np.inf)
        out[:, [classes.index(name) for name in model.classes_]] = logits
        return out

    return answer


def _too_few_units(labels: Sequence[str], groups: Sequence[str]) -> str:
    counts = {
        name: len({g for g, each in zip(groups, labels, strict=True) if each == name})
        for name in sorted(set(labels))
    }
    if len(counts) < 2:
        return f"only one class is there ({', '.join(counts) or 'none'})"
    told = ", ".join(f"{count} of {name}" for name, count in counts.items())
    return f"leaving whole units out needs at least 2 units of each class; there are {told}"
