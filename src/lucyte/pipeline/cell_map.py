"""A map of the cells as a model sees them: near means similar to the model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.evidence.explanation.map_batch import batch_findings
from lucyte.evidence.explanation.map_stability import stability, steadiness
from lucyte.explain.embedding import (
    KeptMap,
    MapSettings,
    layer_features,
    make_map,
    sweep,
)
from lucyte.io.write_table import write_parquet
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.splits import even_sample
from lucyte.pipeline.asked_model import AskedModel
from lucyte.report.classifier_content import sample_picture
from lucyte.report.content import Embedding
from lucyte.report.picture import shrink
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples

MOST = 2000
"""Cells on the map, drawn evenly over units."""
THUMBNAILS = 400
THUMBNAIL_PX = 48
BATCH = 256
BATCH_CELLS = 600
"""Cells whose neighbours are asked for their batch."""
SWEEP_CELLS = 400
"""Cells whose neighbours are compared over seeds and perplexities; bounds the time."""
PERPLEXITIES, SEEDS = (10.0, 30.0, 50.0), 2
"""Maps made for it: each perplexity, this often, from random starts."""


@dataclass(frozen=True)
class CellMap:
    """A map, or why there is none.

    Attributes
    ----------
    embedding : Embedding or None
        ``points["steady"]``: how far the neighbours of a cell come again; nan where not asked.
    why_not : str
    findings : list of Finding
        ``embedding.stability`` and ``embedding.batch``.
    kept : KeptMap or None
        To put new cells on the map.
    """

    embedding: Embedding | None = None
    why_not: str = ""
    findings: list[Finding] = field(default_factory=list)
    kept: KeptMap | None = None

    def write(self, path: Path) -> None:
        """Points with what is known of each cell, and ``map.safetensors`` beside; else nothing."""
        if self.embedding is not None:
            write_parquet(self.embedding.points.drop(columns="thumb"), path)
        if self.kept is not None:
            self.kept.write(path.with_name("map.safetensors"))


def map_cells(
    asked: AskedModel,
    seed: int,
    settings: MapSettings | None = None,
    *,
    layer: str | None = None,
    old: KeptMap | None = None,
) -> CellMap:
    """Map what the model sees: its embedding, a layer, or the features that it measures.

    A model that shows none is mapped by its logits.

    Parameters
    ----------
    asked : AskedModel
    seed : int
    settings : MapSettings, optional
        Default t-SNE.
    layer : str, optional
        Of a network, instead of its embedding.
    old : KeptMap, optional
        The cells are put on this map instead of a new one; nothing is asked of it again.

    Raises
    ------
    UsageError
        A layer that is not there, or an old map of another model.
    """
    samples = asked.samples
    if len(samples) > MOST:
        samples = samples.take(even_sample(samples.groups, MOST, seed))
    model: Any = asked.model
    parts = [
        _seen(model, samples.take(range(at, min(at + BATCH, len(samples)))), layer)
        for at in range(0, len(samples), BATCH)
    ]
    seen = pd.concat(parts, ignore_index=True)
    source = _source(asked, layer)
    if old is not None:
        points = old.place(seen, source)
        return CellMap(_pictured(asked, samples, points))
    try:
        points, kept = make_map(
            seen, list(seen.columns), settings or MapSettings(seed=seed), source
        )
    except UsageError as error:
        return CellMap(None, str(error))
    findings = _examine(samples, points, kept, seed)
    return CellMap(_pictured(asked, samples, points), "", findings, kept)


def _examine(samples: Samples, points: pd.DataFrame, kept: KeptMap, seed: int) -> list[Finding]:
    """Does the map come again, and do neighbours share a batch? Adds ``steady`` to the points."""
    placed = np.flatnonzero(points["x"].notna())
    quality = {name: points.attrs[name] for name in ("trustworthiness", "continuity")}
    groups = [samples.groups[k] for k in placed]
    labels = [samples.labels[k] for k in placed]
    levels = {name: [each[k] for k in placed] for name, each in samples.levels.items()}
    some = even_sample(groups, BATCH_CELLS, seed)
    found = batch_findings(
        kept.places[some],
        [labels[k] for k in some],
        [groups[k] for k in some],
        samples.unit,
        {name: [each[k] for k in some] for name, each in levels.items()},
        seed,
    )
    points["steady"] = np.nan
    if kept.method == "PCA":
        return found  # the same whatever the seed
    some = even_sample(groups, SWEEP_CELLS, seed)
    runs = sweep(kept.points[some], PERPLEXITIES, range(seed, seed + SEEDS))
    own, classes = [groups[k] for k in some], [labels[k] for k in some]
    first = stability(runs, own, samples.unit, classes, quality)
    if np.isfinite(first.statistic):
        steady = np.full(len(points), np.nan)
        steady[placed[some]] = steadiness(runs).cells
        points["steady"] = steady
    return [first, *found]


def _pictured(asked: AskedModel, samples: Samples, points: pd.DataFrame) -> Embedding:
    """The points with what is known of each cell, and pictures of some."""
    model = asked.model
    table = points.reset_index(drop=True).assign(object_id=samples.names)
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
    small = np.stack([shrink(show(int(row)), THUMBNAIL_PX) for row in pictured])
    settings = {"perplexity": points.attrs.get("perplexity")}
    return Embedding(table, small, str(points.attrs.get("method", "t-SNE")), settings)


def _source(asked: AskedModel, layer: str | None) -> str:
    """What made the features, as a hash; empty where the model cannot be taken apart."""
    model: Any = asked.model
    if not hasattr(model, "store"):
        return ""
    made = hashlib.sha256((layer or "").encode())
    for name, array in sorted(model.store(asked.card).arrays.items()):
        made.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def _seen(model: Any, samples: Samples, layer: str | None) -> pd.DataFrame:
    """What the model sees of each cell, as columns."""
    crops = samples.for_channels(model.channels)
    if layer is not None:
        return layer_features(model, crops, layer)
    if isinstance(model, FeaturePredictor):
        table = model.table(crops)
        return table[[name for name in table.columns if table[name].dtype.kind == "f"]]
    told = model.embed(crops) if hasattr(model, "embed") else model.logits(crops)
    return pd.DataFrame(told, columns=[f"feature_{k}" for k in range(told.shape[1])])


def _answers(asked: AskedModel, samples: Samples) -> list[int]:
    logits = asked.model.logits(samples.for_channels(asked.model.channels))
    return [int(k) for k in logits.argmax(axis=1)]
