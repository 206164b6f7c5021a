"""Field scope: one field's frames, corrected, segmented, measured, sampled. Runs in a worker."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lucyte.correct.frame import CorrectionFit, correct_frame
from lucyte.correct.quality import field_quality
from lucyte.io.open import read_labels
from lucyte.io.write_table import write_parquet
from lucyte.io.write_zarr import clear_field, write_image, write_labels
from lucyte.measure.frame import measure_frame
from lucyte.pipeline.correction import project
from lucyte.pipeline.finders import model_digests, open_finders
from lucyte.pipeline.fingerprint import fingerprint, hash_inputs, stat_inputs
from lucyte.pipeline.folder import RunFolder
from lucyte.pipeline.sample import CropWriter
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import frame, time_indices
from lucyte.schema.objects import BOX, OBJECT_IDENTITY, FrameObjects, check_labels, object_id
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field
from lucyte.segment.frame import segment_frame

MARKER = 2
"""Form of what a field's marker says; another form makes the field run again."""


@dataclass(frozen=True)
class FieldTask:
    """Everything a worker needs for one field.

    Attributes
    ----------
    field : Field
    plan : Plan
    root : Path
        The run folder.
    crops : int
        Cells to sample from this field for evidence, explanation and pictures.
    crop_px : int
        Side of a sampled crop; 0 samples none.
    fit : CorrectionFit or None
        What was estimated from the whole plate.
    copy_images : bool
        Copy pixels into ``plate.zarr`` instead of referring to the files.
    """

    field: Field
    plan: Plan
    root: Path
    crops: int
    crop_px: int
    fit: CorrectionFit | None = None
    copy_images: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the field's files or any setting that field scope reads changes."""
        plan = self.plan
        return fingerprint(
            MARKER,
            plan.seed,
            plan.input.model_dump(exclude={"path", "plate_map", "truth", "labels"}),
            plan.correct,
            plan.segment,
            plan.measure,
            {"field": self.field.identity, "meta": dict(self.field.meta)},
            {"channels": self.field.channels, "times": self.field.time_indices},
            {"crops": self.crops, "crop_px": self.crop_px, "copy": self.copy_images},
            {"fit": self.fit.fingerprint if self.fit else None},
            dict(model_digests(plan.segment, self.root.resolve())),
            stat_inputs([*self.field.source.paths, *self._label_files()]),
        )

    def _label_files(self) -> list[str]:
        if self.plan.input.labels is None:
            return []
        folder = self.root.resolve() / self.plan.input.labels
        return [str(label_path(folder, self.field, t)) for t in self.field.time_indices]


@dataclass
class FieldTables:
    """What one field yields, before it is written."""

    objects: list[pd.DataFrame] = field(default_factory=list)
    flags: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    corrections: set[str] = field(default_factory=set)
    hints: dict[str, float] = field(default_factory=dict)


def run_field(task: FieldTask) -> dict[str, Any]:
    """Do one field, or return what its marker says if it is done already.

    Returns
    -------
    dict
        ``field_id, objects, frames, seconds, sha256, problems, corrections, resumed``.

    Raises
    ------
    InputError
        A damaged frame, when the plan says ``on_damaged = "stop"``.
    """
    folder = RunFolder(task.root)
    name = task.field.field_id
    done = folder.finished("field", name, task.fingerprint)
    if done is not None:
        return {**done, "resumed": True}
    started = time.perf_counter()
    folder.part("field", name, ".json").unlink(missing_ok=True)
    clear_field(task.root / "plate.zarr", task.field)
    tables = FieldTables()
    sampler = CropWriter(task.crops, task.crop_px, _seed(task.plan.seed, name), task.field)
    read = []
    for time_index, pixels in _frames(task, tables):
        _one_frame(task, time_index, pixels, tables, sampler)
        read.append(time_index)
    objects = pd.concat(tables.objects, ignore_index=True) if tables.objects else pd.DataFrame()
    write_parquet(objects, folder.part("field", name, ".objects.parquet"))
    write_parquet(pd.DataFrame(tables.flags), folder.part("field", name, ".flags.parquet"))
    parts = (folder.part("field", name, f".{part}.npz") for part in ("crops", "places"))
    sampler.write(*parts)
    result = {
        "field_id": name,
        "objects": len(objects),
        "frames": read,
        "seconds": round(time.perf_counter() - started, 3),
        "sha256": hash_inputs(task.field.source.paths),
        "problems": tables.problems,
        "corrections": sorted(tables.corrections),
    }
    folder.finish("field", name, task.fingerprint, result)
    return {**result, "resumed": False}


def _frames(task: FieldTask, tables: FieldTables) -> Iterator[tuple[int, xr.DataArray]]:
    """Frames that can be read; a damaged one is named, flagged and left out."""
    image: xr.DataArray | None = None
    for time_index in task.field.time_indices:
        try:
            if image is None:
                image = task.field.source.open()
            pixels = frame(image, time_index if "T" in image.dims else time_indices(image)[0])
        except InputError as error:
            if task.plan.input.on_damaged == "stop":
                raise
            told = f"{error.problem.rstrip('.;')}. It is left out."
            tables.problems.append({"where": error.path, "kind": "damaged", "message": told})
            tables.flags.append(_flag_row(task.field, time_index, {"flag_damaged": True}))
            continue
        yield time_index, project(pixels, task.plan)


