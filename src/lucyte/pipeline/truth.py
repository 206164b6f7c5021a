"""Scores of a run against truth that the user has: masks, boxes or tracks. One row per field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.open import read_labels
from lucyte.io.truth import CtcTruth, read_ctc_truth, read_yolo_boxes
from lucyte.io.write_table import read_parquet
from lucyte.io.write_zarr import read_labels_frame
from lucyte.pipeline.context import Context
from lucyte.pipeline.field_stage import label_path
from lucyte.pipeline.movie_stage import read_tracks
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import BOX, Labels
from lucyte.schema.plate import Field
from lucyte.schema.tracks import Tracks
from lucyte.stats.boxes import box_scores
from lucyte.stats.instances import InstanceCounts, count_instances, scores
from lucyte.stats.tracking import tracking_scores
from lucyte.stats.tracking_graph import ctc_lineage
from lucyte.stats.tracking_match import match_frame

PARTIAL = ("SEG", "recall@0.5", "recall@0.75")
"""Scores that a few outlined cells per frame are enough for."""


@dataclass(frozen=True)
class TruthScores:
    """What came of comparing a run with its truth.

    Attributes
    ----------
    task : str
        ``instance``, ``detection`` or ``tracking``.
    table : DataFrame
        ``field_id`` and one column per score, one row per field that has truth.
    compared : int
        Frames that were compared.
    """

    task: str
    table: pd.DataFrame
    compared: int


def score_against_truth(context: Context, truth: Path, kind: str) -> list[TruthScores]:
    """Compare label images and tracks of a run with a truth folder, whatever form it has.

    Frames that could not be read are named elsewhere and take no part.

    Parameters
    ----------
    context : Context
    truth : Path
        A CTC ``NN_GT`` folder, a folder of YOLO ``.txt`` boxes, or a folder of label images.
    kind : str
        Kind of object the truth is about.

    Raises
    ------
    UsageError
        The folder is none of these, or fits no field.
    """
    if not truth.is_dir():
        raise UsageError(f"input.truth: {truth} is not a folder.")
    truths = _ctc_folders(context.fields, truth)
    if truths:
        return _score_ctc(context, truths, kind)
    if any(truth.glob("*.txt")):
        return [_score_boxes(context, truth, kind)]
    return [_score_labels(context, truth, kind)]


def _ctc_folders(fields: Sequence[Field], truth: Path) -> dict[str, Path]:
    """The CTC truth folder of each field: the folder itself, or one below it named like a field."""

    def is_ctc(path: Path) -> bool:
        return (path / "TRA").is_dir() or (path / "SEG").is_dir()

    if is_ctc(truth):
        if len(fields) != 1:
            raise UsageError(
                f"{truth}: one CTC truth folder fits one sequence, this run has "
                f"{len(fields)}; give a folder of truth folders named like the fields."
            )
        return {fields[0].field_id: truth}
    ids = [each.field_id for each in fields]
    return {name: truth / name for name in ids if is_ctc(truth / name)}


def _score_boxes(context: Context, truth: Path, kind: str) -> TruthScores:
    rows, compared = [], 0
    for here in context.fields:
        objects = read_parquet(context.folder.part("field", here.field_id, ".objects.parquet"))
        height, width = here.shape_yx
        expected, found = [], []
        for time_index in context.frames[here.field_id]:
            boxes = _box_file(truth, here, time_index)
            if boxes is None:
                continue
            expected.append(read_yolo_boxes(boxes, width, height)[list(BOX)].to_numpy(float))
            mine = objects[(objects["kind"] == kind) & (objects["time_index"] == time_index)]
            found.append(mine[list(BOX)].to_numpy(float))
        if expected:
            compared += len(expected)
            rows.append({"field_id": here.field_id, **box_scores(expected, found)})
    _require(rows, truth, "named like the images")
    return TruthScores("detection", pd.DataFrame(rows), compared)


def _box_file(truth: Path, here: Field, time_index: int) -> Path | None:
    """The boxes named like the frame's file, or like it less its channel (``..._w1``)."""
    for path in here.source.paths_at(time_index):
        stem = Path(path).stem
        for name in (stem, stem.rpartition("_")[0]):
            if name and (truth / f"{name}.txt").is_file():
                return truth / f"{name}.txt"
    return None


