"""``lucyte segment``: a label image per frame, a table of objects, a picture to check them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.atomic import atomic_path
from lucyte.io.write_table import write_parquet
from lucyte.measure.frame import measure_frame
from lucyte.measure.volume import measure_volume
from lucyte.pipeline.executor import default_workers, run_tasks
from lucyte.pipeline.field_stage import identify, with_scores
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.loose_images import frame_stem, open_loose, readable_frames
from lucyte.pipeline.object_pictures import frame_picture, write_picture
from lucyte.pipeline.out_folder import refuse_out
from lucyte.pipeline.progress import step
from lucyte.pipeline.sample import main_kind
from lucyte.pipeline.words import counted
from lucyte.report.contact_sheet import Panel, contact_sheet
from lucyte.schema.errors import InputError
from lucyte.schema.objects import Labels
from lucyte.schema.plan import (
    Plan,
)
from lucyte.schema.plate import Field
from lucyte.segment.frame import segment_frame


@dataclass(frozen=True)
class SegmentTask:
    """One field to segment on its own."""

    field: Field
    plan: Plan
    out: Path
    picture: bool


def segment_images(
    images: Path,
    out: Path,
    wanted: dict[str, Any],
    reading: Mapping[str, Any],
    *,
    workers: int | None,
    quiet: bool,
) -> str:
    """Write a label image per frame and one table; damaged frames are named and left out.

    Parameters
    ----------
    images, out : Path
    wanted : dict
        ``kind`` (empty: from the channel names), ``channels``, ``diameter_px``; with a model
        ``model``, ``confidence``, ``engine``, ``device``.
    reading : mapping
        Further keys of ``[input]``.
    """
    refuse_out(out, Path("segmented"))
    given = open_loose(images, wanted, reading, stacks=True)
    (out / "labels").mkdir(parents=True, exist_ok=True)
    tasks = [
        SegmentTask(each, given.plan, out, k in given.shown) for k, each in enumerate(given.fields)
    ]
    tables: dict[str, pd.DataFrame] = {}
    panels: dict[str, Panel | None] = {}
    problems = list(given.problems)
    damaged = 0
    with step("Segmenting", len(tasks), quiet=quiet) as done:
        for name, table, bad, panel in run_tasks(
            _segment_field, tasks, workers or default_workers(len(tasks))
        ):
            tables[name] = table
            panels[name] = panel
            problems += bad
            damaged += len(bad)
            done()
    parts = [tables[each.field_id] for each in given.fields if len(tables[each.field_id])]
    if damaged == given.frames:
        raise InputError(images, "no frame could be read.", problems[-1])
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_parquet(whole, out / "objects.parquet")
    kinds = sorted(set(whole["kind"])) if len(whole) else []
    counts = [counted(int((whole["kind"] == kind).sum()), kind) for kind in kinds]
    found = ", ".join(counts) or "nothing"
    drawn = [each for name in tables if (each := panels[name]) is not None]
    if drawn:
        write_picture(out / "overview.png", contact_sheet(drawn))
    lines = [
        f"Found {found}. Wrote {out / 'labels'}, {out / 'objects.parquet'} and "
        f"{out / 'overview.png'}."
    ]
    if all(each.method == "threshold" for each in given.plan.segment.objects):
        lines.append("  By thresholds. Nuclei of one stain are found better with --model nuclei.")
    return "\n".join(lines + [f"  {each}" for each in problems])


def _segment_field(task: SegmentTask) -> tuple[str, pd.DataFrame, list[str], Panel | None]:
    here, tables = task.field, []
    problems: list[str] = []
    hints: dict[str, float] = {}
    panel: Panel | None = None
    main = main_kind([each.kind for each in task.plan.segment.objects])
    for time_index, pixels in readable_frames(here, task.plan, problems):
        finders = open_finders(task.plan.segment, Path())
        found = segment_frame(pixels, task.plan.segment, here.pixel_size_um, finders, hints)
        hints = {**found.diameters_px, **hints}
        if "Z" in pixels.dims:
            table = measure_volume(pixels, found, here.pixel_size_um)
        else:
            table = measure_frame(pixels, found, task.plan.measure, here.pixel_size_um)
        tables.append(with_scores(identify(table, here, time_index), found))
        for kind, labels in found.labels.items():
            suffix = "" if kind == main else f"_{kind.replace(':', '_')}"
            stem = frame_stem(here, time_index) + suffix
            write_label_image(task.out / "labels" / f"{stem}.tif", labels)
        if task.picture and panel is None and pixels.ndim - ("C" in pixels.dims) == 2:
            labels = found.labels[main]
            title = f"{frame_stem(here, time_index)[:40]}: {len(np.unique(labels[labels > 0]))}"
            panel = Panel(title, frame_picture(pixels), labels=labels)
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return here.field_id, whole, problems, panel


def write_label_image(path: Path, labels: Labels) -> None:
    """One label image as a compressed TIFF, 16 bit where that is enough."""
    import tifffile

    small = labels.astype(np.uint16) if labels.max(initial=0) < 2**16 else labels
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, small, compression="zlib", metadata=None, software="lucyte")
