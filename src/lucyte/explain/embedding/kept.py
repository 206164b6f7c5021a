"""KeptMap: a map with all that is needed to put new cells on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.embedding.components import Components
from lucyte.explain.embedding.layout import neighbour_search
from lucyte.io.atomic import write_bytes
from lucyte.learn.scaling import Scaling
from lucyte.schema.errors import InputError, UsageError

Floats = npt.NDArray[np.float64]

FORMAT = "lucyte-map-1"
NEAR = 99
"""Percentile of the old cells' distances to their nearest: beyond, a new cell is far from all."""
PLACING = 5.0
"""Perplexity of a new cell: it is put among about so many old ones."""
ARRAYS = ("points", "places", "mean", "axes", "centre", "scale", "fill")


@dataclass(frozen=True, eq=False)
class KeptMap:
    """A map of cells that new cells can be put on without moving the old ones.

    Attributes
    ----------
    components : Components
        How a row of features becomes a point.
    points : float array N D
        The old cells.
    places : float array N 2
        Where the map has them.
    method : {"t-SNE", "UMAP", "PCA"}
    perplexity : float or None
    seed : int
    source : str
        What made the features (a hash of a model); a map of another source is refused.
    """

    components: Components
    points: Floats
    places: Floats
    method: str
    perplexity: float | None
    seed: int
    source: str = ""

    def place(self, table: pd.DataFrame, source: str = "") -> pd.DataFrame:
        """Put new cells among the old ones, which stay where they are.

        Parameters
        ----------
        table : DataFrame
            N rows, with the columns that the map was made of.
        source : str
            What made these features.

        Returns
        -------
        DataFrame
            ``x, y`` and ``apart``, the distance to the nearest old cell over the 99th percentile
            of that distance among old cells: above 1 nothing like the cell is on the map, and
            its place says nothing. nan for a cell in which nothing was measured.

        Raises
        ------
        UsageError
            A UMAP (it is not kept whole), features of another source, a missing column.

        References
        ----------
        Poličar, Stražar and Zupan 2023, doi 10.1007/s10994-021-06043-1.
        """
        if self.method == "UMAP":
            raise UsageError("new cells cannot be put on a UMAP; make the map by t-SNE or PCA.")
        if source and self.source and source != self.source:
            raise UsageError(
                "the map was made of another model's features; near would not mean similar. "
                "Make the map again with this model."
            )
        found, known = self.components.points(table)
        out = np.full((len(table), 3), np.nan)
        if known.any():
            out[known, :2] = found[:, :2] if self.method == "PCA" else self._among(found)
            out[known, 2] = self._apart(found)
        made = pd.DataFrame(out, columns=["x", "y", "apart"], index=table.index)
        made.attrs = {"method": self.method, "seed": self.seed}
        if self.perplexity is not None:
            made.attrs["perplexity"] = self.perplexity
        return made

    def _among(self, found: Floats) -> Floats:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN

        affinities = PerplexityBasedNN(
            self.points,
            perplexity=self.perplexity,
            method=neighbour_search(len(self.points)),
            n_jobs=1,
            random_state=self.seed,
        )
        old: Any = TSNEEmbedding(self.places, affinities, random_state=self.seed, n_jobs=1)
        k = min(25, len(self.points))
        perplexity = min(PLACING, (len(self.points) - 1) / 3)
        return np.asarray(old.transform(found, perplexity=perplexity, k=k), dtype=np.float64)

    def _apart(self, found: Floats) -> Floats:
        from scipy.spatial import cKDTree

        tree = cKDTree(self.points)
        own = np.asarray(tree.query(self.points, k=2)[0], dtype=np.float64)
        usual = np.percentile(own[:, 1], NEAR)
        distance = np.asarray(tree.query(found, k=1)[0], dtype=np.float64)
        return distance / max(float(usual), 1e-300)

    def write(self, path: Path) -> None:
        """One safetensors file with the settings in its head."""
        from safetensors.numpy import save

        scaling = self.components.scaling
        arrays = {
            "points": self.points,
            "places": self.places,
            "mean": self.components.mean,
            "axes": self.components.axes,
            "centre": scaling.centre,
            "scale": scaling.scale,
            "fill": scaling.fill,
        }
        head = {
            "format": FORMAT,
            "method": self.method,
            "perplexity": self.perplexity,
            "seed": self.seed,
            "source": self.source,
            "features": list(scaling.features),
            "clip": scaling.clip,
        }
        plain = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
        write_bytes(path, save(plain, metadata={"map": json.dumps(head)}))


def read_map(path: Path) -> KeptMap:
    """A map that was written.

    Raises
    ------
    InputError
        No such file, not a map, or one whose parts do not fit each other.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            head = json.loads((file.metadata() or {}).get("map", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(path, "there is no such map.", "lucyte explain writes one.") from None
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise InputError(path, f"cannot be read as a map of cells: {error}.") from None
    if head.get("format") != FORMAT or set(arrays) != set(ARRAYS):
        raise InputError(
            path, "is not a map of cells.", "Give the map.safetensors that lucyte explain wrote."
        )
    count = len(head["features"])
    fits = (
        arrays["axes"].shape[0] == count
        and all(arrays[name].shape == (count,) for name in ("mean", "centre", "scale", "fill"))
        and arrays["places"].shape == (len(arrays["points"]), 2)
        and arrays["points"].shape[1] == max(2, arrays["axes"].shape[1])
        and all(np.isfinite(each).all() for each in arrays.values())
    )
    if not fits:
        raise InputError(path, "is damaged: its parts do not fit each other.", "Make it again.")
    scaling = Scaling(
        tuple(head["features"]), arrays["centre"], arrays["scale"], arrays["fill"], head["clip"]
    )
    return KeptMap(
        Components(scaling, arrays["mean"], arrays["axes"]),
        arrays["points"],
        arrays["places"],
        str(head["method"]),
        head["perplexity"],
        int(head["seed"]),
        str(head["source"]),
    )
