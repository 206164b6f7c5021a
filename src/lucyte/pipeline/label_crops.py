"""Cutting the chosen cells of a run out with their neighbours, for the page and for training."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile

from lucyte.io.atomic import atomic_path
from lucyte.io.plates import open_plate
from lucyte.io.write_zarr import read_labels_frame
from lucyte.measure.frame import NAMELESS
from lucyte.pipeline.label_folder import Item
from lucyte.pipeline.label_sample import (
    Cells,
    choose_cells,
    common_limits,
    run_classes,
    run_objects,
)
from lucyte.pipeline.progress import step
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import channel_names, frame, time_indices
from lucyte.schema.objects import BOX
from lucyte.schema.plan import load_plan
from lucyte.schema.plate import Field

CONTEXT = 2.5
"""Side of a crop in typical cell sides: the cell with its neighbours."""
SIDE_PX = (48, 384)
ALL = sys.maxsize
"""A count that means every cell."""
LEVELS = ("plate", "batch", "day", "well", "site", "time_index")


def cut_cells(run: Path, into: Path, count: int, seed: int, *, quiet: bool = False) -> Cells:
    """Choose cells of a run and write each as ``crops/NNNN.tif`` with its mask.

    Parameters
    ----------
    run : Path
    into : Path
        The labels folder.
    count : int
    seed : int
    quiet : bool

    Raises
    ------
    InputError, UsageError
        No finished run, no cells, images that are not there any more.
    """
    objects = run_objects(run)
    plan = load_plan(run / "plan.toml")
    fields = {each.field_id: each for each in open_plate(plan.input, run).fields}
    known = objects[objects["field_id"].isin(list(fields))]
    if not len(known):
        raise InputError(
            run,
            f"holds {len(objects)} cells, but none of their images is there any more.",
            "Put the images back where the run read them.",
        )
    px = _side(known, list(fields.values()))
    group, unit = _groups(known)
    placed = known.assign(group=group, border=_border(known, fields, px))
    chosen, near = choose_cells(placed, count, seed)
    if not len(chosen):
        raise InputError(
            run, f"all {len(known)} cells lie within {px // 2} px of the border.", "Nothing to cut."
        )
    # Names of files follow a second shuffle, so that a folder's listing tells no order of wells.
    chosen = chosen.iloc[np.random.default_rng(seed + 1).permutation(len(chosen))]
    cutter = _Cutter(run, fields, px)
    with atomic_path(into / "crops") as folder:
        folder.mkdir()
        cutter.cut(chosen, folder, quiet=quiet)
    done, notes = cutter.masked, cutter.notes
    size = {each.pixel_size_um for each in fields.values()}
    lost = len(objects) - len(known)
    notes += [f"{lost} cells are left out: their images cannot be read."] * bool(lost)
    notes += [f"{len(done)} cells, all that there are, were taken."] * (len(done) < count < ALL)
    notes += [f"{near} cells nearer than {px // 2} px to the border are never shown."] * bool(near)
    rows = [row for row in _records(chosen) if row["object_id"] in done]
    return Cells(
        items=tuple(_item(row, cutter.names[row["object_id"]], all(done.values())) for row in rows),
        limits=common_limits(cutter.looked, cutter.channels),
        unit=unit,
        classes=run_classes(objects),
        pixel_size_um=size.pop() if len(size) == 1 else None,
        notes=tuple(notes),
    )


@dataclass
class _Cutter:
    """Cuts frame by frame, so that each is read once.

    Attributes
    ----------
    names : dict of object_id to stem of its file
    masked : dict of object_id to whether it has a mask; those that were cut
    looked : list of crops C Y X
    channels : tuple of str
    notes : list of str
    """

    run: Path
    fields: dict[str, Field]
    px: int
    names: dict[str, str] = field(default_factory=dict)
    masked: dict[str, bool] = field(default_factory=dict)
    looked: list[npt.NDArray[Any]] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def cut(self, chosen: pd.DataFrame, folder: Path, *, quiet: bool) -> None:
        """Write all crops and masks.

        Raises
        ------
        InputError
            No image could be read.
        """
        self.names = {name: f"{at:04d}" for at, name in enumerate(chosen["object_id"], start=1)}
        frames = list(_frames(chosen))
        with step("Cutting cells out", len(frames), quiet=quiet) as told:
            for rows in frames:
                try:
                    self._cut_frame(rows, folder)
                except InputError as error:
                    self.notes.append(f"{error} Its {len(rows)} cells are left out.")
                told()
        if not self.masked:
            raise InputError(self.run, "none of its images can be read:", self.notes[0])

    def _cut_frame(self, rows: list[dict[str, Any]], folder: Path) -> None:
        here = self.fields[str(rows[0]["field_id"])]
        pixels, found = _pixels(here, int(rows[0]["time_index"]))
        self.channels = self.channels or found
        if found != self.channels:
            have, others = ", ".join(found), ", ".join(self.channels)
            raise InputError(here.field_id, f"has channels {have} where others have {others}.")
        labels = _labels(self.run, here, rows[0], pixels.shape[1:])
        for row in rows:
            y, x = _corner(row, self.px)
            crop = pixels[:, y : y + self.px, x : x + self.px]
            stem = self.names[row["object_id"]]
            _write(folder / f"{stem}.tif", crop, found, here)
            if labels is not None:
                own = labels[:, y : y + self.px, x : x + self.px] == row["label"]
                _write_mask(folder / f"{stem}_mask.tif", own.any(axis=0))
            self.masked[row["object_id"]] = labels is not None
            self.looked.append(np.nan_to_num(crop))


def _frames(chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """Rows of each frame."""
    frames: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in _records(chosen):
        frames.setdefault((str(row["field_id"]), int(row["time_index"])), []).append(row)
    yield from (frames[each] for each in sorted(frames))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _side(objects: pd.DataFrame, fields: Sequence[Field]) -> int:
    high, wide = objects["y1_px"] - objects["y0_px"], objects["x1_px"] - objects["x0_px"]
    typical = float(np.median(np.maximum(high, wide)))
    side = int(np.clip(8 * round(CONTEXT * typical / 8), *SIDE_PX))
    return min(side, *(min(each.shape_yx) for each in fields))


def _groups(objects: pd.DataFrame) -> tuple[list[str], str]:
    """``plate/well`` where every cell has a well, else the field."""
    well = objects["well"].astype(object).fillna("").astype(str)
    if (well == "").any():
        return objects["field_id"].astype(str).tolist(), "field"
    plate = objects["plate"].astype(object).fillna("").astype(str)
    return [f"{p}/{w}" if p else w for p, w in zip(plate, well, strict=True)], "well"


def _corner(row: dict[str, Any], px: int) -> tuple[int, int]:
    y = int(np.floor((row["y0_px"] + row["y1_px"] - px) / 2 + 0.5))
    x = int(np.floor((row["x0_px"] + row["x1_px"] - px) / 2 + 0.5))
    return y, x


def _border(objects: pd.DataFrame, fields: dict[str, Field], px: int) -> list[bool]:
    out = []
    for row in _records(objects[["field_id", *BOX]]):
        height, width = fields[str(row["field_id"])].shape_yx
        y, x = _corner(row, px)
        out.append(y < 0 or x < 0 or y + px > height or x + px > width)
    return out


def _pixels(here: Field, time_index: int) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """One frame, ``C Y X``; the maximum of a stack."""
    image = here.source.open()
    pixels = frame(image, time_index if "T" in image.dims else time_indices(image)[0])
    flat = pixels.max("Z") if "Z" in pixels.dims else pixels
    values = np.asarray(flat.values)
    return (values, channel_names(flat)) if values.ndim == 3 else (values[None], (NAMELESS,))


def _labels(
    run: Path, here: Field, first: dict[str, Any], shape: tuple[int, ...]
) -> npt.NDArray[Any] | None:
    """The label image ``Z Y X`` the cells were found as; None where they are boxes only."""
    try:
        labels = read_labels_frame(
            run / "plate.zarr", here, str(first["kind"]), int(first["time_index"])
        )
    except (InputError, UsageError):
        return None
    stack = labels if labels.ndim == 3 else labels[None]
    return stack if stack.shape[1:] == shape else None


def _item(row: dict[str, Any], stem: str, masked: bool) -> Item:
    levels = {name: _text(row[name]) for name in LEVELS if name in row}
    return Item(
        str(row["object_id"]),
        f"crops/{stem}.tif",
        f"crops/{stem}_mask.tif" if masked else "",
        str(row["group"]),
        {name: value for name, value in levels.items() if value},
        tuple(int(row[name]) for name in BOX),
    )


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def _write(path: Path, crop: npt.NDArray[Any], channels: Sequence[str], here: Field) -> None:
    size = here.pixel_size_um
    known = {} if size is None else {"PhysicalSizeX": size, "PhysicalSizeXUnit": "µm",
                                     "PhysicalSizeY": size, "PhysicalSizeYUnit": "µm"}  # fmt: skip
    metadata = {"axes": "CYX", "Channel": {"Name": list(channels)}, **known}
    with path.open("wb") as handle:
        tifffile.imwrite(handle, crop, ome=True, photometric="minisblack", metadata=metadata)


def _write_mask(path: Path, mask: npt.NDArray[np.bool_]) -> None:
    tifffile.imwrite(path, mask.astype(np.uint8), compression="zlib", metadata=None)
