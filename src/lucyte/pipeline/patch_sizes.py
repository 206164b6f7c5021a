"""The same training at several sizes of patch, as a curve: ``--patch-sizes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.atomic import write_text
from lucyte.pipeline.classifier_folder import ClassifierRequest
from lucyte.pipeline.object_pictures import write_picture
from lucyte.pipeline.train_classifier import train_classifier
from lucyte.report.patch_sizes import size_curve
from lucyte.schema.errors import LucyteError, UsageError

SCORE = "balanced_accuracy"


def train_sizes(request: ClassifierRequest, sizes: Sequence[int]) -> str:
    """Train and test at every size, under one protocol; write a folder each and the curve.

    Every size is trained on the same groups and tested on the same others. A size at which nothing
    is left to learn from is told and left out.

    Parameters
    ----------
    request : ClassifierRequest
        With patches; ``minutes`` are shared out among the sizes.
    sizes : sequence of int
        Sides in px, two or more.

    Returns
    -------
    str
        For the terminal.

    Raises
    ------
    UsageError
        No stacks, fewer than two sizes, or none that could be trained.
    """
    wanted = sorted(set(sizes))
    if request.patches is None or len(wanted) < 2:
        raise UsageError("a curve needs two patch sizes or more, e.g. --patch-sizes 200,350,500.")
    rows: list[dict[str, Any]] = []
    left_out: dict[int, str] = {}
    for side in wanted:
        one = replace(
            request,
            out=request.out / f"{side}px",
            patches=replace(request.patches, side_px=side),
            minutes=request.minutes / len(wanted),
        )
        try:
            train_classifier(one)
        except LucyteError as error:
            left_out[side] = str(error)
        else:
            rows.append({"patch_px": side, **_outcome(one.out)})
    if not rows:
        raise UsageError(f"nothing could be trained at any size. {left_out[wanted[0]]}")
    table = pd.DataFrame(rows)
    write_text(request.out / "patch_sizes.csv", table.to_csv(index=False))
    write_picture(request.out / "patch_sizes.png", size_curve(table))
    return _told(table, left_out, request.out)


def _outcome(folder: Path) -> dict[str, Any]:
    """The pooled score, and how many patches were left, of one size."""
    scores = pd.read_csv(folder / "scores.csv")
    found = scores[(scores["fold"] == "pooled") & (scores["score"] == SCORE)].iloc[0]
    lost = pd.read_csv(folder / "attrition.csv")
    return {
        SCORE: float(found["value"]),
        "low": float(found["low"]),
        "high": float(found["high"]),
        "n": int(found["n"]),
        "unit": str(found["unit"]),
        "patches": int(lost.loc[lost["class"] == "all", "kept"].sum()),
    }


def _told(table: pd.DataFrame, left_out: dict[int, str], out: Path) -> str:
    unit = str(table["unit"].iloc[0])
    lines = [f"Balanced accuracy by patch size, n = {int(table['n'].iloc[0])} {unit}s:"]
    for row in table.to_dict("records"):
        ends = f" ({row['low']:.3f} to {row['high']:.3f})" if np.isfinite(row["low"]) else ""
        lines.append(
            f"  {row['patch_px']:>5} px  {row[SCORE]:.3f}{ends}, {row['patches']:,} patches"
        )
    lines += [f"  {side:>5} px  left out: {why}" for side, why in left_out.items()]
    lines.append(
        "  The best size was chosen on the groups that scored it: hold groups out to test it."
    )
    lines.append(f"Wrote {out}: patch_sizes.csv, patch_sizes.png, and a model for every size.")
    return "\n".join(lines)