def _score_labels(context: Context, truth: Path, kind: str) -> TruthScores:
    rows, compared = [], 0
    plate = context.folder / "plate.zarr"
    for here in context.fields:
        counts = InstanceCounts()
        for time_index in context.frames[here.field_id]:
            try:
                path = label_path(truth, here, time_index)
            except UsageError:
                continue
            mine = read_labels_frame(plate, here, kind, time_index)
            counts = counts + count_instances(read_labels(path), mine)
        if counts.images:
            compared += counts.images
            rows.append({"field_id": here.field_id, **scores(counts)})
    _require(rows, truth, "for any field of this plate")
    return TruthScores("instance", pd.DataFrame(rows), compared)


def _score_ctc(context: Context, truths: Mapping[str, Path], kind: str) -> list[TruthScores]:
    """Masks against ``SEG``, lineages against ``TRA``, for every field that has a truth folder."""
    instances, lineages = [], []
    frames = {"instance": 0, "tracking": 0}
    plate = context.folder / "plate.zarr"
    for here in context.fields:
        if here.field_id not in truths:
            continue
        known = read_ctc_truth(truths[here.field_id])
        read = context.frames[here.field_id]

        def mine(time_index: int, here: Field = here) -> Labels:
            return read_labels_frame(plate, here, kind, time_index)

        some, whole = _count_masks(known, read, mine)
        if some.images:
            names = [name for name in scores(some) if name not in PARTIAL]
            full = dict.fromkeys(names, math.nan) | _full(whole)
            instances.append({"field_id": here.field_id, **_partial(some), **full})
            frames["instance"] += some.images
        # a single frame that could be read is no movie and has no tracks
        if context.tracked and len(known.tracks) and len(read) > 1:
            matches = _matches(known, read, mine, read_tracks(context.folder, here.field_id))
            lineages.append({"field_id": here.field_id, **matches})
            frames["tracking"] += len(known.markers)
    found = (("instance", instances), ("tracking", lineages))
    return [TruthScores(task, pd.DataFrame(rows), frames[task]) for task, rows in found if rows]


def _count_masks(
    known: CtcTruth, read: Sequence[int], mine: Callable[[int], Labels]
) -> tuple[InstanceCounts, InstanceCounts]:
    """Counts over all frames that have outlines, and over those in which every cell has one.

    The challenge outlines a few cells in most frames; what it left out is not a false positive.
    """
    some, whole = InstanceCounts(), InstanceCounts()
    for time_index, path in known.masks.items():
        if time_index not in read:
            continue
        truth = read_labels(path)
        counts = count_instances(truth, mine(time_index))
        some = some + counts
        marker = known.markers.get(time_index)
        if marker is None or counts.truth >= len(np.unique(read_labels(marker))) - 1:
            whole = whole + counts
    return some, whole


def _partial(counts: InstanceCounts) -> dict[str, float]:
    """What can be said when only some cells are outlined."""
    return {name: value for name, value in scores(counts).items() if name in PARTIAL}


def _full(counts: InstanceCounts) -> dict[str, float]:
    """Scores that need every cell outlined; nan where no frame has that."""
    return {name: value for name, value in scores(counts).items() if name not in PARTIAL}


def _matches(
    known: CtcTruth, read: Sequence[int], mine: Callable[[int], Labels], tracks: Tracks
) -> dict[str, float]:
    """Tracking scores of one sequence; frames are those that the truth and the run have."""
    times = [t for t in sorted(known.markers) if t in read]
    nodes = tracks.nodes[tracks.nodes["time_index"].isin(times)]
    computed, names = ctc_lineage(replace(tracks, nodes=nodes), times)
    matches = [
        match_frame(read_labels(known.markers[t]), mine(t)).renamed(computed=names[place])
        for place, t in enumerate(times)
    ]
    return dict(tracking_scores(lineage_rows(known, times), computed, matches).values)


def lineage_rows(known: CtcTruth, times: Sequence[int]) -> npt.NDArray[np.int64]:
    """``L B E P`` of what is seen in these frames, which are counted from 0.

    A track begins and ends with what of it is seen; one that is not seen at all is left out, and
    its children have no parent.
    """
    rows = np.array(known.tracks[["L", "B", "E", "P"]], dtype=np.int64).reshape(-1, 4)
    rows[:, 1] = np.searchsorted(times, rows[:, 1], side="left")
    rows[:, 2] = np.searchsorted(times, rows[:, 2], side="right") - 1
    rows = rows[rows[:, 1] <= rows[:, 2]]
    rows[~np.isin(rows[:, 3], rows[:, 0]), 3] = 0
    return rows


def _require(rows: Sequence[object], truth: Path, what: str) -> None:
    if not rows:
        raise UsageError(f"{truth}: holds no truth {what}; check input.truth in the plan.")
