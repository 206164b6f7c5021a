"""``lucyte validate``: predictions against truth, from files of any origin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.evidence.accuracy.conclusion import conclusion
from lucyte.evidence.accuracy.cost import cost_finding
from lucyte.evidence.accuracy.objects import (
    Requirement,
    instance_accuracy,
    score_accuracy,
    tracking_accuracy,
)
from lucyte.evidence.accuracy.readout import Readout, readout_accuracy
from lucyte.io.atomic import write_json, write_text
from lucyte.io.open import read_labels
from lucyte.io.truth import CtcTruth, read_ctc_truth
from lucyte.pipeline.out_folder import refuse_out
from lucyte.pipeline.truth import lineage_rows
from lucyte.pipeline.validate_against import HEADLINE, compare_two
from lucyte.pipeline.validate_boxes import compare_boxes
from lucyte.pipeline.validate_fit import (
    Advice,
    advise,
    chosen,
    pooled_interval,
    stated_scores,
    warned,
)
from lucyte.pipeline.validate_labels import compare_instances, compare_masks
from lucyte.pipeline.validate_picture import draw_agreement
from lucyte.pipeline.validate_readouts import readout_row, speeds, with_conditions
from lucyte.pipeline.validate_states import compare_states
from lucyte.pipeline.validate_summary import Row, cautions, fill, summary, told
from lucyte.pipeline.validated import Asked, Comparison
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.boundary import TOLERANCE_PX
from lucyte.stats.intervals import Interval
from lucyte.stats.tracking import tracking_scores
from lucyte.stats.tracking_match import match_frame


@dataclass(frozen=True)
class Question:
    """What is asked beyond the scores.

    Attributes
    ----------
    metrics : tuple of str
        Scores to show and judge, also where they fit badly.
    fingerprint : Path or None
        TOML with fields of :class:`lucyte.evidence.accuracy.fingerprint.Fingerprint`.
    readouts : tuple of str
        ``count``, ``area``, ``fraction:STATE``, ``spots``, ``speed``, ``column:NAME``.
    within : float or None
        The largest difference of a readout that would do.
    condition_regex : str
        What of a name is the condition.
    conditions : Path or None
        CSV with image and condition.
    against : Path or None
        Another prediction of the same images.
    costs : Path or None
        CSV of costs, true class x answer.
    """

    metrics: tuple[str, ...] = ()
    fingerprint: Path | None = None
    readouts: tuple[str, ...] = ()
    within: float | None = None
    condition_regex: str = ""
    conditions: Path | None = None
    against: Path | None = None
    costs: Path | None = None


def validate_files(
    prediction: Path,
    reference: Path,
    task: str,
    out: Path,
    *,
    group_regex: str = "",
    tolerance_px: float = TOLERANCE_PX,
    spacing_um: Sequence[float] | None = None,
    at_least: float | None = None,
    question: Question | None = None,
) -> str:
    """Score predictions; write ``scores.csv`` (a row per image) and ``evidence.json``.

    Parameters
    ----------
    prediction, reference : Path
        ``instance``: label images with the same names or frame numbers, or two files; the
        reference may be any annotated folder. ``semantic``: the same, or masks. ``detection``:
        ``boxes.parquet`` or a CSV of the same columns against YOLO files, COCO, label images or
        another table. ``classification``: two tables with ``image`` or ``object_id``, and
        ``state``. ``tracking``: results and truth of the Cell Tracking Challenge.
    task : {"instance", "detection", "semantic", "classification", "tracking"}
    out : Path
    group_regex : str
        Searched in the names of images; what it catches is the independent unit.
    tolerance_px : float
        Distance of outlines that counts as agreement.
    spacing_um : sequence of float, optional
        Pixel size along each axis, ``Z Y X``; or one number for planes. Distances come in um too.
    at_least : float, optional
        What the main score, or the one asked for, must reach; without it no verdict is given.
    question : Question, optional
        Metrics, readouts, costs, another prediction.

    Returns
    -------
    str
        The summary: the answer, the scores that fit the problem, what to mind.

    Raises
    ------
    InputError, UsageError
        Files that are not what the task needs, or have nothing in common; says what to give.
    """
    refuse_out(out, Path("validated"))
    more = question or Question()
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    for path in (prediction, reference, more.against, more.fingerprint, more.costs,
                 more.conditions):  # fmt: skip
        if path is not None and not path.exists():
            raise UsageError(f"{path}: no such file or folder.")
    if (more.condition_regex or more.conditions or more.within is not None) and not more.readouts:
        raise UsageError("conditions and limits of a readout need --readout, e.g. count.")
    if more.within is not None and len(more.readouts) > 1:
        raise UsageError("--within is one number; ask for one --readout at a time with it.")
    for name in more.readouts:
        readout_row(name, task)
    if more.against is not None and task not in HEADLINE:
        raise UsageError(f"--against needs several images; --task {task} scores one sequence.")
    spacing = tuple(spacing_um) if spacing_um is not None else None
    asked = Asked(group_regex, tolerance_px, spacing, Requirement(at_least), more.readouts)
    found = TASKS[task](prediction, reference, asked)
    advice = advise(task, found, (more.fingerprint, more.costs), tolerance_px)
    pooled, why = stated_scores(found, advice)
    found = replace(found, pooled={**found.pooled, **pooled}, undefined={**found.undefined, **why})
    rows = summary(found)
    shown = chosen(advice.recommended, more.metrics, rows)
    problem = advice.known.fingerprint if advice.known else None
    advice = replace(advice, warnings=warned(more.metrics, problem, found))
    fill(rows, shown, found, advice)
    found, readouts = _answered(found, more, advice, asked)
    if more.against is not None:
        other = TASKS[task](more.against, reference, replace(asked, readouts=()))
        findings, notes = compare_two(found, other, task, more.metrics, advice)
        found = replace(found, findings=(*found.findings, *findings), notes=(*found.notes, *notes))
    _write(out, found, rows, advice, readouts)
    return "\n".join(
        [
            *told(found, task, rows, shown, advice),
            *cautions(found, advice),
            f"Wrote {out}.",
        ]
    )


def _answered(
    found: Comparison, more: Question, advice: Advice, asked: Asked
) -> tuple[Comparison, tuple[Readout, ...]]:
    """Findings on the metrics, costs and readouts that were asked for, those metrics first."""
    judged = [_judged(name, found, advice, asked.requirement) for name in _exact(found, more)]
    findings = [*judged, *(f for f in found.findings if f.name not in {j.name for j in judged})]
    if found.answers is not None and more.costs is not None:
        units = found.table[found.unit].astype(str).to_numpy(dtype=str)
        findings.append(cost_finding(found.answers, units, found.unit, advice.stated))
    readouts, known = with_conditions(found.readouts, more.condition_regex, more.conditions)
    for each in readouts:
        findings.append(readout_accuracy(each, more.within))
        if known:
            findings.append(_concluded(each, several=len(readouts) > 1))
    return replace(found, findings=tuple(findings)), readouts


def _concluded(readout: Readout, *, several: bool) -> Finding:
    found = conclusion(readout)
    return replace(found, name=f"{found.name}.{readout.name}") if several else found


def _exact(found: Comparison, more: Question) -> list[str]:
    """Metrics that were asked for by their whole name, so that they are one number."""
    held = {str(name) for name in found.table.columns} | set(found.pooled)
    return [name for name in more.metrics if name in held]


def _judged(name: str, found: Comparison, advice: Advice, requirement: Requirement) -> Finding:
    if found.answers is None and name in found.table.columns:
        return instance_accuracy(found.table, name, found.unit, requirement)
    value = found.pooled[name]
    units = int(found.table[found.unit].nunique())
    interval = (pooled_interval(name, found, advice) if np.isfinite(value) else None) or Interval(
        value, None, None, units, found.undefined.get(name, "no interval over units")
    )
    return score_accuracy(name, interval, found.unit, requirement)


def _write(
    out: Path,
    found: Comparison,
    rows: dict[str, Row],
    advice: Advice,
    readouts: Sequence[Readout],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "scores.csv", found.table.to_csv(index=False))
    written = [each.to_json() for each in found.findings]
    written[0]["details"] |= {"summary": rows, "notes": list(found.notes), **advice.to_json()}
    write_json(out / "evidence.json", written)
    if readouts:
        draw_agreement(readouts, out / "agreement.png")


def compare_tracks(prediction: Path, reference: Path, asked: Asked) -> Comparison:
    """Score one sequence in the form of the Cell Tracking Challenge."""
    mine, truth = read_ctc_truth(prediction), read_ctc_truth(reference)
    times = sorted(truth.markers)
    lacking = sorted(set(times) - set(mine.markers))
    if lacking:
        raise UsageError(f"{prediction}: no mask for frame {lacking[0]}, which {reference} has.")
    matches = [
        match_frame(read_labels(truth.markers[t]), read_labels(mine.markers[t])) for t in times
    ]
    found = tracking_scores(lineage_rows(truth, times), lineage_rows(mine, times), matches).values
    name = reference.name
    table = pd.DataFrame([{"sequence": name, **found}])
    finding = tracking_accuracy({name: dict(found)}, requirement=asked.requirement)
    readouts = tuple(
        Readout(
            each,
            readout_row(each, "tracking").noun,
            readout_row(each, "tracking").unit,
            pd.DataFrame(
                [
                    {
                        "sequence": name,
                        "truth": _speed(truth, times),
                        "prediction": _speed(mine, times),
                    }
                ]
            ),
            "sequence",
        )
        for each in asked.readouts
    )
    return Comparison(table, (finding,), {}, (), "sequence", "sequences", readouts=readouts)


def _speed(tracks: CtcTruth, times: Sequence[int]) -> float:
    centres = {}
    for t in times:
        labels = read_labels(tracks.markers[t])
        places = np.nonzero(labels)
        names, at = np.unique(labels[places], return_inverse=True)
        sums = [np.bincount(at, weights=axis, minlength=len(names)) for axis in places]
        middles = np.stack(sums, axis=1) / np.bincount(at, minlength=len(names))[:, None]
        centres[t] = dict(zip(names.tolist(), middles, strict=True))
    return speeds(centres)


TASKS: dict[str, Callable[[Path, Path, Asked], Comparison]] = {
    "instance": compare_instances,
    "detection": compare_boxes,
    "semantic": compare_masks,
    "classification": compare_states,
    "tracking": compare_tracks,
}
