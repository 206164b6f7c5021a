"""Random forests and extra trees of named features, stored as arrays.

References
----------
Breiman 2001, doi 10.1023/A:1010933404324; Geurts, Ernst and Wehenkel 2006 (extra trees), doi
10.1007/s10994-006-6226-1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.splits import Names
from lucyte.learn.table_model import Arrays, Floats, TableModel, learn_from, restored_scaling
from lucyte.learn.trees import Trees
from lucyte.schema.errors import UsageError, unknown

LEAST = 1e-6
"""Probability below which a logit no longer falls."""


@dataclass(frozen=True)
class ForestSettings:
    """How `fit_forest` works.

    Attributes
    ----------
    kind : {"forest", "extra_trees"}
        Best thresholds on resampled rows, or random thresholds on all rows.
    trees : int
    min_leaf : int
        Rows in a leaf.
    """

    kind: Literal["forest", "extra_trees"] = "forest"
    trees: int = 300
    min_leaf: int = 2

    def __post_init__(self) -> None:
        if self.kind not in ("forest", "extra_trees"):
            raise unknown("kind of forest", self.kind, ["forest", "extra_trees"])
        if self.trees < 1 or self.min_leaf < 1:
            raise UsageError("trees and min_leaf must be 1 or more.")


@dataclass(frozen=True)
class ForestModel(TableModel):
    """Mean of the class shares in the leaves of many trees.

    Attributes
    ----------
    trees : Trees
    """

    trees: Trees

    kind = "forest"

    @property
    def parameters(self) -> int:
        """Nodes of all trees."""
        return len(self.trees.feature)

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that some tree asks for."""
        return tuple(self.features[k] for k in self.trees.used)

    def shares(self, x: Floats) -> Floats:
        """Standard values ``N F`` to probabilities ``N K``."""
        # Thresholds were chosen between values of single precision.
        single = x.astype(np.float32).astype(np.float64)
        return self.trees.total(single, len(self.classes)) / len(self.trees.start)

    def scores(self, x: Floats) -> Floats:
        """Logarithms of the probabilities, at least that of ``LEAST``."""
        out: Floats = np.log(np.maximum(self.shares(x), LEAST))
        return out

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name."""
        return {**super().arrays(), **self.trees.arrays()}

    @classmethod
    def restore(cls, config: Mapping[str, Any], arrays: Arrays) -> ForestModel:
        """Put back together what `config` and `arrays` took apart."""
        return cls(
            restored_scaling(config, arrays),
            tuple(config["classes"]),
            tuple(config["groups"]),
            str(config["chosen"]),
            Trees.restore(arrays),
        )


def fit_forest(
    table: pd.DataFrame,
    columns: Sequence[str],
    labels: Names,
    groups: Names,
    seed: int,
    settings: ForestSettings | None = None,
) -> ForestModel:
    """Fit a forest in which every class, and in it every group, weighs the same.

    Parameters
    ----------
    table : DataFrame
        One row per object.
    columns : sequence of str
        Features on offer.
    labels, groups : sequence of N names
    seed : int
    settings : ForestSettings, optional

    Raises
    ------
    UsageError
        One class only, lengths that differ, or no column that can be used.
    """
    how = settings or ForestSettings()
    given = learn_from(table, columns, labels, groups)
    forest = plain_forest(how, seed)
    forest.fit(given.x, given.code, sample_weight=given.weight * len(given.x))
    said = f"{how.trees} trees, {how.min_leaf} rows or more in a leaf; nothing was tuned"
    return ForestModel(given.scaling, given.classes, given.groups, said, as_trees(forest))


def plain_forest(how: ForestSettings, seed: int) -> Any:
    """The estimator of scikit-learn that is fitted."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    maker = RandomForestClassifier if how.kind == "forest" else ExtraTreesClassifier
    return maker(n_estimators=how.trees, min_samples_leaf=how.min_leaf, random_state=seed, n_jobs=1)


def as_trees(forest: Any) -> Trees:
    """Take a fitted forest of scikit-learn apart."""
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    starts, total = [], 0
    for each in forest.estimators_:
        tree = each.tree_
        leaf = tree.children_left < 0
        rows = {
            "feature": np.where(leaf, -1, tree.feature),
            "threshold": tree.threshold,
            "left": np.where(leaf, 0, tree.children_left + total),
            "right": np.where(leaf, 0, tree.children_right + total),
            "value": tree.value[:, 0, :],
        }
        for name, values in rows.items():
            parts.setdefault(name, []).append(values)
        starts.append(total)
        total += len(leaf)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return Trees(
        joined["feature"].astype(np.int32),
        joined["threshold"].astype(np.float64),
        joined["left"].astype(np.int32),
        joined["right"].astype(np.int32),
        joined["value"].astype(np.float64),
        np.array(starts, np.int32),
        np.full(len(starts), -1, np.int32),
    )
