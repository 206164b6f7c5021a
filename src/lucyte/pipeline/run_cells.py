"""The cells of a finished run as samples: cut anew from the images, in raw units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.classify.sources import samples_of_crops
from lucyte.classify.units import independent_units, text_column
from lucyte.io.plates import open_plate
from lucyte.io.write_table import read_parquet
from lucyte.io.write_zarr import read_labels_frame
from lucyte.learn.splits import even_sample
from lucyte.measure.crops import cut_crops
from lucyte.networks.input_match import rescale
from lucyte.pipeline.correction import project
from lucyte.pipeline.sample import main_kind
from lucyte.schema.crops import CropSet, join
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import frame, time_indices
from lucyte.schema.plan import Plan, load_plan
from lucyte.schema.plate import Field
from lucyte.schema.protocols import MASK_CHANNEL
from lucyte.schema.samples import Samples

LABELS = Path("labels") / "labels.csv"
"""What ``lucyte label`` leaves in a run."""
ROOM = 1.5
"""Side of a crop in typical box sides."""


def is_run(folder: Path) -> bool:
    """Whether this is the folder of a finished run, and not of images."""
    return all((folder / name).exists() for name in ("plan.toml", "objects.parquet", "plate.zarr"))


def read_cells(
    run: Path,
    *,
    column: str = "",
    group: str = "auto",
    side_px: int | None = None,
    cut_px: int = 0,
    most: int = 4000,
    seed: int = 0,
    labelled: bool = True,
) -> tuple[Samples, tuple[str, ...]]:
    """Cut the cells of a run out of its images.

    Parameters
    ----------
    run : Path
    column : str
        Class of each cell: a column of ``objects.parquet``; empty: the labels that people gave
        (``lucyte label``) where there are some, else ``condition``.
    group : str
        Independent unit, as in `lucyte.classify.units.independent_units`.
    side_px : int or None
        Side of the crops; None: one and a half typical box sides.
    cut_px : int
        Side that is cut out, then resampled to ``side_px``; 0: ``side_px`` itself.
    most : int
        Cells at most, spread evenly over the units.
    seed : int
    labelled : bool
        Only cells whose class is known.

    Returns
    -------
    Samples, tuple of str
        And what must be said about them.

    Raises
    ------
    InputError, UsageError
        No such column, no cell with a class, images that are gone.
    """
    plan = load_plan(run / "plan.toml")
    table, kind = _cells_of(run)
    table, target, notes = _with_classes(run, table, column)
    if labelled:
        table = table[table[target] != ""].reset_index(drop=True)
    if not len(table):
        raise UsageError(f"{run}: no {kind} has a class in column {target!r}.")
    units = independent_units(table, target, group)
    chosen = table.iloc[even_sample(units.values, most, seed)] if len(table) > most else table
    side = cut_px or side_px or _side(table)
    crops = _cut(run, plan, chosen, kind, side, target)
    lost = len(chosen) - len(crops)
    if lost:
        notes.append(
            f"{lost:,} of {len(chosen):,} cells lie at an edge and were not cut out whole."
        )
    notes += cut_through(table, side)
    if len(chosen) < len(table):
        notes.append(
            f"{len(chosen):,} of {len(table):,} cells were taken, evenly over {units.name}s."
        )
    unit_of = dict(zip(table["object_id"], units.values, strict=True))
    groups = tuple(str(unit_of[name]) for name in crops.object_ids)
    samples = samples_of_crops(replace(crops, groups=groups, unit=units.name))
    if side_px and side != side_px:
        samples = _resampled(samples, side_px)
        notes.append(f"Cells were cut out at {side} px and resampled to {side_px} px.")
    for name in ("plate", "day", "batch"):
        known = dict(zip(table["object_id"], text_column(table, name), strict=True))
        if name in table and len(set(known.values())) > 1:
            levels = {**samples.levels, name: tuple(known[each] for each in samples.names)}
            samples = replace(samples, levels=levels)
    return samples, tuple(notes)


def usual_side(run: Path) -> int:
    """Side of a crop that holds a whole cell of this run, px: one and a half typical box sides."""
    return _side(_cells_of(run)[0])


def _cells_of(run: Path) -> tuple[pd.DataFrame, str]:
    """The rows of the run's cells, and what kind of object they are."""
    objects = read_parquet(run / "objects.parquet")
    kind = main_kind([str(each) for each in pd.unique(objects["kind"])])
    return objects[objects["kind"] == kind].reset_index(drop=True), kind


