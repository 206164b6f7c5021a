"""Boxes held against a truth: COCO average precision, and F1 of the boxes as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.measured import Measured, box_structures
from lucyte.evidence.accuracy.measured import pooled as pooled_structures
from lucyte.evidence.accuracy.objects import detection_accuracy, instance_accuracy
from lucyte.io.write_table import read_parquet
from lucyte.pipeline.validate_readouts import gathered, of_boxes, readout_row
from lucyte.pipeline.validate_truth import Boxes, Reference, label_files, open_references
from lucyte.pipeline.validated import (
    Asked,
    Comparison,
    common_names,
    left_out,
    stem_of,
    with_groups,
)
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import BOX
from lucyte.stats.boxes import (
    BoxHits,
    box_hits,
    box_iou,
    box_scores,
    check_boxes,
    pooled_precision,
)
from lucyte.stats.froc import froc_score

TABLES = (".parquet", ".csv")
NEEDED = ("image", *BOX)
CALLED = ("state", "class", "label")
"""Columns that say of what class a box is."""
ADVICE = f"Give a table as lucyte detect writes it: {', '.join(NEEDED)} and, where known, score."


@dataclass(frozen=True)
class Found:
    """The boxes of one image.

    Attributes
    ----------
    boxes : float array n x 4
        px, half-open.
    score : float array n, or None
        None where boxes have no scores.
    classes : frozenset of str
        What the boxes are called, where the table says.
    """

    boxes: Boxes
    score: npt.NDArray[np.float64] | None
    classes: frozenset[str] = frozenset()


def compare_boxes(prediction: Path, reference: Path, asked: Asked) -> Comparison:
    """Score boxes image by image and pooled; boxes of all classes count as one."""
    mine = _predicted(prediction)
    truths = _truths(reference, asked)
    pairs, extra, silent = common_names(list(mine), [each.name for each in truths])
    if not pairs and mine:
        raise UsageError(
            f"{prediction} and {reference} have no image in common: {next(iter(mine))} and "
            f"{truths[0].name}. The column image must hold the names of the images."
        )
    partner = {theirs: mine[own] for own, theirs in pairs}
    scored = all(each.score is not None for each in mine.values()) and bool(mine)
    none = Found(np.zeros((0, 4)), np.zeros(0))
    rows, hits, true, found = [], [], [], []
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in asked.readouts}
    for name in values:
        readout_row(name, "detection")
    for each in truths:
        boxes, own = each.boxes(), partner.get(each.name, none)
        true.append(boxes)
        found.append(own.boxes)
        for name, pairs_of in values.items():
            pairs_of.append((of_boxes(name, boxes), of_boxes(name, own.boxes)))
        row = {"image": each.name, "objects": len(boxes), "found": len(own.boxes)}
        row |= box_scores([boxes], [own.boxes])
        if scored and own.score is not None:
            hits.append(box_hits(boxes, own.boxes, own.score, name=each.name))
            one = pooled_precision(hits[-1:])
            row |= {"mAP50": one["mAP50"], "mAP50-95": one["mAP50-95"]}
        rows.append(row)
    known = {each.name: each.group for each in truths} if all(t.group for t in truths) else None
    table, unit, notes = with_groups(pd.DataFrame(rows), asked.group_regex, known)
    notes += _notes(silent, extra, truths, scored=scored) + _called(mine, truths)
    pooled = box_scores(true, found) | (pooled_precision(hits) if scored else {})
    judged = [instance_accuracy(table, "F1@0.5", unit, asked.requirement)]
    if scored:
        units = table[unit].astype(str).tolist()
        judged[:0] = [
            detection_accuracy(hits, units, metric, unit, asked.requirement)
            for metric in ("mAP50", "mAP50-95")
        ]
    return Comparison(
        table,
        tuple(judged),
        pooled | (_ranked(hits) if scored else {}),
        notes,
        unit,
        measured=_measured(table, unit, true, found, hits),
        readouts=gathered(asked.readouts, "detection", table, unit, values),
        hits=tuple(hits) if scored else (),
    )


def _ranked(hits: list[BoxHits]) -> dict[str, float]:
    return {"froc": froc_score(hits)}


def _measured(
    table: pd.DataFrame, unit: str, true: list[Boxes], found: list[Boxes], hits: list[BoxHits]
) -> Measured:
    sure = np.concatenate([each.confidence for each in hits]) if hits else np.zeros(0)
    counts = np.unique(sure, return_counts=True)[1]
    together = any((box_iou(t, p) > 0).any() for t, p in zip(true, found, strict=True))
    return Measured(
        images=len(table),
        units=int(table[unit].nunique()),
        unit=unit,
        grouped=unit != "image",
        scored=bool(hits),
        tied=float(counts[counts > 1].sum() / len(sure)) if len(sure) else math.nan,
        disjoint=not together and any(map(len, true)) and any(map(len, found)),
        **pooled_structures([box_structures(each) for each in true]),
    )


def read_box_table(path: Path) -> dict[str, Found]:
    """Boxes by image from a table, as ``lucyte detect`` writes it.

    Raises
    ------
    InputError
        A column that lacks, a box that is none, scores of some boxes only.
    """
    table = _table(path)
    lacking = [name for name in NEEDED if name not in table.columns]
    if lacking:
        has = ", ".join(str(name) for name in table.columns)
        raise InputError(path, f"has no column {lacking[0]!r}; it has {has}.", ADVICE)
    try:
        boxes = check_boxes(table[list(BOX)].to_numpy(dtype=np.float64), str(path))
    except ValueError:
        raise InputError(path, "holds boxes that are not numbers.", ADVICE) from None
    score = pd.to_numeric(table["score"], errors="coerce") if "score" in table else None
    if score is not None and score.isna().any() and not score.isna().all():
        row = int(np.flatnonzero(score.isna())[0])
        raise InputError(
            path,
            f"has no score in {int(score.isna().sum())} of {len(score)} rows (row {row} first).",
            "Average precision needs all scores: fill them in, or delete the column for F1 alone.",
        )
    if score is not None and np.isinf(score.to_numpy(dtype=np.float64)).any():
        row = int(np.flatnonzero(np.isinf(score.to_numpy(dtype=np.float64)))[0])
        raise InputError(path, f"has an infinite score in row {row}.", "Scores are finite numbers.")
    sure = None if score is None or score.isna().all() else score.to_numpy(dtype=np.float64)
    if sure is None and not len(table):
        sure = np.zeros(0)
    names = _names(table)
    column = next((name for name in CALLED if name in table), None)
    called = (
        table[column].fillna("").astype(str).to_numpy(dtype=str)
        if column
        else np.full(len(table), "", dtype=str)
    )
    return {
        str(name): Found(
            boxes[at], None if sure is None else sure[at], frozenset(called[at]) - {""}
        )
        for name in dict.fromkeys(names)
        for at in [np.flatnonzero(names == name)]
    }


def _names(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Image names; frames of one file are told apart by their number."""
    names = table["image"].astype(str)
    if "time_index" in table and table.groupby(names)["time_index"].nunique().max() > 1:
        frames = pd.to_numeric(table["time_index"]).astype(int)
        names = pd.Series(
            [f"{stem_of(n)}_t{t:03d}" for n, t in zip(names, frames, strict=True)], dtype=str
        )
    return names.to_numpy(dtype=str)


