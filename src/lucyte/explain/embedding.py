"""Maps of cells on which near means similar: t-SNE and principal components of a table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.scaling import fit_scaling
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]

COMPONENTS = 30
"""Principal components that t-SNE sees; more are noise and cost time."""
FEWEST = 10


def embed(
    table: pd.DataFrame, features: Sequence[str], seed: int, perplexity: float = 30.0
) -> pd.DataFrame:
    """t-SNE of feature columns, started from their principal components.

    Parameters
    ----------
    table : DataFrame
        N rows.
    features : sequence of str
    seed : int
    perplexity : float
        Lowered to a third of the cells where there are few; ``attrs["perplexity"]`` says what
        was used.

    Returns
    -------
    DataFrame
        ``x, y`` with the index of ``table``; nan for a cell in which nothing was measured. Only
        neighbourhoods mean something: not distances, not sizes, not empty space.
        ``attrs``: ``method, perplexity, seed, trustworthiness``.

    Raises
    ------
    UsageError
        Fewer than 10 cells, or no column that can be used.

    References
    ----------
    van der Maaten and Hinton 2008. Poličar et al. 2024, doi 10.18637/jss.v109.i03.
    """
    from openTSNE import TSNE

    points, known = _components(table, features)
    used = min(float(perplexity), (int(known.sum()) - 1) / 3)
    made = TSNE(
        perplexity=used,
        initialization="pca",
        random_state=seed,
        n_jobs=1,  # more would add in another order, and the map would not come again
        neighbors="exact" if len(points) <= 1000 else "annoy",
    ).fit(points)
    return _table(np.asarray(made), known, table, points, {"method": "t-SNE", "seed": seed}, used)


def principal_components(table: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The first two principal components of standardised feature columns, as ``x, y``."""
    points, known = _components(table, features)
    return _table(points[:, :2], known, table, points, {"method": "PCA"}, None)


def trustworthiness(high: Floats, low: Floats, neighbours: int = 10) -> float:
    """Share of the neighbours on the map that are neighbours in the table; 1 is perfect.

    References
    ----------
    Venna and Kaski 2001, doi 10.1007/3-540-44668-0_68.
    """
    from sklearn.manifold import trustworthiness as measured

    k = min(neighbours, (len(high) - 1) // 2)
    return float(measured(high, low, n_neighbors=k))


def _components(
    table: pd.DataFrame, features: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Principal components of the rows in which anything was measured, and which those are."""
    if len(table) < FEWEST:
        raise UsageError(f"a map of cells needs at least {FEWEST} cells, got {len(table)}.")
    standard = fit_scaling(table, features, clip=4.0).apply(table)
    known = ~np.isnan(standard[:, 0])
    x = standard[known]
    if len(x) < FEWEST:
        raise UsageError(f"a map of cells needs at least {FEWEST} cells, {len(x)} are measured.")
    x = x - x.mean(axis=0)
    _, axes = np.linalg.eigh(x.T @ x)
    axes = axes[:, ::-1][:, :COMPONENTS]
    axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)
    points: Floats = x @ axes
    if points.shape[1] < 2:
        points = np.column_stack([points, np.zeros(len(points))])
    return points, known


def _table(
    map_xy: Floats,
    known: npt.NDArray[np.bool_],
    table: pd.DataFrame,
    points: Floats,
    attrs: dict[Hashable, Any],
    perplexity: float | None,
) -> pd.DataFrame:
    xy = np.full((len(known), 2), np.nan)
    xy[known] = map_xy
    out = pd.DataFrame(xy, columns=["x", "y"], index=table.index)
    some = slice(None, None, max(1, len(points) // 1000))
    out.attrs = {**attrs, "trustworthiness": trustworthiness(points[some], map_xy[some])}
    if perplexity is not None:
        out.attrs["perplexity"] = perplexity
    return out
