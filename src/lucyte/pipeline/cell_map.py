"""A map of the cells as a model sees them: near means similar to the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.embedding import embed
from lucyte.io.write_table import write_parquet
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.splits import even_sample
from lucyte.pipeline.asked_model import AskedModel
from lucyte.report.classifier_content import sample_picture
from lucyte.report.content import Embedding
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples

MOST = 2000
"""Cells on the map, drawn evenly over units."""
THUMBNAILS = 400
THUMBNAIL_PX = 48
BATCH = 256


@dataclass(frozen=True)
class CellMap:
    """A map, or why there is none.

    Attributes
    ----------
    embedding : Embedding or None
    why_not : str
    """

    embedding: Embedding | None = None
    why_not: str = ""

    def write(self, path: Path) -> None:
        """Points with what is known of each cell; nothing where there is no map."""
        if self.embedding is not None:
            write_parquet(self.embedding.points.drop(columns="thumb"), path)


def map_cells(asked: AskedModel, seed: int, perplexity: float = 30.0) -> CellMap:
    """t-SNE of what the model sees: its embedding, or the features that it measures.

    A model that shows neither is mapped by its logits.

    Parameters
    ----------
    asked : AskedModel
    seed : int
    perplexity : float
    """
    samples = asked.samples
    if len(samples) > MOST:
        samples = samples.take(even_sample(samples.groups, MOST, seed))
    model: Any = asked.model
    parts = [
        _seen(model, samples.take(range(at, min(at + BATCH, len(samples)))))
        for at in range(0, len(samples), BATCH)
    ]
    seen = pd.concat(parts, ignore_index=True)
    try:
        points = embed(seen, list(seen.columns), seed, perplexity)
    except UsageError as error:
        return CellMap(None, str(error))
    table = pd.DataFrame({"object_id": samples.names, "x": points["x"], "y": points["y"]})
    known = {"state": [asked.states.get(name, "") for name in samples.names]}
    if not all(known["state"]):
        known["state"] = [model.classes[k] for k in _answers(asked, samples)]
    known["condition"] = list(samples.labels)
    known |= {name: list(samples.levels[name]) for name in ("plate", "well")
              if name in samples.levels}  # fmt: skip
    if "well" not in known and len(set(samples.groups)) < len(samples):
        known["well"] = list(samples.groups)
    for name, values in known.items():
        if any(values):
            table[name] = values
    show = sample_picture(samples)
    pictured = np.arange(0, len(samples), max(1, -(-len(samples) // THUMBNAILS)))
    table["thumb"] = -1
    table.loc[pictured, "thumb"] = np.arange(len(pictured))
    small = np.stack([_small(show(int(row))) for row in pictured])
    settings = {"perplexity": points.attrs.get("perplexity")}
    return CellMap(Embedding(table, small, str(points.attrs.get("method", "t-SNE")), settings))


def _seen(model: Any, samples: Samples) -> pd.DataFrame:
    """What the model sees of each cell, as columns."""
    crops = samples.for_channels(model.channels)
    if isinstance(model, FeaturePredictor):
        table = model.table(crops)
        return table[[name for name in table.columns if table[name].dtype.kind == "f"]]
    told = model.embed(crops) if hasattr(model, "embed") else model.logits(crops)
    return pd.DataFrame(told, columns=[f"feature_{k}" for k in range(told.shape[1])])


def _answers(asked: AskedModel, samples: Samples) -> list[int]:
    logits = asked.model.logits(samples.for_channels(asked.model.channels))
    return [int(k) for k in logits.argmax(axis=1)]


def _small(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    from PIL import Image

    made = Image.fromarray(picture).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
    return np.asarray(made)
