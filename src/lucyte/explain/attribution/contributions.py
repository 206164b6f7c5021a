r"""What each feature adds to the answer, exactly: a linear model's own account.

.. math:: m(x) = m(r) + \sum_j (W_{tj} - W_{aj}) (z_j(x) - z_j(r))

with t the target, a the class it is weighed against, z the standardised features and r the
reference. These are the Shapley values of the model with reference r.

References
----------
Lundberg and Lee 2017, arXiv 1705.07874, corollary 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.margins import runner_up
from lucyte.schema.errors import UsageError
from lucyte.schema.explanation import Explanation

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """Shares of the features in the logit margins of N cells.

    Attributes
    ----------
    features : tuple of F str
    values : float array N F
        ``values.sum(axis=1) + baseline`` is ``score``.
    score : float array N
        Margin of the target over the class it is weighed against.
    baseline : float array N
        The same margin at the reference.
    targets, against : tuple of N str
    """

    features: tuple[str, ...]
    values: Floats
    score: Floats
    baseline: Floats
    targets: tuple[str, ...]
    against: tuple[str, ...]


def contributions(
    model: FeatureModel,
    table: pd.DataFrame,
    targets: str | Sequence[str],
    reference: pd.DataFrame | None = None,
) -> Contributions:
    """Shares of each feature in the margin of the target over the best other class.

    Parameters
    ----------
    model : FeatureModel
    table : DataFrame
        Raw feature columns, N rows.
    targets : str or sequence of N str
        The class asked about, for all cells or for each.
    reference : DataFrame, optional
        Cells whose mean is the reference; default the centre of the training data.

    Raises
    ------
    UsageError
        A class never seen, or a cell in which nothing was measured.
    """
    names = [targets] * len(table) if isinstance(targets, str) else list(targets)
    if len(names) != len(table):
        raise UsageError(f"got {len(names)} targets for {len(table)} cells.")
    at = np.array([model.index(name) for name in names], dtype=np.int64)
    standard = model.scaling.apply(table)
    if np.isnan(standard).any():
        row = int(np.flatnonzero(np.isnan(standard[:, 0]))[0])
        raise UsageError(f"nothing was measured in cell {row}; there is nothing to explain.")
    origin = np.zeros(len(model.features))
    if reference is not None:
        origin = np.nanmean(model.scaling.apply(reference), axis=0)
    logits = standard @ model.coefficients.T + model.intercept
    other = runner_up(logits, at)
    rows = np.arange(len(table))
    there = model.coefficients @ origin + model.intercept
    return Contributions(
        features=model.features,
        values=(model.coefficients[at] - model.coefficients[other]) * (standard - origin),
        score=logits[rows, at] - logits[rows, other],
        baseline=there[at] - there[other],
        targets=tuple(names),
        against=tuple(model.classes[k] for k in other),
    )


def contribution_explanations(
    model: FeatureModel,
    table: pd.DataFrame,
    object_ids: Sequence[str],
    targets: Sequence[str],
) -> list[Explanation]:
    """Contributions as the noun that reports show, largest first, without those that add 0."""
    shares = contributions(model, table, targets)
    out = []
    for n, name in enumerate(object_ids):
        order = np.argsort(-np.abs(shares.values[n]), kind="stable")
        values = {
            shares.features[j]: float(shares.values[n, j]) for j in order if shares.values[n, j]
        }
        out.append(
            Explanation(
                object_id=name,
                method="contributions",
                target=shares.targets[n],
                score=float(shares.score[n]),
                contributions=values,
                baseline=float(shares.baseline[n]),
            )
        )
    return out


def in_words(
    model: FeatureModel,
    row: pd.Series,
    explanation: Explanation,
    most: int = 3,
    describe: Callable[[str], str] | None = None,
) -> str:
    """What speaks for and against the target, for a person.

    Parameters
    ----------
    model : FeatureModel
    row : Series
        The cell's raw features.
    explanation : Explanation
        Of `contribution_explanations`.
    most : int
        Features named on either side.
    describe : callable, optional
        Column name to words; default `lucyte.measure.columns.describe`.
    """
    if describe is None:
        from lucyte.measure.columns import describe as words

        describe = words
    ranked = sorted(explanation.contributions.items(), key=lambda item: -abs(item[1]))
    speaks_for = [item for item in ranked if item[1] > 0][:most]
    against = [item for item in ranked if item[1] < 0][:most]

    def name(items: list[tuple[str, float]]) -> str:
        return "; ".join(_one(model, row, key, share, describe) for key, share in items)

    if not ranked:
        return f"No feature speaks for or against {explanation.target}."
    out = f"For {explanation.target} speaks {name(speaks_for) or 'no feature'}."
    return out + (f" Against it speaks {name(against)}." if against else "")


def _one(
    model: FeatureModel, row: pd.Series, key: str, share: float, describe: Callable[[str], str]
) -> str:
    typical = float(model.scaling.centre[model.features.index(key)])
    value = float(row[key])
    if not np.isfinite(value):
        return f"{describe(key)}, which was not measured here ({share:+.2f})"
    side = "high" if value > typical else "low"
    return f"{describe(key)}, {side} at {value:.3g} against {typical:.3g} ({share:+.2f})"