def _table(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        return read_parquet(path)
    try:
        return pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not a table ({str(error).splitlines()[0]}).", ADVICE) from None


def _predicted(path: Path) -> dict[str, Found]:
    if path.is_dir() and (path / "boxes.parquet").is_file():
        path = path / "boxes.parquet"
    if path.is_file() and path.suffix.lower() in TABLES:
        return read_box_table(path)
    if path.is_dir() and any(path.glob("*.txt")):
        raise InputError(path, "holds text files, whose boxes have no size without images.", ADVICE)
    if path.is_file() and path.suffix.lower() == ".json":
        raise InputError(path, "is no table of boxes.", ADVICE)
    truths = [each for file in label_files(path) for each in open_references(file)]
    return {each.name: Found(each.boxes(), None) for each in truths}


def _truths(path: Path, asked: Asked) -> list[Reference]:
    inside = path / "boxes.parquet"
    table = inside if path.is_dir() and inside.is_file() else path
    if table.is_file() and table.suffix.lower() in TABLES:
        return [_row(table, name, found) for name, found in read_box_table(table).items()]
    return open_references(path, group_regex=asked.group_regex)


def _row(path: Path, name: str, found: Found) -> Reference:
    def labels() -> npt.NDArray[np.int32]:
        raise InputError(path, "holds boxes, not outlines.")

    return Reference(
        name, str(path), lambda: found.boxes, labels, classes=tuple(sorted(found.classes))
    )


def _called(mine: Mapping[str, Found], truths: Sequence[Reference]) -> tuple[str, ...]:
    """That classes are not compared, where boxes have some."""
    own = sorted(set().union(*(each.classes for each in mine.values())))
    true = sorted(set().union(*(each.classes for each in truths)))
    if len({*own, *true}) < 2:
        return ()
    theirs = f", {', '.join(true[:6])} in the reference" if true else ""
    return (
        f"Classes of boxes are not compared, all count as one: {', '.join(own[:6]) or 'none'} in "
        f"the prediction{theirs}. lucyte validate --task classification compares states.",
    )


def _notes(
    silent: list[str], extra: list[str], truths: list[Reference], *, scored: bool
) -> tuple[str, ...]:
    notes = left_out("images of the prediction without a reference", extra)
    if silent:
        notes += (
            f"{len(silent)} of {len(truths)} images of the reference have no box in the "
            f"prediction ({silent[0]} first) and count as images where nothing was found. If they "
            "were not looked at, give a reference without them.",
        )
    if not scored:
        notes += ("Boxes have no scores, so average precision is not defined; F1 is.",)
    partial = [each.name for each in truths if not each.complete()]
    if partial:
        notes += (
            f"{len(partial)} images hold cells that are not annotated ({partial[0]} first): what "
            "was found there counts as wrong.",
        )
    return notes