def _one_frame(
    task: FieldTask,
    time_index: int,
    pixels: xr.DataArray,
    tables: FieldTables,
    sampler: CropWriter,
) -> None:
    plan, here = task.plan, task.field
    tables.flags.append(_flag_row(here, time_index, dict(field_quality(pixels))))
    if task.copy_images:
        write_image(task.root / "plate.zarr", here, time_index, pixels)
    corrected, done = correct_frame(pixels, plan.correct, task.fit)
    tables.corrections.update(done)
    found = _find_objects(task, time_index, corrected, tables.hints)
    # The first frame that shows objects tells the later ones how large they are.
    tables.hints = {**found.diameters_px, **tables.hints}
    table = measure_frame(corrected, found, plan.measure, here.pixel_size_um)
    for kind, labels in found.labels.items():
        write_labels(task.root / "plate.zarr", here, kind, time_index, labels)
    named = with_scores(identify(table, here, time_index), found)
    tables.objects.append(named)
    sampler.add(corrected, found, named, time_index)


def _find_objects(
    task: FieldTask, time_index: int, pixels: xr.DataArray, hints: Mapping[str, float]
) -> FrameObjects:
    plan, here, root = task.plan, task.field, task.root.resolve()
    if plan.input.labels is None:
        finders = open_finders(plan.segment, root)
        return segment_frame(pixels, plan.segment, here.pixel_size_um, finders, hints)
    kind = plan.segment.objects[0].kind
    path = label_path(root / plan.input.labels, here, time_index)
    labels = check_labels(read_labels(path), str(path))
    if labels.shape != pixels.shape[-labels.ndim :]:
        raise InputError(
            path,
            f"label image is {labels.shape}, the image {pixels.shape[-labels.ndim :]}.",
            "Give labels made on these images.",
        )
    return FrameObjects({kind: labels})


def label_path(folder: Path, here: Field, time_index: int) -> Path:
    """The label image for one frame: ``FIELD.tif``, ``FIELD_t000.tif``, ``mask000.tif`` ..."""
    own = [Path(path).stem for path in here.source.paths_at(time_index)]
    names = [
        f"{here.field_id}_t{time_index:03d}",
        *(own if len(here.source.paths) > 1 or len(here.time_indices) == 1 else []),
        f"mask{time_index:03d}",
        f"man_seg{time_index:03d}",
        f"man_track{time_index:03d}",
        here.field_id,
    ]
    for name in names:
        for suffix in (".tif", ".tiff", ".png"):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    raise UsageError(
        f"{folder}: no label image for field {here.field_id} frame {time_index}; "
        f"looked for {', '.join(dict.fromkeys(names))} (.tif, .png)."
    )


def identify(table: pd.DataFrame, here: Field, time_index: int) -> pd.DataFrame:
    """Put the identity columns in front of a frame's feature table, in the charter's order."""
    table = table.reset_index(drop=True)
    kinds, labels = table["kind"].astype(str), table["label"].astype("int64")
    parents = table.get("parent_label", pd.Series(0, index=table.index)).fillna(0).astype("int64")
    parent_kind = table.get("parent_kind", pd.Series("cell", index=table.index)).astype(str)
    identity: dict[str, Any] = {
        "object_id": [
            object_id(here.field_id, time_index, kind, label)
            for kind, label in zip(kinds, labels, strict=True)
        ],
        "field_id": here.field_id,
        **here.identity,
        "time_index": np.full(len(table), time_index, dtype=np.int64),
        "kind": kinds,
        "label": labels,
        "parent_id": [
            object_id(here.field_id, time_index, kind, parent) if parent else ""
            for kind, parent in zip(parent_kind, parents, strict=True)
        ],
    }
    features = [c for c in table.columns if c not in OBJECT_IDENTITY and c not in BOX]
    features = [c for c in features if c not in ("parent_label", "parent_kind")]
    out = pd.DataFrame({name: identity[name] for name in OBJECT_IDENTITY}, index=table.index)
    return pd.concat([out, table[[*BOX, *features]]], axis=1)


def with_scores(table: pd.DataFrame, found: FrameObjects) -> pd.DataFrame:
    """Add the score and the uncertainty a model gave each object, where one did."""
    for name, known in (("score", found.scores), ("uncertainty", found.uncertainty)):
        if known:
            values = [
                known[kind][label] if kind in known else np.nan
                for kind, label in zip(table["kind"], table["label"], strict=True)
            ]
            table = table.assign(**{name: np.array(values, np.float64)})
    return table


def _flag_row(here: Field, time_index: int, values: dict[str, Any]) -> dict[str, Any]:
    return {"field_id": here.field_id, **here.identity, "time_index": time_index, **values}


def _seed(seed: int, name: str) -> int:
    return (seed * 1_000_003 + zlib.crc32(name.encode())) % 2**32
