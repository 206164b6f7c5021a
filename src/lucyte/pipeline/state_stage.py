"""Plate scope: states of cells, out of fold, the model that is kept, and the wells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lucyte.classify.guards import confounding
from lucyte.classify.states import fit_states, refusal
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.models import save_model
from lucyte.measure.frame import NAMELESS
from lucyte.networks.model_folder import Card
from lucyte.pipeline.context import Context
from lucyte.pipeline.fingerprint import hash_texts
from lucyte.pipeline.tables import kind_table
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding
from lucyte.schema.plan import ClassifySettings
from lucyte.schema.protocols import MASK_CHANNEL
from lucyte.schema.states import States
from lucyte.screen.wells import well_table


@dataclass(frozen=True)
class Classified:
    """What classification gave.

    Attributes
    ----------
    table : DataFrame
        Objects of the kind that stands for the cell, with their features and plate-map columns.
    settings : ClassifySettings
        With the kind settled.
    wells : DataFrame
        One row per well.
    states : States or None
    model : FeaturePredictor or None
        Fitted on all groups, for new cells; never the source of ``states``.
    findings : tuple of Finding
        Announcements about the design (a plate that is a class).
    """

    table: pd.DataFrame
    settings: ClassifySettings
    wells: pd.DataFrame
    states: States | None = None
    model: FeaturePredictor | None = None
    findings: tuple[Finding, ...] = ()


def classify_plate(context: Context) -> Classified:
    """Learn the states where the design allows it, and sum up the wells.

    Why there are no states is kept in ``context.skipped``.
    """
    plan = context.plan
    kind = context.pilot.kind if plan.classify.kind == "auto" else plan.classify.kind
    settings = plan.classify.model_copy(update={"kind": kind})
    table, meta = _with_meta(context, kind_table(context.folder, context.fields, kind))
    why = _why_not(context, table, settings)
    if why:
        context.skipped["classify"] = why
        table = units_named(table)
        wells = well_table(table, None, (), meta) if len(table) else pd.DataFrame()
        return Classified(table, settings, wells)
    findings = confounding(table, settings.target, settings.group)
    channels = context.fields[0].channels
    states, model = fit_states(table, settings, plan.seed, channels=channels)
    predictor = _predictor(context, model)
    table = units_named(table)
    wells = well_table(table, states, model.features[:12], meta)
    return Classified(table, settings, wells, states, predictor, findings)


def units_named(table: pd.DataFrame) -> pd.DataFrame:
    """The table for sums over wells: where no well is known, each field stands for one."""
    if not len(table):
        return table
    nameless = table["well"].astype(str) == ""
    return table.assign(well=table["well"].where(~nameless, table["field_id"]))


def _why_not(context: Context, table: pd.DataFrame, settings: ClassifySettings) -> str:
    if settings.enabled == "off":
        return "the plan turns classification off"
    if not len(table):
        return f"no {settings.kind} was found"
    if settings.target == "condition" and not any(each.condition for each in context.fields):
        return "no conditions are known; give a plate map with the columns well and condition"
    why = refusal(table, settings)
    if why and settings.enabled == "on":
        from lucyte.schema.errors import UsageError

        raise UsageError(f"classify: {why}")
    return why


def _with_meta(context: Context, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with the plate map's further columns, and their names."""
    fields = context.plate.table()
    known = [name for each in context.fields for name in each.meta]
    meta = [name for name in dict.fromkeys(known) if name not in table.columns]
    if not meta:
        return table, []
    return table.merge(fields[["field_id", *meta]], on="field_id", how="left"), meta


def _predictor(context: Context, model: FeatureModel) -> FeaturePredictor:
    sizes = {each.pixel_size_um for each in context.fields}
    return FeaturePredictor(
        model,
        channels=(*(context.fields[0].channels or (NAMELESS,)), MASK_CHANNEL),
        input_px=context.pilot.crop_px or 64,
        pixel_size_um=sizes.pop() if len(sizes) == 1 else None,
        settings=context.plan.measure,
    )


def keep_model(
    context: Context, classified: Classified, findings: Sequence[Finding], crops: CropSet | None
) -> None:
    """Write ``models/states`` with a card that says what it was fitted on and how it did."""
    states, model = classified.states, classified.model
    if states is None or model is None:
        return
    metrics = {
        each.statistic_name: {
            "value": each.statistic,
            "low": each.low,
            "high": each.high,
            "n": each.n,
            "unit": each.unit,
        }
        for each in findings
        if each.name == "accuracy.classification"
    }
    seen = {
        name: tuple(sorted({str(getattr(each, name)) for each in context.fields} - {""}))
        for name in ("plate", "day", "condition")
    }
    limits = ["its answers on the cells it was fitted on are not out-of-fold"]
    limits += [each.why for each in findings if each.verdict == "fail" and each.group == "model"]
    card = Card(
        training_data=f"{len(context.fields)} fields of {context.plan.input.path}",
        data_sha256=hash_texts(context.sha256),
        split=f"{states.groups} {states.group}s, whole ones held out; this model saw all of them",
        metrics=metrics,
        tested_conditions={name: values for name, values in seen.items() if values},
        intensity_range=_intensities(crops),
        limits=tuple(limits),
    )
    save_model(model, context.folder / "models" / "states", card)


def _intensities(crops: CropSet | None) -> dict[str, tuple[float, float]]:
    """What the middle 99.8 % of the sampled px lie between, per channel, raw units."""
    if crops is None or not len(crops):
        return {}
    ends = np.percentile(crops.crops, (0.1, 99.9), axis=(0, 2, 3))
    return {name: (float(ends[0, k]), float(ends[1, k])) for k, name in enumerate(crops.channels)}
