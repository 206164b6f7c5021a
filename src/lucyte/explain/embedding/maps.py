"""Maps of cells on which near means similar: t-SNE, UMAP and principal components of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lucyte.explain.embedding.components import fit_components
from lucyte.explain.embedding.kept import KeptMap
from lucyte.explain.embedding.layout import MapSettings, lay_out
from lucyte.stats.neighbours import continuity, trustworthiness

MEASURED = 1000
"""Cells, about, on which trustworthiness and continuity are measured."""


def make_map(
    table: pd.DataFrame,
    features: Sequence[str],
    settings: MapSettings | None = None,
    source: str = "",
) -> tuple[pd.DataFrame, KeptMap]:
    """A map of the rows of a table, and all that is needed to put new cells on it.

    Parameters
    ----------
    table : DataFrame
        N rows.
    features : sequence of str
    settings : MapSettings, optional
    source : str
        What made the features; see `KeptMap`.

    Returns
    -------
    DataFrame
        ``x, y`` with the index of ``table``; nan for a cell in which nothing was measured. Only
        neighbourhoods mean something: not distances, not sizes, not empty space.
        ``attrs``: ``method, seed, trustworthiness, continuity`` and, where used, ``perplexity``.
    KeptMap

    Raises
    ------
    UsageError
        Fewer than 10 cells, no column that can be used, or UMAP without umap-learn.

    References
    ----------
    van der Maaten and Hinton 2008. Poličar et al. 2024, doi 10.18637/jss.v109.i03.
    McInnes et al. 2018, doi 10.21105/joss.00861.
    """
    how = settings or MapSettings()
    components = fit_components(table, features)
    points, known = components.points(table)
    places = lay_out(points, how)
    used = None if how.method == "PCA" else how.bearable(len(points))
    kept = KeptMap(components, points, places, how.method, used, how.seed, source)
    xy = np.full((len(table), 2), np.nan)
    xy[known] = places
    made = pd.DataFrame(xy, columns=["x", "y"], index=table.index)
    some = slice(None, None, max(1, len(points) // MEASURED))
    made.attrs = {
        "method": how.method,
        "seed": how.seed,
        "trustworthiness": trustworthiness(points[some], places[some]),
        "continuity": continuity(points[some], places[some]),
    }
    if used is not None:
        made.attrs["perplexity"] = used
    return made, kept


def embed(
    table: pd.DataFrame, features: Sequence[str], seed: int, perplexity: float = 30.0
) -> pd.DataFrame:
    """t-SNE of feature columns, started from their principal components: see `make_map`.

    Parameters
    ----------
    perplexity : float
        Lowered to a third of the cells where there are few; ``attrs["perplexity"]`` says what
        was used.
    """
    return make_map(table, features, MapSettings("t-SNE", perplexity, seed))[0]


def principal_components(table: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The first two principal components of standardised feature columns, as ``x, y``."""
    return make_map(table, features, MapSettings("PCA"))[0]
