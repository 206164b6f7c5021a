"""Formulas in words: one class after another, each told from those that are left.

References
----------
Symbolic regression of what a network learned: Cranmer 2023, arXiv 2305.01582. Lists of rules:
Rivest 1987, doi 10.1007/BF00058680.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lucyte.explain.surrogate.given import Columns, Floats, Given, Names
from lucyte.explain.surrogate.search import LENGTHS, Formula, best_formulas
from lucyte.explain.surrogate.terms import split_gains
from lucyte.learn.splits import even_sample
from lucyte.schema.errors import UsageError

ROWS = 600
"""Rows that are searched, drawn evenly over answers and units."""
MOST_CLASSES = 4


@dataclass(frozen=True, eq=False)
class FormulaList:
    """The first formula that holds names the class; where none does it is the last class.

    Attributes
    ----------
    columns : Columns
    steps : tuple of (class, Formula)
    otherwise : str
    """

    columns: Columns
    steps: tuple[tuple[str, Formula], ...]
    otherwise: str

    kind = "formula"

    @property
    def features(self) -> tuple[str, ...]:
        """Columns it reads, each once."""
        return tuple(dict.fromkeys(name for _, each in self.steps for name in each.features))

    @property
    def complexity(self) -> int:
        """Names and numbers in it."""
        return sum(each.complexity for _, each in self.steps)

    def answers(self, table: pd.DataFrame) -> Names:
        """Class of every row."""
        columns = by_name(self.columns, table)
        out = np.full(len(table), self.otherwise, dtype=object)
        for name, formula in reversed(self.steps):
            out[formula.holds(columns)] = name
        return out.astype(str)

    def words(self) -> str:
        """``starved when number of mRFP spots / area > 0.012; otherwise fed``."""
        said = [f"{name} when {formula.words()}" for name, formula in self.steps]
        return "; else ".join(said) + f"; otherwise {self.otherwise}"


def by_name(columns: Columns, table: pd.DataFrame) -> dict[str, Floats]:
    """Values without gaps, per column."""
    values = columns.values(table)
    return {name: np.ascontiguousarray(values[:, k]) for k, name in enumerate(columns.names)}


def fit_formulas(rows: Given) -> list[FormulaList]:
    """A list of formulas for every length that each may have.

    Raises
    ------
    UsageError
        More than four answers: a list of many formulas is no explanation.
    """
    classes = rows.classes
    if len(classes) > MOST_CLASSES:
        raise UsageError(f"formulas tell at most {MOST_CLASSES} answers apart, got {len(classes)}.")
    stratum = [f"{a}\n{g}" for a, g in zip(rows.answers, rows.groups, strict=True)]
    some = rows.some(even_sample(stratum, ROWS, rows.seed))
    columns, weight = by_name(some.columns, some.table), some.weight
    left = list(_order(some, columns))
    steps: list[list[tuple[str, Formula]]] = [[] for _ in LENGTHS]
    while len(left) > 1:
        name = left.pop(0)
        live = np.isin(some.answers, [name, *left])
        own = {key: value[live] for key, value in columns.items()}
        found = best_formulas(own, _pull(some.answers[live] == name, weight[live]))
        for level, formula in zip(steps, found, strict=True):
            level.append((name, formula))
    return [FormulaList(rows.columns, tuple(level), left[0]) for level in steps]


def _order(some: Given, columns: dict[str, Floats]) -> tuple[str, ...]:
    """Classes from the one that a single feature tells best; of two the second is named."""
    classes = some.classes
    if len(classes) == 2:
        return classes[::-1]
    table = np.stack(list(columns.values()))
    alone = {
        name: float(np.abs(split_gains(table, _pull(some.answers == name, some.weight))[0]).max())
        for name in classes
    }
    return tuple(sorted(classes, key=lambda name: -alone[name]))


def _pull(own: Names | np.ndarray, weight: Floats) -> Floats:
    """Weights that add up to 1/2 in the class and -1/2 in the rest."""
    inside = np.asarray(own, dtype=np.bool_)
    mine, rest = weight[inside].sum(), weight[~inside].sum()
    pulled: Floats = np.where(inside, weight / (2 * mine), -weight / (2 * rest))
    return pulled
