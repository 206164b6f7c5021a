"""explain_by_formulas: what a black box does, said in words, with how far the words hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lucyte.explain.surrogate.formula import fit_formulas
from lucyte.explain.surrogate.given import Given, Names, Surrogate, given
from lucyte.explain.surrogate.held_out import Fit, fit_chosen, held_out
from lucyte.explain.surrogate.judged import Judged, finding, judge
from lucyte.explain.surrogate.sparse import fit_sparse
from lucyte.explain.surrogate.tree import fit_trees
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.measure.columns import describe
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.intervals import Interval

KINDS: dict[str, Fit] = {"sparse": fit_sparse, "tree": fit_trees, "formula": fit_formulas}
"""Surrogates on offer, and how each is fitted."""


@dataclass(frozen=True)
class SurrogateSettings:
    """How `explain_by_formulas` works.

    Attributes
    ----------
    kinds : tuple of str
        Of ``KINDS``.
    folds, inner : int
        Group-wise folds for the test, and within each for the choice of complexity.
    rows : int
        Cells used, at most, drawn evenly over units.
    unit : str
        What the groups are.
    seed : int
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    folds: int = 5
    inner: int = 3
    rows: int = 2000
    unit: str = "group"
    seed: int = 0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise unknown("surrogate", kind, KINDS)
        if self.folds < 2 or self.inner < 2:
            raise UsageError("a test needs at least 2 folds, outer and inner.")


@dataclass(frozen=True, eq=False)
class Told:
    """One surrogate with what held-out groups say of it.

    Attributes
    ----------
    model : Surrogate
        Fitted on all cells; the judgement is of such models fitted without the cell's group.
    judged : Judged
    finding : Finding
    """

    model: Surrogate
    judged: Judged
    finding: Finding


@dataclass(frozen=True, eq=False)
class Surrogates:
    """All that were made, in the order asked for.

    Attributes
    ----------
    told : tuple of Told
    absent : mapping of kind to str
        Why one was not made.
    """

    told: tuple[Told, ...]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """One per surrogate."""
        return [each.finding for each in self.told]

    def table(self) -> pd.DataFrame:
        """Rows for a page: ``kind, words, features, complexity, verdict``, and ``fidelity,
        accuracy, accuracy_kept``, each with ``_low`` and ``_high`` (nan: no interval)."""
        rows = []
        for each in self.told:
            row: dict[str, object] = {
                "kind": each.model.kind,
                "words": each.model.words(),
                "features": ", ".join(describe(name) for name in each.model.features),
                "complexity": each.model.complexity,
                "verdict": each.finding.verdict,
            }
            for name, found in (
                ("fidelity", each.judged.fidelity),
                ("accuracy", each.judged.accuracy),
                ("accuracy_kept", each.judged.kept),
            ):
                row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row)
        return pd.DataFrame(rows)

    def describe(self) -> list[str]:
        """One line per surrogate, for a terminal."""
        lines = []
        for each in self.told:
            kept = each.judged.kept
            share = "" if np.isnan(kept.estimate) else f", {_range(kept)} of the accuracy"
            lines.append(
                f"{each.model.kind}: {each.model.words()}  [{_range(each.judged.fidelity)} of the "
                f"answers{share}; {each.finding.verdict}]"
            )
        return lines + [f"{kind}: not made, for {why}" for kind, why in self.absent.items()]


def explain_by_formulas(
    features: pd.DataFrame,
    answers: Sequence[str] | pd.DataFrame,
    labels: Sequence[str],
    groups: Sequence[str],
    settings: SurrogateSettings | None = None,
) -> Surrogates:
    """Say what a black box does by models that a person can read, and test them.

    Each is fitted to the black box's answers and asked about groups that it did not see: does it
    give the same answers (fidelity), and how much of the accuracy is left? Its complexity is
    chosen on groups within those it was fitted on.

    Parameters
    ----------
    features : DataFrame
        N rows of named features: measured in the model's own crops, or disentangled latents.
        Columns that are no numbers are left aside.
    answers : sequence of N str, or DataFrame N x classes
        What the black box says, or its logits.
    labels : sequence of N str
        The truth; "" where it is not known.
    groups : sequence of N str
        The independent unit of each.
    settings : SurrogateSettings, optional

    Raises
    ------
    UsageError
        Lengths that differ, a black box that always says the same, no usable column, or an
        answer that is found in one unit only.

    References
    ----------
    Craven and Shavlik 1996, NIPS 8 (fidelity). Cranmer 2023, arXiv 2305.01582.
    """
    how = settings or SurrogateSettings()
    rows, truth = _rows(features, answers, labels, groups, how)
    possible, why = best_folds(rows.answers, rows.groups, how.folds)
    if possible < 2:
        raise UsageError(f"what the model does cannot be tested on held-out {how.unit}s: {why}")
    fold = group_folds(rows.answers, rows.groups, possible, how.seed)
    usual = _usual(rows)
    told: list[Told] = []
    absent: dict[str, str] = {}
    for kind in how.kinds:
        try:
            said, by_fold = held_out(KINDS[kind], rows, fold, how.inner)
            model = fit_chosen(KINDS[kind], rows, how.inner)
        except UsageError as error:
            absent[kind] = str(error)
            continue
        judged = judge(said, rows.answers, truth, rows.groups)
        told.append(Told(model, judged, finding(model, by_fold, judged, how.unit, usual)))
    return Surrogates(tuple(told), absent)


def _rows(
    features: pd.DataFrame,
    answers: Sequence[str] | pd.DataFrame,
    labels: Sequence[str],
    groups: Sequence[str],
    how: SurrogateSettings,
) -> tuple[Given, Names]:
    """Rows drawn evenly over units, and their truth."""
    if isinstance(answers, pd.DataFrame):
        names = np.asarray([str(name) for name in answers.columns])
        answers = names[answers.to_numpy(dtype=np.float64).argmax(axis=1)].tolist()
    if not len(features) == len(answers) == len(labels) == len(groups):
        raise UsageError(
            f"got {len(features)} rows of features, {len(answers)} answers, {len(labels)} labels "
            f"and {len(groups)} groups."
        )
    columns = [str(name) for name in features.columns if features[name].dtype.kind in "fiu"]
    table = features[columns]
    y, t, g = (np.asarray(each, dtype=str) for each in (answers, labels, groups))
    measured = np.isfinite(table.to_numpy(dtype=np.float64)).any(axis=1)
    there = np.flatnonzero(measured)
    some = there[even_sample(g[there], how.rows, how.seed)]
    y, t, g = y[some], t[some], g[some]
    return given(table.iloc[some].reset_index(drop=True), columns, y, g, how.seed), t


def _usual(rows: Given) -> float:
    """Fidelity of the commonest answer, mean over units."""
    names = np.unique(rows.answers)
    _, at, count = np.unique(rows.groups, return_inverse=True, return_counts=True)
    weight = 1.0 / (count[at] * len(count))
    return max(float(weight[rows.answers == name].sum()) for name in names)


def _range(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.estimate:.0%}"
    return f"{found.estimate:.0%} ({found.low:.0%} to {found.high:.0%})"
