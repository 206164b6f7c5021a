"""What a person can read of a model: formulas that answer like it, and what moves its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.perturbation import PERTURBATIONS, Perturbation, Response, Scene, response
from lucyte.explain.perturbation.whole import background_donors
from lucyte.explain.surrogate import SurrogateSettings, explain_by_formulas
from lucyte.learn.feature_predictor import measure_inside
from lucyte.learn.splits import even_sample
from lucyte.measure.crop_spots import crop_spots
from lucyte.report.readable import Curve, Formula
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.plan import MeasureSettings
from lucyte.schema.protocols import Predictor

FORMULA_CELLS = 1000
CURVE_CELLS = 48
"""Cells of each class, at most, whose pictures are changed."""
CURVE_CLASSES = 3
"""Answers whose cells are changed: the commonest."""
SPOTS = 1.0
"""Spots per cell and channel from which removing them says something."""


@dataclass(frozen=True)
class Readable:
    """Formulas and curves for a page.

    Attributes
    ----------
    formulas : tuple of Formula
    curves : tuple of Curve
    findings : tuple of Finding
    absent : mapping of str to str
    """

    formulas: tuple[Formula, ...] = ()
    curves: tuple[Curve, ...] = ()
    findings: tuple[Finding, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)


def read_model(model: Predictor, known: CropSet, truth: tuple[str, ...], seed: int) -> Readable:
    """Say what a model does in formulas, and change pictures to see what moves it.

    Parameters
    ----------
    model : Predictor
    known : CropSet
        Cells labelled by the model's own answers.
    truth : tuple of N str
        What is known of them; empty where nothing is.
    seed : int
    """
    absent: dict[str, str] = {}
    formulas, findings = _formulas(known, truth, seed, absent)
    return Readable(formulas, _curves(model, known, seed), findings, absent)


def _formulas(
    known: CropSet, truth: tuple[str, ...], seed: int, absent: dict[str, str]
) -> tuple[tuple[Formula, ...], tuple[Finding, ...]]:
    rows = np.arange(len(known))
    if len(known) > FORMULA_CELLS:
        rows = np.sort(even_sample(known.groups, FORMULA_CELLS, seed))
    some = known.take(rows)
    table = measure_inside(some.crops, some.masks, some.channels, MeasureSettings())
    settings = SurrogateSettings(unit=some.unit, seed=seed)
    try:
        told = explain_by_formulas(
            table, some.labels, [truth[k] for k in rows], some.groups, settings
        )
    except UsageError as error:
        absent["formulas"] = str(error)
        return (), ()
    absent |= {f"formula: {kind}": why for kind, why in told.absent.items()}
    rows_told: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in told.table().to_dict("records")
    ]
    out = [Formula(**row) for row in rows_told]
    return tuple(out), tuple(told.findings)


def _curves(model: Predictor, known: CropSet, seed: int) -> tuple[Curve, ...]:
    """Every channel dimmed, spots taken away, the background exchanged; by answer."""
    counts = pd.Series(known.labels).value_counts()
    out: list[Curve] = []
    for target in [str(name) for name in counts.index[:CURVE_CLASSES]]:
        rows = np.flatnonzero([label == target for label in known.labels])
        own = even_sample([known.groups[k] for k in rows], CURVE_CELLS, seed)
        cells = known.take(np.sort(rows[own]))
        pixels = cells.for_channels(model.channels)
        empty = np.zeros(cells.masks.shape, dtype=np.int32)
        scene = Scene(pixels, tuple(model.channels), cells.masks, empty, cells.groups, cells.unit)
        changes: list[tuple[Perturbation, npt.NDArray[Any]]] = []
        for k, name in enumerate(cells.channels):
            changes.append((Perturbation("dim_channel", (name,)), empty))
            spots = crop_spots(cells.crops[:, k], cells.masks, MeasureSettings().spot_diameter_px)
            if spots.max(axis=(1, 2)).mean() >= SPOTS:
                changes.append((Perturbation("remove_spots", (name,)), spots))
        if all(len(background_donors(scene, k)) for k in range(len(cells))):
            changes.append((Perturbation("exchange_background"), empty))
        for change, spots in changes:
            found = response(model, scene.with_spots(spots), change, target, seed=seed)
            out.append(_curve(found))
    return tuple(out)


def _curve(found: Response) -> Curve:
    rows = {row.name: row for row in PERTURBATIONS}
    ends = found.curve()
    return Curve(
        words=found.perturbation.words,
        dose=rows[found.perturbation.kind].dose,
        target=found.target,
        levels=found.levels,
        change=tuple(each.estimate for each in ends),
        low=tuple(each.low for each in ends),
        high=tuple(each.high for each in ends),
        per_unit={name: tuple(float(v) for v in row) for name, row in found.per_unit().items()},
        flipped=float(found.flipped()[-1]),
        unit=found.unit,
    )
