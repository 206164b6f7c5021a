"""``lucyte segment`` and ``lucyte track``: one stage on its own, files in, files out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.atomic import atomic_path
from lucyte.io.open import is_image, read_labels
from lucyte.io.plates import open_plate
from lucyte.io.write_ctc import write_ctc
from lucyte.io.write_geff import write_geff
from lucyte.io.write_table import write_parquet
from lucyte.measure.frame import measure_frame
from lucyte.measure.volume import measure_volume
from lucyte.networks.model_folder import read_folder
from lucyte.networks.shipped import model_path
from lucyte.pipeline.choose_objects import choose_objects
from lucyte.pipeline.correction import project
from lucyte.pipeline.executor import default_workers, run_tasks
from lucyte.pipeline.field_stage import identify, with_scores
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.object_pictures import frame_picture, write_picture
from lucyte.pipeline.pilot import check_channels
from lucyte.pipeline.progress import step
from lucyte.pipeline.sample import main_kind
from lucyte.pipeline.starter import read_settings
from lucyte.report.contact_sheet import Panel, contact_sheet
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import frame, time_indices
from lucyte.schema.objects import FrameObjects, Labels, object_id
from lucyte.schema.plan import (
    MeasureSettings,
    ObjectSettings,
    Plan,
    SegmentSettings,
    TrackSettings,
)
from lucyte.schema.plate import Field
from lucyte.segment.frame import segment_frame
from lucyte.track.link import link

ONLY_MODELS = {"confidence": None, "engine": "auto", "tta": False}
"""Options that say nothing without a model, and what they are when nobody gave them."""
SHOWN = 12
"""Images on the contact sheet."""


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
    settings = read_settings({**reading, "path": str(images.absolute())})
    plate = open_plate(settings, Path.cwd())
    if not plate.fields:
        raise InputError(images, "holds no image that Lucyte can read.", "See: lucyte info PATH")
    objects = objects_wanted(plate.fields[0], plate.layout, wanted)
    chosen = {key: wanted[key] for key in ("engine", "device", "tta") if wanted.get(key)}
    plan = Plan(input=settings, segment=SegmentSettings(objects=objects, **chosen))
    check_channels(plan, plate.fields, stacks=True)
    open_finders(plan.segment, Path())
    (out / "labels").mkdir(parents=True, exist_ok=True)
    shown = set(np.unique(np.linspace(0, len(plate.fields) - 1, SHOWN).astype(int)).tolist())
    tasks = [SegmentTask(each, plan, out, k in shown) for k, each in enumerate(plate.fields)]
    tables: dict[str, pd.DataFrame] = {}
    panels: dict[str, Panel | None] = {}
    problems = [f"{each.where}: {each.message}" for each in plate.problems]
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
    parts = [tables[each.field_id] for each in plate.fields if len(tables[each.field_id])]
    if damaged == sum(len(each.time_indices) for each in plate.fields):
        raise InputError(images, "no frame could be read.", problems[-1])
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_parquet(whole, out / "objects.parquet")
    kinds = sorted(set(whole["kind"])) if len(whole) else []
    found = ", ".join(f"{(whole['kind'] == kind).sum():,} {kind}" for kind in kinds) or "nothing"
    drawn = [each for name in tables if (each := panels[name]) is not None]
    if drawn:
        write_picture(out / "overview.png", contact_sheet(drawn))
    lines = [
        f"Found {found}. Wrote {out / 'labels'}, {out / 'objects.parquet'} and "
        f"{out / 'overview.png'}."
    ]
    return "\n".join(lines + [f"  {each}" for each in problems])


def objects_wanted(first: Field, layout: str, wanted: dict[str, Any]) -> list[ObjectSettings]:
    """What to look for, from a command's options and the channels' names."""
    if wanted.get("model"):
        return [_by_model(wanted)]
    idle = [name for name, none in ONLY_MODELS.items() if wanted.get(name, none) != none]
    if idle:
        raise UsageError(f"--{idle[0]} is of a trained model; name one with --model.")
    chosen = choose_objects(first, layout)
    if wanted["kind"]:
        same = [each for each in chosen if each.kind == wanted["kind"]]
        chosen = same or [ObjectSettings(kind=wanted["kind"], channels=wanted["channels"])]
    changes: dict[str, Any] = {}
    if wanted["channels"]:
        changes["channels"] = wanted["channels"]
    if wanted["diameter_px"]:
        changes["diameter_px"] = wanted["diameter_px"]
    if changes and len(chosen) > 1:
        raise UsageError(
            "--channel and --diameter-px speak of one kind; say which with --kind: "
            + ", ".join(each.kind for each in chosen)
        )
    return [each.model_copy(update=changes) for each in chosen]


def _by_model(wanted: dict[str, Any]) -> ObjectSettings:
    """One kind, found by the model that was named."""
    path = model_path(wanted["model"])
    finds = str(read_folder(path).config.get("finds", "cell")) if path.is_dir() else "cell"
    return ObjectSettings(
        kind=wanted["kind"] or finds,
        method="network",
        model=wanted["model"],
        channels=wanted["channels"],
        diameter_px=wanted["diameter_px"] or "auto",
        confidence=wanted.get("confidence"),
    )


def _segment_field(task: SegmentTask) -> tuple[str, pd.DataFrame, list[str], Panel | None]:
    here, tables, problems = task.field, [], []
    panel: Panel | None = None
    main = main_kind([each.kind for each in task.plan.segment.objects])
    for time_index in here.time_indices:
        try:
            image = here.source.open()
            time = time_index if "T" in image.dims else time_indices(image)[0]
            pixels = frame(image, time)
        except InputError as error:
            problems.append(f"{error} Left out.")
            continue
        pixels = project(pixels, task.plan)
        finders = open_finders(task.plan.segment, Path())
        found = segment_frame(pixels, task.plan.segment, here.pixel_size_um, finders)
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


def frame_stem(here: Field, time_index: int) -> str:
    """The image's own name where one file is one frame, else field and frame."""
    own = here.source.paths_at(time_index)
    if len(own) == 1 and len(here.source.paths) == len(here.time_indices):
        return Path(own[0]).stem
    if len(here.time_indices) == 1:
        return here.field_id
    return f"{here.field_id}_t{time_index:03d}"


