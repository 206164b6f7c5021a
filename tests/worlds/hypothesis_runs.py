"""A finished run written by hand: what the model says and what it never sees are known."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.io.write_table import write_parquet
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.models import save_model
from lucyte.learn.scaling import Scaling
from lucyte.networks.model_folder import Card
from lucyte.pipeline.write_maps import write_maps
from lucyte.schema.crops import CropSet
from lucyte.schema.explanation import Explanation

PX = 24
CELLS = 12
"""Per well."""
MAPPED = 6
"""Of these, with a relevance map."""
PLAN = """\
[input]
path = "images"

[[segment.objects]]
kind = "cell"
channels = ["mRFP"]
"""


def write_run(folder: Path, wells: int = 8, seed: int = 0) -> Path:
    """A run of ``wells`` wells in two conditions, two frames, channels EGFP and mRFP.

    A cell's state ``z`` drives the mean mRFP, which alone the model sees, and the number of EGFP
    spots; mean EGFP is chance. The maps look at one spot, where EGFP is bright.
    """
    rng = np.random.default_rng(seed)
    table = _table(wells, rng)
    for name in ("stages/field", "plate.zarr", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "plan.toml").write_text(PLAN)
    (folder / "provenance.json").write_text(json.dumps({"inputs": {"sha256": "cells"}}))
    (folder / "evidence.json").write_text("[]")
    write_parquet(table, folder / "objects.parquet")
    points = table[["object_id"]].assign(x=rng.normal(size=len(table)), y=0.0)
    write_parquet(points, folder / "embeddings.parquet")
    save_model(_model(), folder / "models" / "states", Card(data_sha256="cells"))
    _pictures(folder, table, rng)
    return folder


def _table(wells: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for w in range(wells):
        field, condition = f"p_W{w:02d}_s1", ("fed", "starved")[w % 2]
        for cell in range(CELLS):
            z = rng.normal() + (w % 2)
            for time in range(2):
                chance = 1 / (1 + np.exp(-z))
                rows.append(
                    {
                        "object_id": f"{field}/t{time:03d}/cell/{cell + 1}",
                        "field_id": field,
                        "plate": "p",
                        "batch": "",
                        "day": "",
                        "well": f"W{w:02d}",
                        "site": "1",
                        "condition": condition,
                        "time_index": time,
                        "kind": "cell",
                        "label": cell + 1,
                        "parent_id": "",
                        "area_px": 80 + int(rng.integers(20)),
                        "intensity_mean_mRFP": 100 + 10 * z,
                        "intensity_mean_EGFP": 50 + rng.normal(),
                        "spots_count_EGFP": 5 + 2 * z + rng.normal(),
                        "spots_count_mRFP": 5 + 2 * z + rng.normal(),
                        "state": condition,
                        "margin": z,
                        "fold": w % 4,
                        "p_fed": 1 - chance,
                        "p_starved": chance,
                        "track_id": cell + 1,
                        "parent_track_id": 0,
                    }
                )
    return pd.DataFrame(rows)


def _model() -> FeaturePredictor:
    one = np.ones(1)
    scaling = Scaling(("intensity_mean_mRFP",), 100 * one, 10 * one, 100 * one, 10.0)
    coefficients = np.array([[-0.5], [0.5]])
    model = FeatureModel(
        scaling, coefficients, np.zeros(2), ("fed", "starved"), ("EGFP", "mRFP"), ("p/W00",)
    )
    return FeaturePredictor(model, ("EGFP", "mRFP", "mask:cell"), PX)


def _pictures(folder: Path, table: pd.DataFrame, rng: np.random.Generator) -> None:
    """Crops of every cell of the first frame, and maps of some of them."""
    y, x = np.mgrid[:PX, :PX] - (PX - 1) / 2
    mask = y**2 + x**2 < 9**2
    maps = []
    for field, here in table[table["time_index"] == 0].groupby("field_id"):
        names = tuple(here["object_id"])
        centres = rng.uniform(-5, 5, (len(names), 2))
        blobs = np.exp(-((y - centres[:, :1, None]) ** 2 + (x - centres[:, 1:, None]) ** 2) / 6)
        noise = rng.normal(size=(len(names), 2, PX, PX))
        pixels = 100 + 10 * noise
        pixels[:, 0] += 40 * blobs
        empty = ("",) * len(names)
        crops = CropSet(
            crops=pixels,
            channels=("EGFP", "mRFP"),
            object_ids=names,
            labels=empty,
            groups=tuple("p/" + here["well"]),
            masks=np.repeat(mask[None], len(names), 0),
            foreground=np.repeat(mask[None], len(names), 0),
            distance_px=np.zeros(len(names)),
            kind=("cell",) * len(names),
            field_ids=(str(field),) * len(names),
            time_index=np.zeros(len(names), np.int64),
        )
        buffer = io.BytesIO()
        kept = {each.name: np.asarray(getattr(crops, each.name)) for each in fields(crops)}
        np.savez(buffer, allow_pickle=False, **kept)
        (folder / "stages" / "field" / f"{field}.crops.npz").write_bytes(buffer.getvalue())
        for k in range(MAPPED):
            channels = {"EGFP": np.zeros((PX, PX)), "mRFP": blobs[k] - 0.1}
            maps.append(Explanation(names[k], "occlusion", "fed", 1.0, channels))
    write_maps(folder / "explanations.zarr", maps)
