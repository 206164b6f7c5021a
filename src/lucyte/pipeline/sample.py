"""The bounded sample of cells and cell-free patches that evidence and pictures are made from."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from lucyte.classify.units import independent_units, text_column
from lucyte.io.atomic import write_bytes
from lucyte.measure.crops import background_patches, cut_crops
from lucyte.schema.crops import CropSet, join
from lucyte.schema.objects import FrameObjects
from lucyte.schema.plate import Field

if TYPE_CHECKING:
    from lucyte.pipeline.context import Context

MAX_BYTES = 80 * 2**20
"""What the crops of a whole run may take in memory."""


def crops_per_field(wanted: int, fields: int, crop_px: int, channels: int) -> int:
    """How many cells to sample per field so that the run's sample stays within ``MAX_BYTES``."""
    bytes_each = 2 * crop_px * crop_px * (2 * max(channels, 1) + 2)
    affordable = min(wanted, MAX_BYTES // max(bytes_each, 1))
    return max(2, affordable // max(fields, 1))


def place_px(crop_px: int) -> int:
    """Side of a cell-free place: smaller than a crop, so that crowded fields have some."""
    return max(16, crop_px // 3)


def main_kind(kinds: list[str]) -> str:
    """The kind that stands for the cell: cell where there is one, then nucleus, then the first."""
    for kind in ("cell", "nucleus"):
        if kind in kinds:
            return kind
    return kinds[0] if kinds else "cell"


class CropWriter:
    """Collects an even, seeded sample over the frames of one field.

    Parameters
    ----------
    count : int
        Cells to keep over all frames of the field, and as many cell-free places of two sizes.
    px : int
        Side of a crop; 0 keeps none.
    seed : int
    here : Field
    """

    def __init__(self, count: int, px: int, seed: int, here: Field) -> None:
        self._per_frame = -(-count // max(len(here.time_indices), 1)) if px else 0
        self._px = px
        self._rng = np.random.default_rng(seed)
        self._here = here
        self._cells: list[CropSet] = []
        self._places: list[CropSet] = []

    def add(
        self, pixels: xr.DataArray, found: FrameObjects, table: pd.DataFrame, time_index: int
    ) -> None:
        """Sample cells and cell-free patches of one frame."""
        kind = main_kind(list(found.labels))
        labels = found.labels.get(kind)
        if not self._per_frame or labels is None or labels.ndim != 2:
            return
        foreground = np.zeros(labels.shape, np.bool_)
        for each in found.labels.values():
            foreground |= each > 0
        rows = table[table["kind"] == kind]
        shuffled = rows.iloc[self._rng.permutation(len(rows))]
        cells = cut_crops(
            pixels, labels, shuffled, self._px, limit=self._per_frame, foreground=foreground
        )
        self._cells.append(cells)
        for px, kept in ((self._px, self._cells), (place_px(self._px), self._places)):
            seed = int(self._rng.integers(2**31))
            places = background_patches(pixels, foreground, px, self._per_frame, seed)
            kept.append(self._placed(places, time_index))

    def _placed(self, places: CropSet, time_index: int) -> CropSet:
        """Cell-free patches with the identity of their field and frame."""
        here, count = self._here, len(places)
        stem = f"{here.field_id}/t{time_index:03d}/"
        return replace(
            places,
            object_ids=tuple(stem + name for name in places.object_ids),
            labels=(here.condition,) * count,
            groups=(f"{here.plate}/{here.well}",) * count,
            field_ids=(here.field_id,) * count,
            time_index=np.full(count, time_index, np.int64),
        )

    def write(self, cells: Path, places: Path) -> None:
        """Keep the sample beside the field's tables (plain arrays, nothing to unpickle)."""
        for path, sets in ((cells, self._cells), (places, self._places)):
            filled = [each for each in sets if len(each)]
            arrays: dict[str, Any] = {}
            if filled:
                whole = join(filled)
                arrays = {
                    each.name: np.asarray(getattr(whole, each.name)) for each in fields(whole)
                }
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **arrays)
            write_bytes(path, buffer.getvalue())


def read_crops(path: Path) -> CropSet | None:
    """Read one field's sample; None where nothing was cut out."""
    with np.load(path, allow_pickle=False) as stored:
        if not stored.files:
            return None
        values: dict[str, Any] = {name: stored[name] for name in stored.files}
    for name in ("channels", "object_ids", "labels", "groups", "kind", "field_ids"):
        values[name] = tuple(str(each) for each in values[name])
    values["unit"] = str(values["unit"])
    return CropSet(**values)


def read_sample(context: Context, target: str, group: str, part: str = "crops") -> CropSet | None:
    """The sample of the whole run, with the learned classes and independent units.

    Parameters
    ----------
    context : Context
    target : str
        Column of the plate map that was learned, or ``condition``.
    group : str
        The independent unit, as ``States.group`` names it; empty where none is known.
    part : str
        ``crops`` (cells, and cell-free places of the same size) or ``places`` (small cell-free
        places).

    Returns
    -------
    CropSet or None
        None where no cell could be cut out whole. Crops whose class is unknown are left out when
        any is known.
    """
    table = context.plate.table().set_index("field_id", drop=False)
    table = table.loc[[each.field_id for each in context.fields]]
    labels = text_column(table, target) if target in table else np.full(len(table), "")
    units = independent_units(table, target, group).values if group else table["field_id"]
    parts = []
    for here, label, unit in zip(context.fields, labels, units, strict=True):
        found = read_crops(context.folder.part("field", here.field_id, f".{part}.npz"))
        if found is not None:
            same = len(found)
            mine, unit_name = (str(label),) * same, group or "field"
            parts.append(replace(found, labels=mine, groups=(str(unit),) * same, unit=unit_name))
    if not parts:
        return None
    whole = join(parts)
    known = np.array([bool(label) for label in whole.labels])
    return whole.take(known) if known.any() and not known.all() else whole
