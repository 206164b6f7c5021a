"""A sparse logistic model as a surrogate: a weighted sum of few features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lucyte.explain.surrogate.given import Bools, Given, Names
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.logistic import fit_logistic
from lucyte.measure.columns import describe

TOLD = 4
"""Features named, the weightiest first."""


@dataclass(frozen=True, eq=False)
class SparseSum:
    """A logistic model of standardised features.

    Attributes
    ----------
    model : FeatureModel
    """

    model: FeatureModel

    kind = "sparse"

    @property
    def features(self) -> tuple[str, ...]:
        """Columns it reads, the weightiest first."""
        size = np.ptp(self.model.coefficients, axis=0)
        order = np.argsort(-size, kind="stable")
        return tuple(self.model.features[k] for k in order if size[k] > 0)

    @property
    def complexity(self) -> int:
        """Names and weights, and one offset per class but one."""
        live = int(np.count_nonzero(self.model.coefficients))
        classes = len(self.model.classes)
        return len(self.features) + (live // 2 if classes == 2 else live) + classes - 1

    def answers(self, table: pd.DataFrame) -> Names:
        """Class of every row; where nothing was measured, that of the offset."""
        logits = self.model.logits(table)
        known: Bools = np.asarray(np.isfinite(logits).all(axis=1))
        best = np.where(known[:, None], np.nan_to_num(logits), self.model.intercept).argmax(axis=1)
        found: Names = np.asarray(self.model.classes, dtype=str)[best]
        return found

    def words(self) -> str:
        """Weights in standard units: ``starved for more (+) or less (-): ...``."""
        if not self.features:
            return f"always {self.model.classes[int(self.model.intercept.argmax())]}"
        at = {name: k for k, name in enumerate(self.model.features)}
        weights = self.model.coefficients
        classes = self.model.classes
        shown = range(1, 2) if len(classes) == 2 else range(len(classes))
        said = []
        for row in shown:
            own = weights[1] - weights[0] if len(classes) == 2 else weights[row]
            live = sorted((n for n in self.features if own[at[n]]), key=lambda n: -abs(own[at[n]]))
            told = ", ".join(f"{describe(name)} ({own[at[name]]:+.2g})" for name in live[:TOLD])
            rest = f" and {len(live) - TOLD} more" if len(live) > TOLD else ""
            said.append(f"{classes[row]} by the sum of {told or 'nothing'}{rest}")
        return "; ".join(said)


def fit_sparse(rows: Given) -> list[SparseSum]:
    """One model, its penalty chosen on inner groups."""
    names = rows.columns.names
    return [SparseSum(fit_logistic(rows.table, names, rows.answers, rows.groups, rows.seed))]
