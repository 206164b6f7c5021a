"""Gradient boosting of named features, stored as arrays.

References
----------
Friedman 2001, doi 10.1214/aos/1013203451; Ke et al. 2017 (histograms), NeurIPS 30.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.splits import Names
from lucyte.learn.table_model import Arrays, Floats, TableModel, learn_from, restored_scaling
from lucyte.learn.trees import Trees
from lucyte.schema.errors import UsageError


@dataclass(frozen=True)
class BoostingSettings:
    """How `fit_boosting` works.

    Attributes
    ----------
    rounds : int
        Trees per class.
    rate : float
        Share of each tree that is added.
    leaves : int
        Most leaves of a tree.
    min_leaf : int
        Rows in a leaf.
    l2 : float
        Penalty on leaf values.
    """

    rounds: int = 80
    rate: float = 0.1
    leaves: int = 8
    min_leaf: int = 5
    l2: float = 1.0

    def __post_init__(self) -> None:
        if min(self.rounds, self.leaves - 1, self.min_leaf) < 1 or not 0 < self.rate <= 1:
            raise UsageError("boosting needs 1 or more rounds, 2 leaves, and a rate in 0 to 1.")


@dataclass(frozen=True)
class BoostingModel(TableModel):
    """Logits that are sums of small trees.

    Attributes
    ----------
    trees : Trees
    base : float array K
        Logits before any tree.
    """

    trees: Trees
    base: Floats

    kind = "boosting"

    @property
    def parameters(self) -> int:
        """Nodes of all trees."""
        return len(self.trees.feature)

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that some tree asks for."""
        return tuple(self.features[k] for k in self.trees.used)

    def scores(self, x: Floats) -> Floats:
        """Standard values ``N F`` to logits ``N K``; of two classes the first stays at 0."""
        return self.trees.total(x, len(self.classes)) + self.base

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name."""
        return {**super().arrays(), **self.trees.arrays(), "base": self.base}

    @classmethod
    def restore(cls, config: Mapping[str, Any], arrays: Arrays) -> BoostingModel:
        """Put back together what `config` and `arrays` took apart."""
        return cls(
            restored_scaling(config, arrays),
            tuple(config["classes"]),
            tuple(config["groups"]),
            str(config["chosen"]),
            Trees.restore(arrays),
            arrays["base"],
        )


def fit_boosting(
    table: pd.DataFrame,
    columns: Sequence[str],
    labels: Names,
    groups: Names,
    seed: int,
    settings: BoostingSettings | None = None,
) -> BoostingModel:
    """Fit boosted trees in which every class, and in it every group, weighs the same.

    Parameters
    ----------
    table : DataFrame
        One row per object.
    columns : sequence of str
        Features on offer.
    labels, groups : sequence of N names
    seed : int
    settings : BoostingSettings, optional

    Raises
    ------
    UsageError
        One class only, lengths that differ, or no column that can be used.
    """
    how = settings or BoostingSettings()
    given = learn_from(table, columns, labels, groups)
    booster = plain_boosting(how, seed)
    booster.fit(given.x, given.code, sample_weight=given.weight * len(given.x))
    trees, base = boosted_trees(booster, len(given.classes))
    said = f"{how.rounds} rounds at rate {how.rate:g}, {how.leaves} leaves; nothing was tuned"
    return BoostingModel(given.scaling, given.classes, given.groups, said, trees, base)


def plain_boosting(how: BoostingSettings, seed: int) -> Any:
    """The estimator of scikit-learn that is fitted."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=how.rounds,
        learning_rate=how.rate,
        max_leaf_nodes=how.leaves,
        min_samples_leaf=how.min_leaf,
        l2_regularization=how.l2,
        early_stopping=False,
        random_state=seed,
    )


def boosted_trees(booster: Any, classes: int) -> tuple[Trees, Floats]:
    """Take a fitted booster of scikit-learn apart: its trees, and the logits before them.

    scikit-learn has no public way to the nodes; the test that compares the answers of both fails
    the day that changes.
    """
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    starts, outputs, total = [], [], 0
    for round_ in booster._predictors:
        for k, predictor in enumerate(round_):
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            rows = {
                "feature": np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
                "threshold": nodes["num_threshold"],
                "left": np.where(leaf, 0, nodes["left"].astype(np.int64) + total),
                "right": np.where(leaf, 0, nodes["right"].astype(np.int64) + total),
                "value": nodes["value"][:, None],
            }
            for name, values in rows.items():
                parts.setdefault(name, []).append(values)
            starts.append(total)
            outputs.append(k if classes > 2 else 1)
            total += len(nodes)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    base = np.zeros(classes)
    start = np.asarray(booster._baseline_prediction, dtype=np.float64).ravel()
    base[0 if classes > 2 else 1 :] = start
    trees = Trees(
        joined["feature"].astype(np.int32),
        joined["threshold"].astype(np.float64),
        joined["left"].astype(np.int32),
        joined["right"].astype(np.int32),
        joined["value"].astype(np.float64),
        np.array(starts, np.int32),
        np.array(outputs, np.int32),
    )
    return trees, base
