"""What every model of a feature table has in common, whatever stands between columns and logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from lucyte.learn.logistic import balanced_weights
from lucyte.learn.margins import logit_margin
from lucyte.learn.scaling import Scaling, fit_scaling
from lucyte.learn.splits import Names
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Arrays = Mapping[str, npt.NDArray[Any]]

MAX_MISSING = 0.2
"""Share of rows in which a column may be missing."""


@dataclass(frozen=True)
class TableModel:
    """A model of named features; the interface of `lucyte.learn.feature_model.FeatureModel`.

    Attributes
    ----------
    scaling : Scaling
        Which columns, and how they become standard values.
    classes : tuple of K str
    groups : tuple of str
        The independent groups it was fitted on, sorted.
    chosen : str
        How its settings were chosen, in words.
    """

    scaling: Scaling
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    chosen: str

    kind = "table"
    """What a stored model says it is."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns the model takes, in order."""
        return self.scaling.features

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        raise NotImplementedError

    def scores(self, x: Floats) -> Floats:
        """Standard values ``N F`` without gaps to logits ``N K``."""
        raise NotImplementedError

    def logits(self, table: pd.DataFrame) -> Floats:
        """Rows of ``table`` to logits ``N x K``; nan for a row in which nothing was measured."""
        x = self.scaling.apply(table)
        known = ~np.isnan(x[:, 0])
        out = np.full((len(x), len(self.classes)), np.nan)
        if known.any():
            out[known] = self.scores(x[known])
        return out

    def probabilities(self, table: pd.DataFrame) -> Floats:
        """``N x K``, adding up to 1 in every row."""
        out: Floats = softmax(self.logits(table), axis=1)
        return out

    def margin(self, table: pd.DataFrame) -> Floats:
        """Logit margin of every row; see `lucyte.learn.margins.logit_margin`."""
        return logit_margin(self.logits(table))

    def index(self, name: str) -> int:
        """Position of a class; refuses a class never seen."""
        if name not in self.classes:
            raise unknown("class", name, self.classes, "The model has never seen it.")
        return self.classes.index(name)

    def config(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON types."""
        return {
            "kind": self.kind,
            "features": list(self.features),
            "clip": self.scaling.clip,
            "refused": dict(self.scaling.refused),
            "missing": dict(self.scaling.missing),
            "classes": list(self.classes),
            "groups": list(self.groups),
            "chosen": self.chosen,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the scaling, by name; a model adds its own."""
        return {
            "centre": self.scaling.centre,
            "scale": self.scaling.scale,
            "fill": self.scaling.fill,
        }


class Learned(NamedTuple):
    """What a fit starts from.

    Attributes
    ----------
    scaling : Scaling
    x : float array N F
        Standard values of the rows in which anything was measured.
    code : int array N
        Position of each row's class.
    weight : float array N
        Adds up to 1; classes weigh the same, and groups the same within a class.
    group : str array N
    classes, groups : tuple of str
    """

    scaling: Scaling
    x: Floats
    code: Ints
    weight: Floats
    group: npt.NDArray[np.str_]
    classes: tuple[str, ...]
    groups: tuple[str, ...]


def learn_from(
    table: pd.DataFrame, columns: Sequence[str], labels: Names, groups: Names
) -> Learned:
    """Scale the columns and weigh the rows, as every feature model here is fitted.

    Raises
    ------
    UsageError
        One class only, lengths that differ, a class without a measured row, or no usable column.
    """
    y, g = np.asarray(labels, dtype=str), np.asarray(groups, dtype=str)
    if not len(table) == len(y) == len(g):
        raise UsageError(f"got {len(table)} rows, {len(y)} labels and {len(g)} groups.")
    classes = tuple(str(name) for name in np.unique(y))
    if len(classes) < 2:
        only = repr(classes[0]) if classes else "none"
        raise UsageError(f"got one class only ({only}); a model of states needs two or more.")
    scaling = fit_scaling(table, columns, "robust", MAX_MISSING)
    x = scaling.apply(table)
    known = ~np.isnan(x[:, 0])
    code = np.searchsorted(classes, y)
    if len(np.unique(code[known])) < len(classes):
        raise UsageError("a class has no row in which anything was measured; leave it out.")
    weight = balanced_weights(y, g, known)[known]
    names = tuple(str(name) for name in np.unique(g))
    return Learned(scaling, x[known], code[known], weight, g[known], classes, names)


def restored_scaling(config: Mapping[str, Any], arrays: Arrays) -> Scaling:
    """The scaling that `TableModel.config` and `TableModel.arrays` took apart."""
    return Scaling(
        tuple(config["features"]),
        arrays["centre"],
        arrays["scale"],
        arrays["fill"],
        float(config["clip"]),
        dict(config["refused"]),
        dict(config["missing"]),
    )
