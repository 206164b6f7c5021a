"""Label images and masks held against a truth: objects, foreground, outlines, centre lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from lucyte.evidence.accuracy.measured import Measured, Structures, structures
from lucyte.evidence.accuracy.measured import pooled as pooled_structures
from lucyte.evidence.accuracy.objects import instance_accuracy
from lucyte.io.annotated_labels import looks_binary
from lucyte.io.open import read_labels
from lucyte.io.truth import read_ctc_truth
from lucyte.pipeline.track_labels import numbered_images
from lucyte.pipeline.validate_readouts import gathered, of_labels, readout_row
from lucyte.pipeline.validate_truth import Reference, label_files, open_references
from lucyte.pipeline.validated import Asked, Comparison, common_names, left_out, with_groups
from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.schema.objects import Labels
from lucyte.stats.area import area_error
from lucyte.stats.boundary import boundary_scores, check_spacing
from lucyte.stats.centre_line import cl_dice
from lucyte.stats.foreground import PixelCounts, count_pixels, foreground_scores
from lucyte.stats.instances import InstanceCounts, count_instances, scores
from lucyte.stats.object_boundary import mean_boundaries, object_boundaries

Pair = tuple[Path, Reference]
IN_UNITS = ("HD95", "mean_distance", "object_HD95", "object_mean_distance")
"""Scores that are lengths."""


def compare_instances(prediction: Path, reference: Path, asked: Asked) -> Comparison:
    """Objects of label images: matched one to one, and their outlines."""
    pairs, notes = _pairs(prediction, reference, asked, binary="refuse")
    rows, total, seen = [], InstanceCounts(), _Seen("instance", asked.readouts)
    for path, truth in pairs:
        left, right = _two(path, truth)
        if left.ndim == 2:
            _refuse_mask(truth.path, left)
        seen.look(left, right)
        counts = count_instances(left, right)
        total = total + counts
        step, um = _steps(asked, left.ndim)
        lines = object_boundaries(left, right, step, asked.tolerance_px)
        row = {"image": truth.name, "objects": counts.truth, "found": counts.prediction}
        lengths = _with_lengths(mean_boundaries(lines), um)
        px = count_pixels(left, right)
        row |= scores(counts) | foreground_scores(px) | {"area_error": area_error(px)}
        rows.append(row | lengths)
    table, unit, more = with_groups(pd.DataFrame(rows), asked.group_regex, _groups(pairs))
    finding = instance_accuracy(table, "F1@0.5", unit, asked.requirement)
    notes += (*more, f"NSD takes outlines up to {asked.tolerance_px:g} px apart as equal.")
    notes += _cubes(asked, pairs)
    pooled = scores(total) | foreground_scores(seen.px) | {"area_error": area_error(seen.px)}
    return seen.into(Comparison(table, (finding,), pooled, notes, unit))


def compare_masks(prediction: Path, reference: Path, asked: Asked) -> Comparison:
    """The foreground of masks or label images, its outline and its centre lines."""
    pairs, notes = _pairs(prediction, reference, asked, binary="components")
    rows, seen = [], _Seen("semantic", asked.readouts)
    for path, truth in pairs:
        left, right = _two(path, truth)
        counts = count_pixels(left, right)
        seen.look(left, right)
        step, um = _steps(asked, left.ndim)
        line = boundary_scores(left, right, step, asked.tolerance_px)
        lengths = {
            "boundary_IoU": line.iou,
            "NSD": line.nsd,
            "HD95": line.hd95,
            "mean_distance": line.mean_distance,
        }
        row = {"image": truth.name, **foreground_scores(counts), "clDice": cl_dice(left, right)}
        row["area_error"] = area_error(counts)
        rows.append(row | _with_lengths(lengths, um))
    table, unit, more = with_groups(pd.DataFrame(rows), asked.group_regex, _groups(pairs))
    findings = tuple(
        instance_accuracy(table, metric, unit, asked.requirement, what)
        for metric, what in (("pixel_F1", "foreground pixels"), ("NSD", "outlines"))
    )
    notes += (*more, f"NSD takes outlines up to {asked.tolerance_px:g} px apart as equal.")
    notes += _cubes(asked, pairs)
    pooled = foreground_scores(seen.px) | {"area_error": area_error(seen.px)}
    return seen.into(Comparison(table, findings, pooled, notes, unit))


class _Seen:
    """What is gathered beside the scores while images are held in memory one after the other."""

    def __init__(self, task: str, readouts: Sequence[str]) -> None:
        self.task = task
        self.values: dict[str, list[tuple[float, float]]] = {name: [] for name in readouts}
        self.structures: list[Structures] = []
        self.px = PixelCounts()
        self.one_mask = True
        for name in readouts:
            readout_row(name, task)

    def look(self, truth: Labels, prediction: Labels) -> None:
        """Take in one image."""
        self.px = self.px + count_pixels(truth, prediction)
        objects = truth
        if self.task == "semantic" and looks_one(truth):
            objects = np.asarray(ndimage.label(truth)[0], dtype=np.int32)
        else:
            self.one_mask = False
        self.structures.append(structures(objects))
        for name, own in self.values.items():
            both = (of_labels(name, self.task, each) for each in (truth, prediction))
            own.append((next(both), next(both)))

    def into(self, found: Comparison) -> Comparison:
        """The comparison with what was seen."""
        measured = Measured(
            images=len(found.table),
            units=int(found.table[found.unit].nunique()),
            unit=found.unit,
            grouped=found.unit != "image",
            one_mask=self.one_mask,
            disjoint=self.px.both == 0 and min(self.px.truth, self.px.prediction) > 0,
            **pooled_structures(self.structures),
        )
        told = gathered(tuple(self.values), self.task, found.table, found.unit, self.values)
        return replace(found, measured=measured, readouts=told)


def looks_one(labels: Labels) -> bool:
    """Whether a label image holds one value beside the background."""
    return len(np.setdiff1d(np.unique(labels), [0])) < 2


def _pairs(
    prediction: Path, reference: Path, asked: Asked, binary: str
) -> tuple[list[Pair], tuple[str, ...]]:
    """Files with the same name, else with the same number at the end of their names."""
    if prediction.is_file() and reference.is_file() and reference.suffix.lower() != ".json":
        return [(prediction, open_references(reference)[0])], ()
    if (reference / "SEG").is_dir():
        note = f"The frames of {reference.name} are one sequence and not independent, so n = 1."
        return _challenge(prediction, reference), () if asked.group_regex else (note,)
    files = label_files(prediction)
    truths = open_references(reference, binary=binary, group_regex=asked.group_regex)
    pairs, mine, theirs = common_names([each.name for each in files], [t.name for t in truths])
    if not pairs:
        return _numbered(prediction, reference, files, truths)
    file_by, truth_by = {each.name: each for each in files}, {each.name: each for each in truths}
    notes = left_out("images of the reference without a prediction", theirs)
    notes += left_out("predictions without a reference", mine)
    return [(file_by[a], truth_by[b]) for a, b in pairs], notes


def _challenge(prediction: Path, reference: Path) -> list[Pair]:
    masks = read_ctc_truth(reference).masks
    mine = numbered_images(prediction)
    lacking = sorted(set(masks) - set(mine))
    if lacking:
        raise UsageError(f"{prediction}: no label image for frame {lacking[0]} of {reference}.")
    return [
        (mine[t], replace(open_references(Path(path))[0], group=reference.name))
        for t, path in masks.items()
    ]


def _numbered(
    prediction: Path, reference: Path, files: list[Path], truths: list[Reference]
) -> tuple[list[Pair], tuple[str, ...]]:
    """Frames by number, where names have nothing in common."""
    nothing = f"{prediction} and {reference} have no file name"
    try:
        left, right = numbered_images(prediction), numbered_images(reference)
    except LucyteError:
        raise UsageError(
            f"{nothing} in common (such as {files[0].name} and {truths[0].name}). Give the "
            "prediction of an image the name of its truth."
        ) from None
    by_path = {truth.path: truth for truth in truths}
    right = {t: path for t, path in right.items() if str(path) in by_path}
    numbers = sorted(set(left) & set(right))
    if not numbers:
        raise UsageError(f"{nothing} or number in common.")
    lone = [right[t].name for t in sorted(set(right) - set(left))]
    notes: tuple[str, ...] = ("Names differ, so images were paired by the last number in them.",)
    notes += left_out("images of the reference without a prediction", lone)
    return [(left[t], by_path[str(right[t])]) for t in numbers], notes


def _two(path: Path, truth: Reference) -> tuple[Labels, Labels]:
    left, right = truth.labels(), read_labels(path)
    if left.shape != right.shape:
        name = Path(truth.path).name
        raise UsageError(f"{path} is {right.shape}, its truth {name} is {left.shape}.")
    return left, right


def _refuse_mask(path: str, labels: Labels) -> None:
    if looks_binary(labels):
        raise InputError(
            path,
            "is a mask of one value in several parts, not numbered objects.",
            "Use --task semantic, or number the objects.",
        )


def _groups(pairs: list[Pair]) -> Mapping[str, str] | None:
    if not all(truth.group for _, truth in pairs):
        return None
    return {truth.name: truth.group for _, truth in pairs}


def _steps(asked: Asked, axes: int) -> tuple[tuple[float, ...] | None, float | None]:
    """Sizes along the axes in px of the plane, and um per such px."""
    if asked.spacing_um is None:
        return None, None
    given = asked.spacing_um
    um = check_spacing(given * 2 if len(given) == 1 and axes == 2 else given, axes)
    return tuple(np.array(um) / um[-1]), um[-1]


def _with_lengths(values: Mapping[str, float], um: float | None) -> dict[str, float]:
    """Lengths in px of the plane, and in um where the pixel size is known."""
    out: dict[str, float] = {}
    for name, value in values.items():
        out[f"{name}_px" if name in IN_UNITS else name] = value
        if um is not None and name in IN_UNITS:
            out[f"{name}_um"] = value * um
    return out


def _cubes(asked: Asked, pairs: list[Pair]) -> tuple[str, ...]:
    """A note where planes of volumes were taken to be one px apart."""
    if asked.spacing_um is not None or read_labels(pairs[0][0]).ndim == 2:
        return ()
    return ("The distance of planes is not known; outlines were compared as if voxels were cubes.",)