def write_label_image(path: Path, labels: Labels) -> None:
    """One label image as a compressed TIFF, 16 bit where that is enough."""
    import tifffile

    small = labels.astype(np.uint16) if labels.max(initial=0) < 2**16 else labels
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, small, compression="zlib", metadata=None, software="lucyte")


def track_labels(labels: Path, out: Path, settings: dict[str, Any], images: Path | None) -> str:
    """Link a folder of label images, one per frame, into lineages.

    Parameters
    ----------
    labels : Path
        Label images whose names end in the frame number.
    out : Path
        ``mask*.tif``, ``res_track.txt``, ``tracks.geff``.
    settings : dict
        Of ``TrackSettings``.
    images : Path or None
        The images, in the same order; adds brightness to what links are judged by.
    """
    frames = numbered_images(labels)
    pictures = numbered_images(images) if images is not None else {}
    missing = sorted(set(frames) - set(pictures)) if images is not None else []
    if missing:
        raise UsageError(f"{images}: no image for frame {missing[0]}, which {labels} has.")

    def read(time_index: int) -> Labels:
        return read_labels(frames[time_index])

    nodes = [_nodes(read(t), t, pictures.get(t)) for t in frames]
    shapes = {read_labels(path).shape for path in list(frames.values())[:1]}
    table = pd.concat(nodes, ignore_index=True)
    tracks = link(table, TrackSettings(**settings), labels=read, shape_yx=next(iter(shapes))[-2:])
    write_ctc(out, tracks, read, sorted(frames))
    here = _field_of(labels, frames, next(iter(shapes))[-2:])
    write_geff(out / "tracks.geff", {here.field_id: tracks}, {here.field_id: here})
    divisions = int((tracks.tracks["fate"] == "divides").sum()) if len(tracks.tracks) else 0
    gaps = _gaps(sorted(frames))
    lines = [
        f"Linked {len(table):,} objects in {len(frames)} frames into {len(tracks.tracks):,} tracks "
        f"with {divisions} divisions. Wrote {out}."
    ]
    if gaps:
        lines.append(f"  Frames missing from {labels}: {', '.join(map(str, gaps))}.")
    return "\n".join(lines)


def numbered_images(folder: Path) -> dict[int, Path]:
    """Images of a folder by the last number in their names, in rising order.

    Raises
    ------
    InputError, UsageError
        No folder, no images, a name without a number, or a number twice.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder of images, one per frame.")
    found: dict[int, Path] = {}
    for path in sorted(each for each in folder.iterdir() if each.is_file() and is_image(each)):
        numbers = re.findall(r"\d+", path.stem)
        if not numbers:
            raise UsageError(f"{path}: its name holds no frame number, e.g. mask000.tif.")
        number = int(numbers[-1])
        if number in found:
            raise UsageError(f"{path}: frame {number} is also {found[number].name}; keep one.")
        found[number] = path
    if not found:
        raise InputError(
            folder, "holds no images.", "Give a folder of label images, one per frame."
        )
    return dict(sorted(found.items()))


def _nodes(labels: Labels, time_index: int, picture: Path | None) -> pd.DataFrame:
    if picture is not None:
        from lucyte.io.open import open_image

        pixels = open_image(picture).compute()
        table = measure_frame(
            pixels,
            FrameObjects({"cell": labels}),
            MeasureSettings(families=["intensity", "shape"]),
            None,
        )
    else:
        table = _geometry(labels)
    names = [object_id("movie", time_index, "cell", int(label)) for label in table["label"]]
    return table.assign(object_id=names, time_index=time_index)


def _geometry(labels: Labels) -> pd.DataFrame:
    from skimage.measure import regionprops_table

    found: dict[str, Any] = regionprops_table(  # type: ignore[no-untyped-call]
        labels, properties=("label", "centroid", "area", "bbox")
    )
    last = labels.ndim
    return pd.DataFrame(
        {
            "label": found["label"],
            "centroid_y_px": found[f"centroid-{last - 2}"],
            "centroid_x_px": found[f"centroid-{last - 1}"],
            "area_px": found["area"],
            "x0_px": found[f"bbox-{last - 1}"],
            "y0_px": found[f"bbox-{last - 2}"],
            "x1_px": found[f"bbox-{2 * last - 1}"],
            "y1_px": found[f"bbox-{2 * last - 2}"],
        }
    )


def _gaps(frames: list[int]) -> list[int]:
    return sorted(set(range(frames[0], frames[-1] + 1)) - set(frames))


class _LabelFiles:
    """Stands for the label images as the source of a field; its pixels are not read."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        return self.paths

    def open(self) -> Any:
        raise UsageError("these are label images, not pictures.")


def _field_of(folder: Path, frames: dict[int, Path], shape_yx: tuple[int, ...]) -> Field:
    paths = tuple(str(path) for path in frames.values())
    return Field(
        plate=folder.name,
        well="",
        site="1",
        source=_LabelFiles(paths),
        channels=(),
        time_indices=tuple(frames),
        shape_yx=(int(shape_yx[0]), int(shape_yx[1])),
    )
