"""Cells of a finished run to label: chosen evenly over wells, cut out with their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile

from lucyte.io.atomic import atomic_path
from lucyte.io.merge import choose_limits
from lucyte.io.plates import open_plate
from lucyte.io.write_table import read_parquet
from lucyte.io.write_zarr import read_labels_frame
from lucyte.learn.splits import even_sample
from lucyte.measure.frame import NAMELESS
from lucyte.pipeline.label_folder import Item
from lucyte.pipeline.progress import step
from lucyte.pipeline.sample import main_kind
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import channel_names, frame, time_indices
from lucyte.schema.objects import BOX
from lucyte.schema.plan import load_plan
from lucyte.schema.plate import Field

SAMPLED = 300
"""Cells that are labelled where nobody said how many."""
CONTEXT = 3.0
"""Side of a crop in typical cell sides: the cell with its neighbours."""
SIDE_PX = (48, 384)
LEVELS = ("plate", "batch", "day", "well", "site", "time_index")


@dataclass(frozen=True)
class Cells:
    """What a first start prepared.

    Attributes
    ----------
    items : tuple of Item
    limits : dict of channel to (black, white)
    unit : str
    classes : tuple of str
        The run's own states; empty where it has none.
    pixel_size_um : float or None
    notes : tuple of str
        What a person must know, a sentence each.
    """

    items: tuple[Item, ...]
    limits: dict[str, tuple[float, float]]
    unit: str
    classes: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()


def is_run(path: Path) -> bool:
    """Does a folder look like one that ``lucyte run`` wrote?"""
    return (path / "objects.parquet").is_file() or (
        (path / "plan.toml").is_file() and (path / "stages").is_dir()
    )


def run_objects(run: Path) -> pd.DataFrame:
    """The objects that stand for the cells of a run.

    Raises
    ------
    UsageError
        The run is not finished.
    InputError
        It found no cell.
    """
    path = run / "objects.parquet"
    if not path.is_file():
        raise UsageError(f"{run}: holds no finished run; finish it with: lucyte run PLAN -o {run}")
    table = read_parquet(path)
    if "kind" not in table or not len(table):
        raise InputError(path, "holds no cells, so there is nothing to label.")
    kind = main_kind([str(each) for each in pd.unique(table["kind"])])
    return table[table["kind"] == kind].reset_index(drop=True)


def run_classes(objects: pd.DataFrame) -> tuple[str, ...]:
    """The states that the run's own model tells apart."""
    names = [str(name).removeprefix("p_") for name in objects if str(name).startswith("p_")]
    return tuple(sorted(names)) if "state" in objects else ()


def choose_cells(objects: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, int]:
    """Cells drawn evenly over wells; a cell that was followed comes once where others are left.

    Parameters
    ----------
    objects : DataFrame
        With ``border`` (the cell's crop would leave the image) and ``group``.
    count, seed : int

    Returns
    -------
    rows of ``objects``, and how many cells lie too near to the border
    """
    inside = objects[~objects["border"]]
    rng = np.random.default_rng(seed)
    mixed = inside.iloc[rng.permutation(len(inside))]
    if "track_id" in mixed:
        followed = mixed["field_id"].astype(str) + "/" + mixed["track_id"].astype(str)
        first = ~followed.duplicated() | mixed["track_id"].isna()
    else:
        first = pd.Series(True, index=mixed.index)
    once, again = mixed[first], mixed[~first]
    chosen = once.iloc[even_sample(once["group"].tolist(), count, seed)]
    left = count - len(chosen)
    if left > 0 and len(again):
        more = again.iloc[even_sample(again["group"].tolist(), left, seed)]
        chosen = pd.concat([chosen, more])
    return chosen, int(objects["border"].sum())


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
            run, f"holds {len(objects)} cells, but none of their images is there any more.",
            "Put the images back where the run read them.",
        )  # fmt: skip
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
    names = {name: f"{at:04d}" for at, name in enumerate(chosen["object_id"], start=1)}
    notes: list[str] = []
    done: dict[str, bool] = {}
    looked: list[npt.NDArray[Any]] = []
    channels: tuple[str, ...] = ()
    with atomic_path(into / "crops") as folder:
        folder.mkdir()
        frames = list(chosen.groupby(["field_id", "time_index"], sort=True))
        with step("Cutting cells out", len(frames), quiet=quiet) as told:
            for (field_id, time_index), rows in frames:
                try:
                    pixels, found = _pixels(fields[str(field_id)], int(time_index))
                    channels = channels or found
                    _alike(fields[str(field_id)], found, channels)
                except InputError as error:
                    notes.append(f"{error} Its {len(rows)} cells are left out.")
                    continue
                labels = _labels(run, fields[str(field_id)], rows, pixels.shape[1:])
                for row in rows.to_dict("records"):
                    y, x = _corner(row, px)
                    crop = pixels[:, y : y + px, x : x + px]
                    stem = names[str(row["object_id"])]
                    _write(folder / f"{stem}.tif", crop, channels, fields[str(field_id)])
                    if labels is not None:
                        own = labels[:, y : y + px, x : x + px] == row["label"]
                        _write_mask(folder / f"{stem}_mask.tif", own.any(axis=0))
                    done[str(row["object_id"])] = labels is not None
                    looked.append(np.nan_to_num(crop))
                told()
        if not done:
            raise InputError(run, "none of its images can be read:", notes[0])
    whole = np.concatenate([each.reshape(len(channels), -1) for each in looked[:300]], axis=1)
    size = {each.pixel_size_um for each in fields.values()}
    short = len(done) < count
    notes += [f"{len(done)} cells, all that there are, were taken."] if short else []
    notes += [f"{near} cells nearer than {px // 2} px to the border are never shown."] * bool(near)
    masked = all(done.values())
    return Cells(
        items=tuple(
            _item(row, names[str(row["object_id"])], masked)
            for row in chosen.to_dict("records")
            if str(row["object_id"]) in done
        ),
        limits=choose_limits(whole[:, None], channels),
        unit=unit,
        classes=run_classes(objects),
        pixel_size_um=size.pop() if len(size) == 1 else None,
        notes=tuple(notes),
    )


def gone(run: Path, items: Sequence[Item]) -> int:
    """How many labelled cells are not in the run any more as they were: it was done again."""
    objects = run_objects(run)
    boxes = dict(zip(objects["object_id"], objects[list(BOX)].itertuples(index=False), strict=True))
    return sum(tuple(boxes.get(each.object_id, ())) != each.box for each in items)


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
    for row in objects[["field_id", *BOX]].to_dict("records"):
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
    run: Path, here: Field, rows: pd.DataFrame, shape: tuple[int, ...]
) -> npt.NDArray[Any] | None:
    """The label image ``Z Y X`` the cells were found as; None where they are boxes only."""
    first = rows.iloc[0]
    try:
        labels = read_labels_frame(
            run / "plate.zarr", here, str(first["kind"]), int(first["time_index"])
        )
    except (InputError, UsageError):
        return None
    stack = labels if labels.ndim == 3 else labels[None]
    return stack if stack.shape[1:] == shape else None


def _alike(here: Field, found: tuple[str, ...], channels: tuple[str, ...]) -> None:
    if found != channels:
        raise InputError(
            here.field_id, f"has channels {', '.join(found)} where others have "
            f"{', '.join(channels)}."
        )  # fmt: skip


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
