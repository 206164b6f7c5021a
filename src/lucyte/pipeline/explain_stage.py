"""Plate scope: a map of the cells, and why the model said what it said of some of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.explanation import attribution
from lucyte.explain.attribution.contributions import contribution_explanations
from lucyte.explain.attribution.occlusion import occlusion_explanations
from lucyte.explain.embedding import embed
from lucyte.io.write_table import write_parquet
from lucyte.learn.splits import even_sample
from lucyte.measure.columns import model_features
from lucyte.pipeline.context import Context
from lucyte.pipeline.progress import step
from lucyte.pipeline.state_stage import Classified
from lucyte.pipeline.write_maps import write_maps
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.explanation import Explanation
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import MASK_CHANNEL

EXAM_CELLS = 36
EXAM_PX = EXAM_CELLS * 96**2
"""Cells on which maps are examined, and the px that they may have together: work goes with px."""


@dataclass(frozen=True)
class Explained:
    """What explanation gave.

    Attributes
    ----------
    points : DataFrame
        ``object_id, x, y`` of the map of cells; empty where none was made.
    shown : list of int
        Rows of the sample that are shown with their explanations.
    explanations : mapping of object_id to its explanations
    findings : list of Finding
    """

    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    shown: list[int] = field(default_factory=list)
    explanations: dict[str, tuple[Explanation, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def explain_plate(context: Context, classified: Classified, crops: CropSet | None) -> Explained:
    """Make the map, the maps of relevance and the contributions, and examine the maps."""
    if context.plan.explain.enabled == "off":
        context.skipped["explain"] = "the plan turns explanations off"
        return Explained()
    points = _map_of_cells(context, classified, crops)
    if classified.model is None or crops is None:
        context.skipped["explain"] = "there are no states to explain"
        return Explained(points=points)
    cells = np.flatnonzero([kind == "cell" for kind in crops.kind])
    shown_most = context.plan.explain.cells_per_class * len(crops.classes)
    most = int(np.clip(EXAM_PX // crops.crop_px**2, shown_most, max(EXAM_CELLS, shown_most)))
    chosen = cells[_spread(context, crops.take(cells), most)]
    maps = _occlude(context, classified, crops.take(chosen))
    finding = _examine(context, classified, crops.take(chosen), maps)
    shown = chosen[_spread(context, crops.take(chosen), shown_most)]
    where = {int(row): at for at, row in enumerate(chosen)}
    explanations = _explanations(classified, crops, shown, [maps[where[int(r)]] for r in shown])
    write_maps(context.folder / "explanations.zarr", maps)
    return Explained(points, [int(row) for row in shown], explanations, [finding])


def _map_of_cells(context: Context, classified: Classified, crops: CropSet | None) -> pd.DataFrame:
    """t-SNE of features; cells with a picture come first when there are too many."""
    table, settings = classified.table, context.plan.explain
    pictured = set(crops.object_ids) if crops is not None else set()
    first = table["object_id"].isin(pictured).to_numpy() if len(table) else np.zeros(0, bool)
    some = table.iloc[mapped_rows(table, first, settings.embedding_cells, context.plan.seed)]
    features = model_features([str(name) for name in table.columns])
    try:
        with step("Mapping the cells", 1, quiet=context.quiet) as done:
            points = embed(some, features, context.plan.seed, settings.perplexity)
            done()
    except UsageError as error:
        context.skipped["embed"] = str(error)
        return pd.DataFrame()
    named = pd.concat([some[["object_id"]], points], axis=1).reset_index(drop=True)
    named.attrs.update(points.attrs)
    write_parquet(named, context.folder / "embeddings.parquet")
    return named


def mapped_rows(
    table: pd.DataFrame, first: npt.NDArray[np.bool_], most: int, seed: int
) -> npt.NDArray[np.int64]:
    """Rows of at most so many cells, evenly over fields; those that come first as far as they fit.

    Parameters
    ----------
    table : DataFrame
        With ``field_id``.
    first : bool array N
    most, seed : int
    """
    rows = np.zeros(0, dtype=np.int64)
    for those in (np.flatnonzero(first), np.flatnonzero(~first)):
        fields = [str(name) for name in table["field_id"].iloc[those]]
        rows = np.concatenate([rows, those[even_sample(fields, most - len(rows), seed)]])
    return np.sort(rows)


def _spread(context: Context, crops: CropSet, most: int) -> npt.NDArray[np.int64]:
    """Rows spread evenly over classes and, within them, over units."""
    classes = crops.classes
    picked: list[int] = []
    for name in classes:
        rows = np.flatnonzero([label == name for label in crops.labels])
        groups = [crops.groups[row] for row in rows]
        take = even_sample(groups, max(1, most // len(classes)), context.plan.seed)
        picked += [int(rows[k]) for k in take]
    return np.array(sorted(picked), dtype=np.int64)


def _targets(classified: Classified, crops: CropSet) -> list[str]:
    """The out-of-fold state of each cell: what is to be explained."""
    assert classified.states is not None
    states = classified.states.table.set_index("object_id")["state"]
    return [
        str(states.get(name, label)) or label
        for name, label in zip(crops.object_ids, crops.labels, strict=True)
    ]


def _occlude(context: Context, classified: Classified, crops: CropSet) -> list[Explanation]:
    assert classified.model is not None
    setting = context.plan.explain.occlusion_px
    patch = max(3, crops.crop_px // 6) if setting == "auto" else setting
    pixels = crops.for_channels(classified.model.channels)
    with step("Explaining cells", 1, quiet=context.quiet) as done:
        maps = occlusion_explanations(
            classified.model,
            pixels,
            crops.object_ids,
            _targets(classified, crops),
            patch,
            max(1, patch // 2),
        )
        done()
    return maps


def _examine(
    context: Context, classified: Classified, crops: CropSet, maps: list[Explanation]
) -> Finding:
    assert classified.model is not None
    light = [name for name in classified.model.channels if name != MASK_CHANNEL]
    stacked = np.stack([np.stack([each.maps[name] for name in light]) for each in maps])
    return attribution.test_attribution(
        classified.model,
        crops.for_channels(classified.model.channels),
        stacked,
        crops.masks,
        crops.groups,
        context.plan.seed,
        targets=_targets(classified, crops),
        unit=crops.unit,
    )


def _explanations(
    classified: Classified,
    crops: CropSet,
    shown: npt.NDArray[np.int64],
    maps: list[Explanation],
) -> dict[str, tuple[Explanation, ...]]:
    assert classified.model is not None
    some = crops.take(shown)
    rows = classified.table.set_index("object_id").loc[list(some.object_ids)].reset_index()
    shares = contribution_explanations(
        classified.model.model, rows, some.object_ids, _targets(classified, some)
    )
    return {each.object_id: (each, share) for each, share in zip(maps, shares, strict=True)}
