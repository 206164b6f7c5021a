"""``lucyte detect``: boxes of the objects in every image, and a picture to check them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.write_table import write_parquet
from lucyte.pipeline.executor import default_workers, run_tasks
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.loose_images import frame_stem, open_loose, own_file, readable_frames
from lucyte.pipeline.object_pictures import frame_picture, write_picture
from lucyte.pipeline.out_folder import refuse_out
from lucyte.pipeline.progress import step
from lucyte.report.contact_sheet import Panel, contact_sheet
from lucyte.schema.errors import InputError
from lucyte.schema.objects import BOX
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field
from lucyte.segment.finder import find_with
from lucyte.segment.found import Found
from lucyte.segment.frame import segment_frame

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
    refuse_out(out, Path("detected"))
    given = open_loose(images, wanted, reading)
    fields = given.fields
    tasks = [DetectTask(each, given.plan, k in given.shown) for k, each in enumerate(fields)]
    done_by: dict[str, Detected] = {}
    with step("Detecting", len(tasks), quiet=quiet) as done:
        for result in run_tasks(_detect_field, tasks, workers or default_workers(len(tasks))):
            done_by[result.name] = result
            done()
    results = [done_by[each.field_id] for each in fields]
    damaged = [line for each in results for line in each.problems]
    if len(damaged) == given.frames:
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
        f"{given.frames} images. "
        f"Wrote {out / 'boxes.parquet'} and {out / 'overview.png'}."
    ]
    return "\n".join(lines + [f"  {each}" for each in [*given.problems, *damaged]])


def _detect_field(task: DetectTask) -> Detected:
    here, settings = task.field, task.plan.segment
    each = settings.objects[0]
    finders = open_finders(settings, Path())
    tables, panel = [pd.DataFrame(columns=list(COLUMNS))], None
    problems: list[str] = []
    hint: float | None = None
    for time_index, pixels in readable_frames(here, task.plan, problems):
        if each.method == "network":
            found = find_with(pixels, each, finders, hint)
            hint = hint or (found.diameter_px if np.isfinite(found.diameter_px) else None)
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
    path = own_file(here, time_index)
    return path.name if path is not None else frame_stem(here, time_index)
