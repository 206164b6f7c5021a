"""How well a finder does on annotated images: one row per image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.annotated_image import AnnotatedImage, Annotation
from lucyte.learn.object_sets import pixels_of
from lucyte.schema.objects import Labels
from lucyte.segment.finder import Finder
from lucyte.segment.found import Found
from lucyte.stats.boxes import average_precision
from lucyte.stats.instances import count_instances, scores

LOWEST = 0.05
"""Score down to which boxes count towards average precision."""
OPERATING = (0.5, 0.75)


@dataclass(frozen=True)
class Seen:
    """One image with its truth and what was found in it."""

    image: AnnotatedImage
    pixels: npt.NDArray[Any]
    truth: Annotation
    found: Found


def look_at(
    finder: Finder,
    images: Sequence[AnnotatedImage],
    channels: Sequence[str],
    confidence: float | None,
    done: Callable[[], object] = lambda: None,
) -> list[Seen]:
    """Find the objects of annotated images, their size unknown to the finder."""
    out = []
    for image in images:
        pixels = pixels_of(image, channels)
        found = finder.find(pixels, None, confidence, tuple(channels))
        out.append(Seen(image, pixels, image.annotation(), found))
        done()
    return out


def mask_table(seen: Sequence[Seen]) -> pd.DataFrame:
    """AP, F1, PQ, SEG ... of label images, one row per image with truth."""
    rows = []
    for each in seen:
        labels = each.truth.labels
        if labels is None:
            continue
        values = scores(count_instances(labels, each.found.labels))
        rows.append(_head(each) | values)
    return pd.DataFrame(rows)


def box_table(seen: Sequence[Seen]) -> pd.DataFrame:
    """COCO average precision of each image by itself."""
    return pd.DataFrame([_head(each) | box_precision([each]) for each in seen])


def box_precision(seen: Sequence[Seen]) -> dict[str, float]:
    """COCO average precision over images together."""
    found = average_precision(
        [each.truth.boxes for each in seen],
        [each.found.boxes for each in seen],
        [each.found.scores for each in seen],
    )
    return {name: found[name] for name in ("mAP50", "mAP50-95", "AP@0.75")}


def _head(each: Seen) -> dict[str, Any]:
    return {
        "image": each.image.name,
        "group": each.image.group,
        "objects": len(each.truth.boxes),
        "found": len(each.found.boxes),
        "diameter_px": round(each.found.diameter_px, 1),
    }


def precision_at(truth: Labels, found: Labels) -> float:
    """Mean of AP at IoU 0.5 and 0.75 of one image: what training is steered by."""
    values = scores(count_instances(truth, found, OPERATING))
    got = [values[f"AP@{t:g}"] for t in OPERATING]
    return float(np.nanmean(got)) if np.isfinite(got).any() else 1.0