def _resampled(samples: Samples, side_px: int) -> Samples:
    factor = side_px / samples.images.shape[-1]
    masks = samples.masks
    if masks is not None:
        masks = rescale(masks[:, None], [MASK_CHANNEL], factor)[:, 0] > 0
    return replace(samples, images=rescale(samples.images, samples.channels, factor), masks=masks)


def _with_classes(
    run: Path, table: pd.DataFrame, column: str
) -> tuple[pd.DataFrame, str, list[str]]:
    """The table with the class of each cell in a text column, the column, and notes."""
    if not column and (run / LABELS).is_file():
        told = pd.read_csv(run / LABELS, dtype=str, keep_default_na=False)
        for name in ("object_id", "state"):
            if name not in told:
                raise InputError(run / LABELS, f"has no column {name!r}.", "See: lucyte label RUN")
        known = dict(zip(told["object_id"], told["state"], strict=True))
        named = table.assign(label_state=[known.get(name, "") for name in table["object_id"]])
        met = int((named["label_state"] != "").sum())
        return named, "label_state", [f"Classes are those of {run / LABELS}: {met:,} cells."]
    target = column or "condition"
    if target not in table:
        texts = [name for name in table.columns if table[name].dtype == object]
        raise unknown("column", target, texts, "Set --label-column.")
    return table.assign(**{target: text_column(table, target)}), target, []


def cut_through(table: pd.DataFrame, side: int) -> list[str]:
    """What must be said where crops of this side, px, hold only a part of most cells."""
    usual = int(np.median(_longer(table)))
    if side >= usual:
        return []
    return [
        f"Pictures of {side} px cut through most cells: half of them are {usual} px or longer; "
        f"set --side-px {_side(table)} or leave it out."
    ]


def _longer(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The longer side of each box, px."""
    sides = np.maximum(table["x1_px"] - table["x0_px"], table["y1_px"] - table["y0_px"])
    return np.asarray(sides, dtype=np.float64)


def _side(table: pd.DataFrame) -> int:
    return int(np.ceil(ROOM * float(np.median(_longer(table))) / 8) * 8)


def _cut(run: Path, plan: Plan, table: pd.DataFrame, kind: str, side: int, target: str) -> CropSet:
    plate = open_plate(plan.input, run.absolute())
    fields = {each.field_id: each for each in plate.fields}
    parts: list[CropSet] = []
    for (name, time), rows in table.groupby(["field_id", "time_index"], sort=True):
        if name not in fields:
            raise InputError(plan.input.path, f"holds no field {name!r} any more, which {run} has.")
        here = fields[str(name)]
        labels = read_labels_frame(run / "plate.zarr", here, kind, int(str(time)))
        if labels.ndim != 2:
            raise UsageError(
                f"{run}: cells of stacks are not cut out; give stacks with --patch-px."
            )
        pixels = project(_frame(here, int(str(time))), plan)
        found = cut_crops(pixels, labels, rows, side, target=target)
        if len(found):
            parts.append(found)
    if not parts:
        raise UsageError(f"{run}: no cell could be cut out whole at {side} px; set --side-px.")
    return join(parts)


def _frame(here: Field, time: int) -> xr.DataArray:
    image = here.source.open()
    return frame(image, time if "T" in image.dims else time_indices(image)[0])
