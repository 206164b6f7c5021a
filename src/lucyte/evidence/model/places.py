"""Cell-free places: whether there are enough of them, and what they tell by distance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from lucyte.evidence.model.retrain import HeldOut, compare
from lucyte.schema.crops import CropSet

FEWEST_PATCHES = 8
"""Cell-free places that a unit needs before it takes part."""
DISTANCE_BINS = 4


def enough_places(crops: CropSet, classes: tuple[str, ...]) -> tuple[CropSet, str]:
    """The cell-free places of units that hold enough, and why they do not suffice."""
    places = crops.of_kind("background")
    groups = np.asarray(places.groups, dtype=str)
    names, counts = np.unique(groups, return_counts=True)
    usable = places.take(np.isin(groups, names[counts >= FEWEST_PATCHES]))
    held = usable.units_per_class()
    short = [name for name in classes if held.get(name, 0) < 2]
    if not short:
        return usable, ""
    told = ", ".join(f"{held.get(name, 0)} of {name}" for name in classes)
    return usable, (
        f"too little background: {len(places)} cell-free places in all, and {crops.unit}s with at "
        f"least {FEWEST_PATCHES} of them: {told}; 2 of each class are needed"
    )


def distance_curve(told: HeldOut, places: CropSet) -> list[dict[str, Any]]:
    """AUROC over the distance to the nearest cell, from the answers already given."""
    if told.undefined:
        return []
    near_a_cell = places.distance_px[np.isfinite(places.distance_px)]
    if not len(near_a_cell):
        return []
    edges = np.unique(np.quantile(near_a_cell, np.linspace(0, 1, DISTANCE_BINS + 1)))
    out = []
    for k, (near, far) in enumerate(pairwise(edges)):
        last = k == len(edges) - 2
        inside = (places.distance_px >= near) & (
            (places.distance_px <= far) if last else (places.distance_px < far)
        )
        own = compare(told.logits, told.fold_of, places.labels, places.groups, inside)
        out.append(
            {
                "from_px": float(near),
                "to_px": float(far),
                "auroc": own.auroc,
                "low": own.low,
                "high": own.high,
                "n": own.n,
                "places": int(inside.sum()),
                "per_unit": own.units,
            }
        )
    return out
