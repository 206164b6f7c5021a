"""``lucyte detect``: boxes of the objects in every image, and a picture to check them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.plates import open_plate
from lucyte.io.write_table import write_parquet
from lucyte.pipeline.correction import project
from lucyte.pipeline.executor import default_workers, run_tasks
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.object_pictures import frame_picture, write_picture
from lucyte.pipeline.pilot import check_channels
from lucyte.pipeline.progress import step
from lucyte.pipeline.single import objects_wanted
from lucyte.pipeline.starter import read_settings
from lucyte.report.contact_sheet import Panel, contact_sheet
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import frame, time_indices
from lucyte.schema.objects import BOX
from lucyte.schema.plan import Plan, SegmentSettings
from lucyte.schema.plate import Field
from lucyte.segment.finder import find_with
from lucyte.segment.found import Found
from lucyte.segment.frame import segment_frame

SHOWN = 12
"""Images on the contact sheet."""
SHOWN_SCORE = 0.3
COLUMNS = ("image", "field_id", "time_index", *BOX, "score")


@dataclass(frozen=True)
class DetectTask:
    """One field to find boxes in."""

    field: Field
    plan: Plan
    picture: bool


@dataclass(frozen=True)
class Detected:
    """What came of one field."""

    name: str
    table: pd.DataFrame
    problems: tuple[str, ...]
    panel: Panel | None


def detect_images(
    images: Path,
    out: Path,
    wanted: dict[str, Any],
    reading: Mapping[str, Any],
    *,
    workers: int | None,
    quiet: bool,
) -> str:
    """Write ``boxes.parquet`` and ``overview.png``; damaged frames are named and left out.

    Parameters
    ----------
    images, out : Path
    wanted : dict
        ``model`` (empty: classical), ``kind``, ``channels``, ``diameter_px``, ``confidence``,
        ``engine``, ``device``.
    reading : mapping
        Further keys of ``[input]``.
    """
    settings = read_settings({**reading, "path": str(images.absolute())})
    plate = open_plate(settings, Path.cwd())
    if not plate.fields:
        raise InputError(images, "holds no image that Lucyte can read.", "See: lucyte info PATH")
    objects = objects_wanted(plate.fields[0], plate.layout, wanted)[:1]
    if not objects:
        raise UsageError(
            f"{images}: channels {', '.join(plate.fields[0].channels)} say nothing of where to "
            "look. Name a model with --model, or a channel with --channel."
        )
    chosen = {key: wanted[key] for key in ("engine", "device", "tta") if wanted.get(key)}
    plan = Plan(input=settings, segment=SegmentSettings(objects=objects, **chosen))
    check_channels(plan, plate.fields)
    open_finders(plan.segment, Path())
    shown = set(np.unique(np.linspace(0, len(plate.fields) - 1, SHOWN).astype(int)).tolist())
    tasks = [DetectTask(each, plan, k in shown) for k, each in enumerate(plate.fields)]
    done_by: dict[str, Detected] = {}
    with step("Detecting", len(tasks), quiet=quiet) as done:
        for result in run_tasks(_detect_field, tasks, workers or default_workers(len(tasks))):
            done_by[result.name] = result
            done()
    results = [done_by[each.field_id] for each in plate.fields]
    problems = [f"{each.where}: {each.message}" for each in plate.problems]
    damaged = [line for each in results for line in each.problems]
    if len(damaged) == sum(len(each.time_indices) for each in plate.fields):
        raise InputError(images, "no frame could be read.", damaged[-1])
    table = pd.concat([each.table for each in results], ignore_index=True)
    out.mkdir(parents=True, exist_ok=True)
    write_parquet(table, out / "boxes.parquet")
    panels = [each.panel for each in results if each.panel is not None]
    if panels:
        write_picture(out / "overview.png", contact_sheet(panels))
    images_read = table["image"].nunique() if len(table) else 0
    lines = [
        f"Found {len(table):,} boxes in {images_read} of "
        f"{sum(len(each.time_indices) for each in plate.fields)} images. "
        f"Wrote {out / 'boxes.parquet'} and {out / 'overview.png'}."
    ]
    return "\n".join(lines + [f"  {each}" for each in [*problems, *damaged]])


def _detect_field(task: DetectTask) -> Detected:
    here, settings = task.field, task.plan.segment
    each = settings.objects[0]
    finders = open_finders(settings, Path())
    tables, problems, panel = [pd.DataFrame(columns=list(COLUMNS))], [], None
    for time_index in here.time_indices:
        try:
            image = here.source.open()
            time = time_index if "T" in image.dims else time_indices(image)[0]
            pixels = project(frame(image, time), task.plan)
        except InputError as error:
            problems.append(f"{error} Left out.")
            continue
        if each.method == "network":
            found = find_with(pixels, each, finders)
        else:
            found = _classical(segment_frame(pixels, settings).labels[each.kind])
        table = pd.DataFrame(found.boxes, columns=list(BOX))
        table.insert(0, "image", _image_name(here, time_index))
        table.insert(1, "field_id", here.field_id)
        table.insert(2, "time_index", time_index)
        table["score"] = found.scores
        if found.classes:
            table["class"] = list(found.classes)
        tables.append(table)
        if task.picture and panel is None:
            sure = found.boxes[~(found.scores < SHOWN_SCORE)]
            title = f"{_image_name(here, time_index)[:40]}: {len(sure)}"
            panel = Panel(title, frame_picture(pixels), boxes=sure)
    parts = [each for each in tables if len(each)] or tables[:1]
    return Detected(here.field_id, pd.concat(parts, ignore_index=True), tuple(problems), panel)


def _classical(labels: npt.NDArray[np.int32]) -> Found:
    """Boxes of a label image; a threshold gives no score."""
    from lucyte.io.annotated_paint import boxes_of

    boxes = boxes_of(labels)
    return Found(labels, boxes, np.full(len(boxes), np.nan, np.float32))


def _image_name(here: Field, time_index: int) -> str:
    """The file's own name where one file is one frame, else field and frame."""
    own = here.source.paths_at(time_index)
    if len(own) == 1 and len(here.source.paths) == len(here.time_indices):
        return Path(own[0]).name
    return here.field_id if len(here.time_indices) == 1 else f"{here.field_id}_t{time_index:03d}"
