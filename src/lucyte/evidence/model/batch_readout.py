"""Reading a level of the design from features, within one class and in units left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.learn.crops import light_statistics
from lucyte.learn.splits import best_folds, group_folds
from lucyte.schema.crops import CropSet
from lucyte.schema.protocols import Predictor
from lucyte.stats.permutation import count_arrangements

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
RIDGE = 0.1
"""Added to every direction's variance, in units of a standardised feature's."""
MOST_VALUES = 24
"""Values of a level that are read; the commonest, where there are more."""
BATCH = 128


@dataclass(frozen=True)
class Readout:
    """How well a level can be read within a class.

    Attributes
    ----------
    auroc : float
        One value against the others, averaged over values, folds and classes; nan: see
        ``undefined``.
    units : mapping of unit to float
    null : float array M
        With the values exchanged between units of a class (or within a unit that holds several).
    p, smallest_p : float
    undefined : str
    """

    auroc: float = math.nan
    units: dict[str, float] | None = None
    null: Floats | None = None
    p: float = math.nan
    smallest_p: float = 1.0
    undefined: str = ""


def model_features(cells: CropSet, predictor: Predictor | None) -> tuple[Floats, str]:
    """The model's own features of each cell where it has any; else statistics of the crops.

    Returns
    -------
    float array N F
        Standardised; what is unknown is 0.
    str
        Whose features they are.
    """
    embed = getattr(predictor, "embed", None)
    if predictor is None or embed is None:
        raw = light_statistics(cells.crops, cells.channels).to_numpy(dtype=np.float64)
        return standardised(raw), "statistics of the crops"
    starts = range(0, len(cells), BATCH)
    parts = [cells.take(np.arange(at, min(at + BATCH, len(cells)))) for at in starts]
    found = [embed(part.for_channels(predictor.channels)) for part in parts]
    return standardised(np.concatenate(found).astype(np.float64)), "the model's own features"


def standardised(features: Floats) -> Floats:
    """Columns of mean 0 and deviation 1; nan becomes 0, a constant column is left out."""
    known = np.where(np.isfinite(features), features, np.nan)
    kept = known[:, np.isfinite(known).any(axis=0)]
    centre, spread = np.nanmean(kept, axis=0), np.nanstd(kept, axis=0)
    varied = spread > 1e-12 * np.maximum(1.0, np.abs(centre))
    found: Floats = np.nan_to_num((kept[:, varied] - centre[varied]) / spread[varied])
    return np.clip(found, -6, 6)


def read_level(
    features: Floats,
    design: tuple[Sequence[str], Sequence[str], Sequence[str]],
    folds: int,
    permutations: int,
    seed: int,
) -> Readout:
    """Read the level within each class from units that were left out.

    A ridge regression on each value's indicator, its penalty fixed, so that exchanged values cost
    no fit of their own; judged by ranks alone.

    Parameters
    ----------
    features : float array N F
        Standardised.
    design : (labels, units, values)
        Of each row.
    folds, permutations, seed : int
    """
    labels, units, values = (np.asarray(each, dtype=str) for each in design)
    rng = np.random.default_rng(seed)
    told: list[Floats] = []
    per_unit: dict[str, list[float]] = {}
    arrangements = 1.0
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        rows = rows[np.isin(values[rows], _readable(values[rows], units[rows]))]
        if len(np.unique(values[rows])) < 2:
            continue
        count, _ = best_folds(values[rows], units[rows], folds)
        if count < 2:
            continue
        fold = group_folds(values[rows], units[rows], count, seed)
        drawn, ways = _exchanged(values[rows], units[rows], permutations, rng)
        arrangements *= ways
        scores = _scores(features[rows], fold, drawn)
        told.append(_macro(scores, drawn, fold))
        for unit, value in _by_unit(scores[:, 0], drawn[0], fold, units[rows]).items():
            per_unit.setdefault(unit, []).append(value)
    if not told:
        return Readout(undefined="no class is in two values with two units each")
    known = [each for each in told if math.isfinite(each[0])]
    if not known:
        return Readout(undefined="no two values are ever left out together")
    whole = np.mean(known, axis=0)  # nan where an exchange leaves a fold with one value
    null = whole[1:][np.isfinite(whole[1:])]
    beaten = int((null >= whole[0] - 1e-12).sum())
    return Readout(
        float(whole[0]),
        {unit: float(np.mean(each)) for unit, each in sorted(per_unit.items())},
        null,
        (beaten + 1) / (len(null) + 1),
        max(1 / (len(null) + 1), 1 / arrangements),
    )


def ridge_scores(train: Floats, target: Floats, test: Floats) -> Floats:
    """Ridge regression on centred columns: scores of the test rows, one column per target."""
    centre = train.mean(axis=0)
    z = train - centre
    penalty = RIDGE * len(z) * max(float(z.var(axis=0).mean()), 1e-12)
    middle = target - target.mean(axis=0)
    if z.shape[1] <= len(z):
        weight = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ middle)
    else:
        weight = z.T @ np.linalg.solve(z @ z.T + penalty * np.eye(len(z)), middle)
    found: Floats = (test - centre) @ weight
    return found


def macro_auroc(scores: Floats, truth: Names, names: Names) -> float:
    """AUROC of each value against the others, averaged over the values that occur with others."""
    found = [_auroc(scores[:, k], truth == name) for k, name in enumerate(names)]
    known = [each for each in found if math.isfinite(each)]
    return float(np.mean(known)) if known else math.nan


def _readable(values: Names, units: Names) -> Names:
    """Values that two units hold, the commonest where there are many."""
    pairs = np.unique(np.stack([values, units]), axis=1)
    names, count = np.unique(pairs[0], return_counts=True)
    names = names[count >= 2]
    size = np.array([(values == name).sum() for name in names])
    found: Names = names[np.argsort(-size, kind="stable")[:MOST_VALUES]]
    return found


def _exchanged(
    values: Names, units: Names, permutations: int, rng: np.random.Generator
) -> tuple[list[Names], float]:
    """The values, then with the values of whole (unit, value) clusters exchanged."""
    clusters, at = np.unique(np.char.add(np.char.add(units, "\n"), values), return_inverse=True)
    first = np.array([np.flatnonzero(at == k)[0] for k in range(len(clusters))])
    held, home = values[first], units[first]
    crossed = len(clusters) > len(np.unique(units))
    strata = home if crossed else np.zeros(len(home), dtype=np.int64)
    drawn = [values]
    for _ in range(permutations):
        other = held.copy()
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            other[rows] = rng.permutation(held[rows])
        drawn.append(other[at])
    ways = 1.0
    for stratum in np.unique(strata):
        ways *= float(count_arrangements(held[strata == stratum].tolist()))
    # Values with as many clusters may swap names, and the average over values stays the same.
    _, sizes = np.unique(held, return_counts=True)
    for same in np.unique(sizes, return_counts=True)[1]:
        ways /= math.factorial(int(same))
    return drawn, max(1.0, ways)


def _scores(features: Floats, fold: npt.NDArray[np.int64], drawn: list[Names]) -> Floats:
    """Held-out scores ``N x arrangements x values``."""
    names = np.unique(drawn[0])
    target = np.stack([each[:, None] == names for each in drawn], axis=1).astype(np.float64)
    flat = target.reshape(len(features), -1)
    out = np.zeros_like(flat)
    for number in np.unique(fold):
        held = fold == number
        out[held] = ridge_scores(features[~held], flat[~held], features[held])
    return out.reshape(target.shape)


def _macro(scores: Floats, drawn: list[Names], fold: npt.NDArray[np.int64]) -> Floats:
    names = np.unique(drawn[0])
    out = np.empty(len(drawn))
    for k, truth in enumerate(drawn):
        each = [macro_auroc(scores[fold == f, k], truth[fold == f], names) for f in np.unique(fold)]
        known = [value for value in each if math.isfinite(value)]
        out[k] = np.mean(known) if known else np.nan
    return out


def _by_unit(
    scores: Floats, truth: Names, fold: npt.NDArray[np.int64], units: Names
) -> dict[str, float]:
    """How often a unit's rows outscore rows of other values held out beside it."""
    names = np.unique(truth)
    out: dict[str, float] = {}
    for unit in np.unique(units):
        own = units == unit
        beside = np.isin(fold, fold[own])
        each = []
        for k, name in enumerate(names):
            positive, negative = own & (truth == name), beside & (truth != name)
            if positive.any() and negative.any():
                both = positive | negative
                each.append(_auroc(scores[both, k], positive[both]))
        if each:
            out[str(unit)] = float(np.mean(each))
    return out


def _auroc(scores: Floats, positive: npt.NDArray[Any]) -> float:
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return math.nan
    return float((rankdata(scores)[positive].sum() - m * (m + 1) / 2) / (m * n))
