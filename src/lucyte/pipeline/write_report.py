"""Fills the report with what a run found, and writes it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.atomic import write_text
from lucyte.io.merge import choose_colours, choose_limits, merge_channels
from lucyte.io.write_table import read_parquet
from lucyte.learn.splits import even_sample
from lucyte.pipeline.believe import Beliefs
from lucyte.pipeline.context import Context
from lucyte.pipeline.correction import show_corrections
from lucyte.pipeline.movie_stage import read_tracks
from lucyte.pipeline.state_stage import Classified
from lucyte.pipeline.tables import all_flags, kinds_found, raised_flags, track_tables
from lucyte.report.content import (
    Embedding,
    ExampleCell,
    ExplainedCell,
    Movie,
    ReportContent,
    StatesInfo,
)
from lucyte.report.page import render
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import InputError
from lucyte.schema.image import frame
from lucyte.schema.plate import Field
from lucyte.screen.wells import feature_table, fraction_table

THUMBNAILS = 400
THUMBNAIL_PX = 48
MOVIE_PX = 900
READOUTS = 4
ASKED_FIRST = re.compile(
    r"nucleus_to_cytoplasm_corrected_(?!.*(DNA|DAPI|Hoechst))|ratio_mean_|children_count_spot"
)
"""Readouts that a plan asks for by its kinds of object or its ratios."""
DOSE = re.compile(r"dose|conc", re.IGNORECASE)


def write_report(
    context: Context, classified: Classified, beliefs: Beliefs, provenance: dict[str, Any]
) -> None:
    """Write ``report.html`` from what the stages handed over."""
    painter = Painter(beliefs.crops) if beliefs.crops is not None else None
    plan, states = context.plan, classified.states
    intervals = {each.interval_s for each in context.fields}
    content = ReportContent(
        title=plan.report.title or f"Report on {_name(context)}",
        command=context.command,
        plan=plan,
        fields=context.plate.table(),
        provenance=provenance,
        findings=beliefs.findings,
        counts=kinds_found(context.folder, context.fields),
        unit=states.group
        if states
        else ("well" if any(f.well for f in context.fields) else "field"),
        kind=context.pilot.kind,
        wells=_wells(context, classified),
        fractions=fraction_table(classified.table, states) if states else pd.DataFrame(),
        features=_readouts(context, classified),
        states=StatesInfo(states.classes, states.target, states.group, states.groups)
        if states
        else None,
        examples=_examples(context, classified, beliefs, painter),
        embedding=_embedding(classified, beliefs, painter),
        explained=_explained(context, classified, beliefs, painter),
        tracks=_tracks(context),
        movie=_movie(context),
        corrections=show_corrections(plan, context.fields, context.fit),
        flags=raised_flags(all_flags(context)),
        problems=tuple(context.problems),
        skipped=context.skipped,
        interval_s=intervals.pop() if len(intervals) == 1 else None,
    )
    write_text(context.folder / "report.html", render(content))


class Painter:
    """Pictures of sampled cells, all on one scale.

    Parameters
    ----------
    crops : CropSet
    """

    def __init__(self, crops: CropSet) -> None:
        self._crops = crops
        self._colours = choose_colours(crops.channels)
        some = crops.take(np.arange(len(crops))[:: max(1, len(crops) // 300)])
        flat = some.crops.transpose(1, 0, 2, 3).reshape(len(crops.channels), -1, crops.crop_px)
        self._limits = choose_limits(flat, crops.channels)
        self.row = {name: at for at, name in enumerate(crops.object_ids)}

    def __call__(self, row: int) -> npt.NDArray[np.uint8]:
        """The picture of one crop, ``Y X 3``."""
        order = [self._crops.channels.index(name) for name in self._colours]
        return merge_channels(self._crops.crops[row][order], self._colours, self._limits)

    def thumbnail(self, row: int) -> npt.NDArray[np.uint8]:
        """A small picture of one crop, ``THUMBNAIL_PX`` wide or less."""
        from PIL import Image

        picture = Image.fromarray(self(row))
        small = picture.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
        return np.asarray(small)


def _name(context: Context) -> str:
    plates = sorted({each.plate for each in context.fields if each.plate})
    return ", ".join(plates[:3]) or "the images"


def _wells(context: Context, classified: Classified) -> pd.DataFrame:
    wells = classified.wells
    if not len(wells):
        return wells
    flags = raised_flags(all_flags(context))
    home = {
        each.field_id: (each.plate, each.well or each.field_id) for each in context.plate.fields
    }
    raised: dict[tuple[str, str], set[str]] = {}
    for field_id, flag in zip(flags["field_id"], flags["flag"], strict=True):
        raised.setdefault(home[field_id], set()).add(str(flag).replace("_", " "))
    places = zip(wells["plate"], wells["well"], strict=True)
    return wells.assign(flags=[", ".join(sorted(raised.get(place, ()))) for place in places])


def _readouts(context: Context, classified: Classified) -> pd.DataFrame:
    """Unit means of the features that a person would ask for first."""
    table = classified.table
    if not len(table):
        return pd.DataFrame()
    names = [str(name) for name in table.columns if ASKED_FIRST.match(str(name))]
    names = [name for name in names if table[name].notna().any()]
    if classified.model is not None:
        weights = np.abs(classified.model.model.coefficients).max(axis=0)
        order = np.argsort(-weights, kind="stable")
        ranked = [classified.model.model.features[k] for k in order if weights[k] > 0]
        names = ranked[: READOUTS - min(len(names), 2)] + names
    names = [*dict.fromkeys([*names[:READOUTS], "area_px"])][:READOUTS]
    found = feature_table(table, names, classified.settings.kind)
    doses = [name for name in table.columns if DOSE.search(str(name))]
    if doses and pd.api.types.is_numeric_dtype(table[doses[0]]):
        dose = table.groupby(["plate", "well"])[doses[0]].first().rename("dose").reset_index()
        found = found.merge(dose, on=["plate", "well"], how="left")
    return found


def _states_of(classified: Classified) -> pd.DataFrame:
    if classified.states is None:
        return pd.DataFrame(columns=["state"]).rename_axis("object_id")
    return classified.states.table.set_index("object_id")


def _example(
    context: Context, classified: Classified, crops: CropSet, row: int, painter: Painter
) -> ExampleCell:
    states = _states_of(classified)
    name = crops.object_ids[row]
    known = name in states.index
    told: dict[str, Any] = dict(states.loc[name]) if known else {}
    state = str(told.get("state", ""))
    home = {each.field_id: each for each in context.fields}[crops.field_ids[row]]
    return ExampleCell(
        object_id=name,
        picture=painter(row),
        condition=home.condition,
        well=home.well,
        state=state,
        time_index=int(crops.time_index[row]),
        p=float(told[f"p_{state}"]) if state else None,
        outline=crops.masks[row],
        pixel_size_um=home.pixel_size_um,
    )


def _examples(
    context: Context, classified: Classified, beliefs: Beliefs, painter: Painter | None
) -> tuple[ExampleCell, ...]:
    crops = beliefs.crops
    if crops is None or painter is None:
        return ()
    cells = np.flatnonzero([kind == "cell" for kind in crops.kind])
    groups = [crops.groups[row] for row in cells]
    some = even_sample(groups, context.plan.report.example_cells, context.plan.seed)
    return tuple(_example(context, classified, crops, int(cells[k]), painter) for k in some)


def _explained(
    context: Context, classified: Classified, beliefs: Beliefs, painter: Painter | None
) -> tuple[ExplainedCell, ...]:
    crops = beliefs.crops
    if crops is None or painter is None:
        return ()
    return tuple(
        ExplainedCell(
            _example(context, classified, crops, row, painter),
            beliefs.explained.explanations[crops.object_ids[row]],
        )
        for row in beliefs.explained.shown
    )


def _embedding(
    classified: Classified, beliefs: Beliefs, painter: Painter | None
) -> Embedding | None:
    points = beliefs.explained.points
    if not len(points):
        return None
    home = classified.table.set_index("object_id")[["condition", "plate", "well"]]
    full = points.join(home, on="object_id")
    states = _states_of(classified)
    full["state"] = full["object_id"].map(states["state"]).fillna("") if len(states) else ""
    told = ("state", "condition", "plate", "well")
    full = full.drop(columns=[name for name in told if (full[name].astype(str) == "").all()])
    full["thumb"] = -1
    thumbnails = None
    if painter is not None:
        pictured = [k for k, name in enumerate(full["object_id"]) if name in painter.row]
        pictured = pictured[:: max(1, -(-len(pictured) // THUMBNAILS))]
        full.loc[full.index[pictured], "thumb"] = np.arange(len(pictured))
        rows = [painter.row[name] for name in full["object_id"].iloc[pictured]]
        thumbnails = np.stack([painter.thumbnail(row) for row in rows]) if rows else None
    settings = {"perplexity": points.attrs.get("perplexity")}
    return Embedding(full, thumbnails, str(points.attrs.get("method", "t-SNE")), settings)


def _tracks(context: Context) -> pd.DataFrame:
    parts = [
        read_parquet(path).assign(field_id=here.field_id, condition=here.condition)
        for here, path in track_tables(context.folder, context.fields)
    ]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _movie(context: Context) -> Movie | None:
    """The field with most divisions, then most tracks: the one worth looking at."""
    best: tuple[tuple[int, int], Field] | None = None
    for here, path in track_tables(context.folder, context.fields):
        fates = read_parquet(path)
        rank = (int((fates["fate"] == "divides").sum()), len(fates))
        if len(fates) and (best is None or rank > best[0]):
            best = (rank, here)
    if best is None:
        return None
    here = best[1]
    return Movie(
        field_id=here.field_id,
        tracks=read_tracks(context.folder, here.field_id),
        shape_yx=here.shape_yx,
        picture=_last_frame(here),
        condition=here.condition,
        pixel_size_um=here.pixel_size_um,
        interval_s=here.interval_s,
    )


def _last_frame(here: Field) -> npt.NDArray[np.uint8] | None:
    try:
        image = here.source.open()
        pixels = frame(image, here.time_indices[-1])
    except InputError:
        return None
    pixels = pixels.max("Z") if "Z" in pixels.dims else pixels
    names = here.channels or ("image",)
    data = pixels.values.reshape(len(names), *here.shape_yx)
    step = max(1, -(-max(here.shape_yx) // MOVIE_PX))
    colours = choose_colours(names)
    small = data[[names.index(name) for name in colours], ::step, ::step]
    return merge_channels(small, colours, choose_limits(data[:, ::step, ::step], names))
