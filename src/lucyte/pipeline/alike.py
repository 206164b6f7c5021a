"""Beside each film strip a real cell: the most alike one that is what the strip was made to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lucyte.explain.counterfactual.nearest_real import nearest_real
from lucyte.learn.feature_predictor import measure_inside
from lucyte.learn.splits import even_sample
from lucyte.networks.input_match import fit_side
from lucyte.report.counterfactual import RealCell, Strip
from lucyte.schema.crops import CropSet
from lucyte.schema.plan import MeasureSettings

MOST = 800
"""Cells compared, spread evenly over units."""


def with_alike(
    strips: Sequence[Strip], known: CropSet, truth: Sequence[str], seed: int
) -> tuple[Strip, ...]:
    """Strips with the most alike real cell of their target, where there is one.

    It is called so by the model that is explained, and is what it is called as far as that is
    known.

    Parameters
    ----------
    strips : sequence of Strip
    known : CropSet
        All cells, labelled by the model's own answers.
    truth : sequence of N str
        What is known of them; empty where nothing is.
    seed : int
    """
    places = {name: k for k, name in enumerate(known.object_ids)}
    own = [places[each.object_id] for each in strips if each.object_id in places]
    if not own or any(name not in known.channels for each in strips for name in each.channels):
        return tuple(strips)
    rows = np.union1d(even_sample(known.groups, MOST, seed), own)
    cells = known.take(rows)
    said = [truth[k] for k in rows]
    table = measure_inside(cells.crops, cells.masks, cells.channels, MeasureSettings())
    at = {name: k for k, name in enumerate(cells.object_ids)}
    out = []
    for strip in strips:
        right = [
            k
            for k, name in enumerate(cells.labels)
            if name == strip.target and said[k] in (strip.target, "")
        ]
        row = at.get(strip.object_id)
        found = None if row is None else nearest_real(table, row, right, cells.groups)
        if found is not None:
            light = cells.take(np.array([found])).for_channels(strip.channels)
            picture = fit_side(light, strip.images.shape[-1], known=True)[0]
            where = f"{cells.unit} {cells.groups[found]}"
            strip = replace(strip, alike=RealCell(picture, cells.object_ids[found], where))
        out.append(strip)
    return tuple(out)
