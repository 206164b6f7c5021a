"""The card of a trained object network: what it was made from and what it scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lucyte.io.annotated_image import AnnotatedSet
from lucyte.learn.object_sets import Split
from lucyte.networks.model_folder import Card
from lucyte.pipeline.fingerprint import hash_inputs, hash_texts
from lucyte.stats.goodness import measure_of
from lucyte.stats.intervals import unit_score_interval

SHOWN = ("AP@0.5", "AP@0.75", "F1@0.5", "PQ", "SEG", "mAP50", "mAP50-95")
"""Scores that go on the card."""


def object_card(
    name: str,
    licence: str,
    data: AnnotatedSet,
    split: Split,
    table: pd.DataFrame,
    pooled: Mapping[str, float],
) -> Card:
    """What a trained network was made from, and what it scored on what was kept back.

    Parameters
    ----------
    name, licence : str
        Of the data.
    data : AnnotatedSet
    split : Split
    table : DataFrame
        One row per validation image: ``group`` and its scores.
    pooled : mapping
        Scores over all validation images at once.
    """
    by_group = table.groupby("group").mean(numeric_only=True)
    names = [each for each in table.columns if each in SHOWN]
    unit = "groups" if data.group_known else "images"
    metrics: dict[str, dict[str, Any]] = {}
    for score in names:
        if not table[score].notna().any():
            continue
        bounds = (measure_of(score).low, measure_of(score).high)
        groups = table["group"].astype(str).to_numpy()
        found = unit_score_interval(table[score].to_numpy(), groups, bounds)
        metrics[score] = {
            "value": round(found.estimate, 4),
            "low": None if found.low is None else round(found.low, 4),
            "high": None if found.high is None else round(found.high, 4),
            "n": found.n,
            "unit": unit,
        }
    for score, value in pooled.items():
        metrics[f"{score} pooled"] = {
            "value": round(float(value), 4),
            "low": None,
            "high": None,
            "n": len(by_group),
            "unit": unit,
        }
    paths = [Path(p) for image in data.images for p in image.image_paths]
    hashes = hash_inputs([str(p) for p in paths])
    truth = hash_texts({image.name: image.truth_path.rsplit("/", 1)[-1] for image in data.images})
    limits = ["Size is estimated per image; check the diameter it reports on your own images."]
    if not data.has_masks:
        limits.append("Learned from boxes: outlines are a guess, boxes are what was scored.")
    return Card(
        training_data=f"{name}: {len(split.training)} images ({data.form})",
        data_sha256=hash_texts({"images": str(hashes), "truth": truth}),
        split=_split_words(data, split),
        metrics=metrics,
        normalisation="percentiles 1 and 99.8 of each image, linear and logarithmic view; inside",
        data_licence=licence,
        limits=tuple(limits),
    )


def _split_words(data: AnnotatedSet, split: Split) -> str:
    names = ", ".join(split.groups[:12]) + (" ..." if len(split.groups) > 12 else "")
    images = f"{len(split.validation)} images"
    if data.group_known:
        return f"kept back: {images} of {len(split.groups)} groups ({names})"
    return f"kept back: {images}, each taken as independent, which nobody said ({names})"
