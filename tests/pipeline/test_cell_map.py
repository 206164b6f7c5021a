from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.explain.embedding import MapSettings, read_map
from lucyte.networks.model_folder import Card
from lucyte.pipeline import cell_map
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.cell_map import map_cells
from lucyte.pipeline.explain_stage import mapped_rows
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


class Means:
    """Sees six numbers of each crop."""

    classes, channels, pixel_size_um, input_px = ("fed", "starved"), ("EGFP", "mRFP"), None, 12

    def embed(self, crops):
        return np.column_stack([crops.mean((2, 3)), crops.std((2, 3)), crops.max((2, 3))])

    def logits(self, crops):
        red = crops[:, 1].mean((1, 2))
        return np.column_stack([-red, red - 2 * red.mean()])


def asked(cells=96, wells=12, seed=0):
    rng = np.random.default_rng(seed)
    well = np.arange(cells) % wells
    starved = well % 2 == 1
    images = rng.normal(0, 1, (cells, 2, 12, 12)) + 20 + 8 * starved[:, None, None, None]
    names = tuple(f"c{k}" for k in range(cells))
    labels = tuple("starved" if each else "fed" for each in starved)
    groups = tuple(f"P{k % 3}/W{k}" for k in well)
    samples = Samples(
        images=images.astype(np.float32),
        channels=("EGFP", "mRFP"),
        names=names,
        labels=labels,
        groups=groups,
        unit="well",
        levels={"plate": tuple(g.split("/")[0] for g in groups)},
    )
    return AskedModel("means", Means(), Card(), samples, None, True, {}, {}, None)


def test_a_map_comes_with_its_findings_and_can_be_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr(cell_map, "PERPLEXITIES", (8.0, 15.0))
    made = map_cells(asked(), 0, MapSettings(perplexity=15))
    names = [each.name for each in made.findings]
    assert names == ["embedding.stability", "embedding.batch", "embedding.batch_plate"]
    assert [each.n for each in made.findings] == [12, 12, 12]
    assert made.findings[0].details["perplexities"] == [8.0, 15.0]
    assert made.embedding.points["steady"].between(0, 1).all()
    made.write(tmp_path / "embeddings.parquet")
    assert {"object_id", "x", "y", "steady", "condition", "plate"} <= set(
        pd.read_parquet(tmp_path / "embeddings.parquet").columns
    )
    old = read_map(tmp_path / "map.safetensors")
    again = map_cells(asked(cells=24, seed=5), 0, old=old)
    assert again.findings == []
    points = again.embedding.points
    fed = points["condition"] == "fed"
    old_fed = made.embedding.points["condition"] == "fed"
    for own, known in ((fed, old_fed), (~fed, ~old_fed)):
        here = points.loc[own, ["x", "y"]].mean()
        mine = np.linalg.norm(here - made.embedding.points.loc[known, ["x", "y"]].mean())
        other = np.linalg.norm(here - made.embedding.points.loc[~known, ["x", "y"]].mean())
        assert mine < other


def test_principal_components_need_no_sweep_and_few_cells_no_map():
    made = map_cells(asked(), 0, MapSettings("PCA"))
    assert [each.name for each in made.findings] == ["embedding.batch", "embedding.batch_plate"]
    assert made.embedding.method == "PCA"
    few = map_cells(asked(cells=8, wells=4), 0)
    assert few.embedding is None
    assert few.why_not == "a map of cells needs at least 10 cells, got 8."
    with pytest.raises(UsageError, match="Means has no layers to look at"):
        map_cells(asked(), 0, layer="stage3")


def test_the_map_of_a_run_leaves_no_field_out() -> None:
    fields = [f"f{k // 50}" for k in range(400)]
    table = pd.DataFrame({"field_id": fields})
    pictured = np.arange(400) % 2 == 0
    rows = mapped_rows(table, pictured, 100, 0)
    assert len(rows) == 100 and (np.diff(rows) > 0).all()
    assert pictured[rows].all()
    counts = table["field_id"].iloc[rows].value_counts()
    assert len(counts) == 8 and counts.min() >= 12
    more = mapped_rows(table, pictured, 300, 0)
    assert pictured[more].sum() == 200 and len(more) == 300
    assert mapped_rows(table[:0], pictured[:0], 100, 0).size == 0
