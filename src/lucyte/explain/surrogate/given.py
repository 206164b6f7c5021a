"""What a surrogate learns from, and what every surrogate can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.logistic import balanced_weights
from lucyte.learn.scaling import Scaling, fit_scaling, numbers
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]


class Surrogate(Protocol):
    """A model that a person can read."""

    @property
    def kind(self) -> str:
        """``sparse``, ``tree`` or ``formula``."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns it reads, each once."""

    @property
    def complexity(self) -> int:
        """Names and numbers that a reader must hold in mind."""

    def answers(self, table: pd.DataFrame) -> Names:
        """Class of every row."""

    def words(self) -> str:
        """The whole model in one sentence."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Which columns are read, and what stands in where a value is missing.

    Attributes
    ----------
    names : tuple of F str
    fill : float array F
        Medians of the rows learned from.
    """

    names: tuple[str, ...]
    fill: Floats

    def values(self, table: pd.DataFrame) -> Floats:
        """Columns in their own units, ``N F``, without gaps."""
        raw = numbers(table, self.names)
        return np.where(np.isfinite(raw), raw, self.fill)


@dataclass(frozen=True, eq=False)
class Given:
    """Rows to learn from.

    Attributes
    ----------
    table : DataFrame
    columns : Columns
        Those of the table that can be used.
    answers, groups : array N of str
        What the black box said, and the independent units.
    seed : int
    """

    table: pd.DataFrame
    columns: Columns
    answers: Names
    groups: Names
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Answers that were given, sorted."""
        return tuple(str(name) for name in np.unique(self.answers))

    @property
    def values(self) -> Floats:
        """See `Columns.values`."""
        return self.columns.values(self.table)

    @property
    def weight(self) -> Floats:
        """Adds up to 1; answers weigh the same, and groups the same within an answer."""
        return balanced_weights(self.answers, self.groups)

    def take(self, rows: npt.NDArray[Any]) -> Given:
        """Some of the rows, with columns and medians of their own."""
        return given(
            self.table.iloc[rows], self.columns.names, self.answers[rows], self.groups[rows],
            self.seed,
        )  # fmt: skip

    def some(self, rows: npt.NDArray[Any]) -> Given:
        """Some of the rows, with the columns and medians of all."""
        return replace(
            self, table=self.table.iloc[rows], answers=self.answers[rows], groups=self.groups[rows]
        )


def given(
    table: pd.DataFrame, features: Sequence[str], answers: Any, groups: Any, seed: int
) -> Given:
    """Leave out what is missing in more than a fifth of the rows, or is the same in all.

    Raises
    ------
    UsageError
        Lengths that differ, or no column that can be used.
    """
    y, g = np.asarray(answers, dtype=str), np.asarray(groups, dtype=str)
    if not len(table) == len(y) == len(g):
        raise UsageError(f"got {len(table)} rows, {len(y)} answers and {len(g)} groups.")
    scaling: Scaling = fit_scaling(table, features)
    return Given(table, Columns(scaling.features, scaling.fill), y, g, seed)


def round_between(low: float, high: float) -> float:
    """The number of fewest digits that parts low from high: ``low <= it < high``."""
    middle = low + (high - low) / 2
    for digits in range(1, 18):
        for value in (middle, low):
            short = float(f"{value:.{digits}g}")
            if low <= short < high:
                return short
    return low


def part(values: Floats, threshold: float) -> float:
    """A shorter threshold that parts these values as this one does, above and at most."""
    below, above = values[values <= threshold], values[values > threshold]
    if not len(below) or not len(above):
        return threshold
    return round_between(float(below.max()), float(above.min()))
