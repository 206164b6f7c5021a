"""``lucyte validate``: predictions against truth, from files of any origin."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lucyte.evidence.accuracy import instance_accuracy, tracking_accuracy
from lucyte.io.atomic import write_json, write_text
from lucyte.io.open import is_image, read_labels
from lucyte.io.truth import read_ctc_truth
from lucyte.pipeline.single import numbered_images
from lucyte.pipeline.truth import lineage_rows
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.instances import count_instances, scores
from lucyte.stats.tracking import tracking_scores
from lucyte.stats.tracking_match import match_frame

TASKS = ("instance", "tracking")


def validate_files(prediction: Path, reference: Path, task: str, out: Path) -> str:
    """Score two folders; write ``scores.csv`` and ``evidence.json``.

    Parameters
    ----------
    prediction, reference : Path
        ``instance``: folders of label images with the same frame numbers or names, or two files.
        ``tracking``: results or truth of the Cell Tracking Challenge.
    task : str
    out : Path
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    table, finding = (_instance if task == "instance" else _tracking)(prediction, reference)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "scores.csv", table.to_csv(index=False))
    write_json(out / "evidence.json", [finding.to_json()])
    means = table.mean(numeric_only=True)
    width = max(len(str(name)) for name in means.index)
    lines = [f"  {name:<{width}}  {value:.4f}" for name, value in means.items()]
    return "\n".join([f"Mean over {len(table)} {task} comparisons:", *lines, f"Wrote {out}."])


def _instance(prediction: Path, reference: Path) -> tuple[pd.DataFrame, Finding]:
    rows = []
    for name, mine, truth in _pairs(prediction, reference):
        left, right = read_labels(truth), read_labels(mine)
        if left.shape != right.shape:
            raise UsageError(f"{mine} is {right.shape}, its truth {truth.name} is {left.shape}.")
        rows.append({"image": name, **scores(count_instances(left, right))})
    table = pd.DataFrame(rows)
    return table, instance_accuracy(table, "F1@0.5", "image")


def _pairs(prediction: Path, reference: Path) -> list[tuple[str, Path, Path]]:
    """Files with the same name, else with the same number at the end of their names."""
    if prediction.is_file() and reference.is_file():
        return [(reference.stem, prediction, reference)]
    masks = read_ctc_truth(reference).masks if (reference / "SEG").is_dir() else {}
    if masks:
        mine = numbered_images(prediction)
        lacking = sorted(set(masks) - set(mine))
        if lacking:
            raise UsageError(f"{prediction}: no label image for frame {lacking[0]} of {reference}.")
        return [(Path(path).stem, mine[t], Path(path)) for t, path in masks.items()]
    by_name = {path.stem: path for path in sorted(prediction.glob("*")) if _is_file(path)}
    truths = {path.stem: path for path in sorted(reference.glob("*")) if _is_file(path)}
    shared = sorted(set(by_name) & set(truths))
    if shared:
        return [(name, by_name[name], truths[name]) for name in shared]
    left, right = numbered_images(prediction), numbered_images(reference)
    numbers = sorted(set(left) & set(right))
    if not numbers:
        raise UsageError(f"{prediction} and {reference} have no file name or number in common.")
    return [(right[t].stem, left[t], right[t]) for t in numbers]


def _is_file(path: Path) -> bool:
    return path.is_file() and is_image(path)


def _tracking(prediction: Path, reference: Path) -> tuple[pd.DataFrame, Finding]:
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
    return pd.DataFrame([{"sequence": name, **found}]), tracking_accuracy({name: dict(found)})
