"""From points of many dimensions to a plane: t-SNE, UMAP, and the plane of principal components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]

EXACT_UP_TO = 1000
"""Cells up to which neighbours are searched exactly."""


@dataclass(frozen=True)
class MapSettings:
    """How a map is made.

    Attributes
    ----------
    method : {"t-SNE", "UMAP", "PCA"}
    perplexity : float
        How many neighbours a cell is to have, about; lowered to a third of the cells.
    seed : int
    start : {"pca", "random"}
        Where t-SNE begins. From the principal components the seed hardly matters; to see what a
        seed does, begin at random.
    """

    method: str = "t-SNE"
    perplexity: float = 30.0
    seed: int = 0
    start: str = "pca"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("map method", self.method, METHODS)
        if self.start not in ("pca", "random"):
            raise unknown("start of a map", self.start, ["pca", "random"])
        if not self.perplexity > 1:
            raise UsageError(f"perplexity must be above 1, got {self.perplexity:g}.")

    def bearable(self, cells: int) -> float:
        """The perplexity that so many cells can bear."""
        return min(float(self.perplexity), (cells - 1) / 3)


def lay_out(points: Floats, settings: MapSettings) -> Floats:
    """Places ``N 2`` of points ``N D``.

    Raises
    ------
    UsageError
        UMAP where umap-learn is not installed.
    """
    return METHODS[settings.method](points, settings)


def neighbour_search(cells: int) -> str:
    """What openTSNE is to search neighbours with."""
    return "exact" if cells <= EXACT_UP_TO else "annoy"


def sweep(
    points: Floats, perplexities: Sequence[float], seeds: Sequence[int]
) -> dict[tuple[float, int], Floats]:
    """t-SNE from random starts, once per perplexity and seed.

    Parameters
    ----------
    points : float array N D
    perplexities : sequence of float
        Those above a third of the cells are lowered; of equal ones one is kept.
    seeds : sequence of int

    Returns
    -------
    dict of (perplexity, seed) to float array N 2

    References
    ----------
    Kobak and Berens 2019, doi 10.1038/s41467-019-13056-x.
    """
    bearable = {MapSettings(perplexity=each).bearable(len(points)) for each in perplexities}
    return {
        (each, seed): _tsne(points, MapSettings("t-SNE", each, seed, "random"))
        for each in sorted(bearable)
        for seed in seeds
    }


def _tsne(points: Floats, settings: MapSettings) -> Floats:
    from openTSNE import TSNE

    made: Any = TSNE(
        perplexity=settings.bearable(len(points)),
        initialization=settings.start,
        random_state=settings.seed,
        n_jobs=1,  # more would add in another order, and the map would not come again
        neighbors=neighbour_search(len(points)),
    ).fit(points)
    return np.asarray(made, dtype=np.float64)


def _umap(points: Floats, settings: MapSettings) -> Floats:
    try:
        from umap import UMAP
    except ImportError:
        raise UsageError(
            "UMAP needs the package umap-learn, which is not installed. "
            "Install it with: pip install umap-learn, or ask for t-SNE or PCA."
        ) from None
    neighbours = max(2, min(round(settings.perplexity), len(points) - 1))
    made: Any = UMAP(
        n_neighbors=neighbours, random_state=settings.seed, n_jobs=1, init=settings.start
    )
    return np.asarray(made.fit_transform(points), dtype=np.float64)


def _plane(points: Floats, _settings: MapSettings) -> Floats:
    return points[:, :2]


METHODS: dict[str, Callable[[Floats, MapSettings], Floats]] = {
    "t-SNE": _tsne,
    "UMAP": _umap,
    "PCA": _plane,
}
"""Maps on offer."""
