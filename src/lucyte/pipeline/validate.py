"""``lucyte validate``: predictions against truth, from files of any origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lucyte.evidence.accuracy.objects import Requirement, tracking_accuracy
from lucyte.io.atomic import write_json, write_text
from lucyte.io.open import read_labels
from lucyte.io.truth import read_ctc_truth
from lucyte.pipeline.truth import lineage_rows
from lucyte.pipeline.validate_boxes import compare_boxes
from lucyte.pipeline.validate_labels import compare_instances, compare_masks
from lucyte.pipeline.validate_states import compare_states
from lucyte.pipeline.validated import Asked, Comparison
from lucyte.schema.errors import UsageError, unknown
from lucyte.stats.boundary import TOLERANCE_PX
from lucyte.stats.goodness import find_measure
from lucyte.stats.intervals import unit_mean_interval
from lucyte.stats.tracking import tracking_scores
from lucyte.stats.tracking_match import match_frame


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
        What the main score must reach; without it no verdict is given.

    Returns
    -------
    str
        The summary: mean, interval and pooled value of every score.

    Raises
    ------
    InputError, UsageError
        Files that are not what the task needs, or have nothing in common; says what to give.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    for path in (prediction, reference):
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder.")
    spacing = tuple(spacing_um) if spacing_um is not None else None
    asked = Asked(group_regex, tolerance_px, spacing, Requirement(at_least))
    found = TASKS[task](prediction, reference, asked)
    rows = summary(found)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "scores.csv", found.table.to_csv(index=False))
    written = [each.to_json() for each in found.findings]
    written[0]["details"] |= {"summary": rows, "notes": list(found.notes)}
    write_json(out / "evidence.json", written)
    return "\n".join([*_told(found, task, rows), f"Wrote {out}."])


def summary(found: Comparison) -> dict[str, dict[str, Any]]:
    """Every score with its mean over units, interval, pooled value, and which way is better."""
    rows: dict[str, dict[str, Any]] = {}
    for name in [*found.table.columns, *found.pooled]:
        measure = find_measure(str(name))
        if measure is None or name in rows:
            continue
        rows[str(name)] = {"better": measure.better, "pooled": _number(found.pooled.get(name))}
        if name not in found.table.columns:
            continue
        values = found.table[name].to_numpy(dtype=float)
        known = int(pd.notna(values).sum())
        rows[str(name)] |= {"rows": len(values), "rows_undefined": len(values) - known}
        if known:
            units = found.table[found.unit].astype(str).to_numpy()
            interval = unit_mean_interval(values, units)
            rows[str(name)] |= {
                "mean": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "n": interval.n,
                "interval": interval.method,
            }
    return rows


def _told(found: Comparison, task: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    count = found.table[found.unit].nunique()
    plural = "s" if count != 1 else ""
    lines = [
        f"Mean over {len(found.table)} {found.noun} ({task}), n = {count} {found.unit}{plural}:"
    ]
    width = max([len(name) for name in rows] + [5])
    lines.append(f"  {'score':<{width}}  better  {'mean':>8}  {'95 % interval':<18}  pooled")
    for name, row in rows.items():
        mean = f"{row['mean']:.4f}" if "mean" in row else "-"
        low, high = row.get("low"), row.get("high")
        interval = f"{low:.4f} to {high:.4f}" if low is not None and high is not None else "-"
        pooled = f"{row['pooled']:.4f}" if row["pooled"] is not None else "-"
        lines.append(f"  {name:<{width}}  {row['better']:<6}  {mean:>8}  {interval:<18}  {pooled}")
    return lines + [f"  {note}" for note in found.notes]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


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
    return Comparison(table, (finding,), {}, (), "sequence", "sequences")


TASKS: dict[str, Callable[[Path, Path, Asked], Comparison]] = {
    "instance": compare_instances,
    "detection": compare_boxes,
    "semantic": compare_masks,
    "classification": compare_states,
    "tracking": compare_tracks,
}
