"""Hits: every treatment and dose with its rescue, ranked, false discoveries held down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lucyte.screen.controls import DISEASE, WILD_TYPE
from lucyte.screen.readout import MARGIN
from lucyte.screen.rescue import Axis, control_axis, rescue_score
from lucyte.screen.settings import ScreenSettings
from lucyte.stats.multiplicity import benjamini_hochberg

RESCUE = "rescue"
BOTH = "rescue, and changed otherwise"
OTHERWISE = "changed otherwise"
AWAY = "away from health"
NONE = "none shown"
DYING = "few cells left"
TOO_FEW = "too few wells"
CALLS = (RESCUE, BOTH, DYING, OTHERWISE, AWAY, NONE, TOO_FEW)


def hit_table(wells: pd.DataFrame, settings: ScreenSettings) -> pd.DataFrame:
    """One row per treatment and dose, hits first, then by rescue.

    Parameters
    ----------
    wells : DataFrame
        ``plate, well, treatment, dose, role, n_fields, n_cells, margin``, features, and
        ``off_axis`` where it is known.
    settings : ScreenSettings

    Returns
    -------
    DataFrame
        ``treatment, dose, call, rescue, low, high, p, q``, ``n_wells`` (with a margin),
        ``n_imaged, n_plates``, ``off_axis, off_q`` (distance from the axis, 1 is like a control),
        ``cells`` (per field, against the disease wells of the plate), ``ssmd`` (robust, against the
        disease wells), ``rescue_<feature>`` with ``low_``, ``high_``. q: Benjamini and Hochberg
        over all rows with enough wells. Treatments that do nothing by word (sham) are rows too.
    """
    axes = {name: axis_of(wells, name) for name in (MARGIN, *settings.features)}
    groups = wells[~wells["role"].isin([DISEASE, WILD_TYPE])]
    rows = [
        _row(own, wells, axes, settings)
        for _, own in groups.groupby(["treatment", "dose"], dropna=False)
    ]
    table = pd.DataFrame(rows)
    if not len(table):
        return table
    table["q"] = benjamini_hochberg(table["p"])
    table["off_q"] = benjamini_hochberg(table["off_p"])
    table["call"] = [_call(row, settings) for row in table.to_dict("records")]
    table["rank_call"] = [CALLS.index(each) for each in table["call"]]
    table = table.sort_values(["rank_call", "rescue"], ascending=[True, False], kind="stable")
    first = ["treatment", "dose", "call", "rescue", "low", "high", "p", "q", "n_wells", "n_imaged",
             "n_plates", "off_axis", "off_q", "cells", "ssmd"]  # fmt: skip
    rest = [name for name in table.columns if name not in (*first, "off_p", "rank_call")]
    return table[[*first, *rest]].reset_index(drop=True)


def axis_of(wells: pd.DataFrame, column: str) -> Axis:
    """The controls along one column of the wells."""
    role = wells["role"].to_numpy(dtype=str)
    return control_axis(
        wells[column].to_numpy(np.float64),
        wells["plate"].to_numpy(dtype=str),
        role == DISEASE,
        role == WILD_TYPE,
    )


def _row(
    own: pd.DataFrame,
    wells: pd.DataFrame,
    axes: dict[str, Axis],
    settings: ScreenSettings,
) -> dict[str, object]:
    level = 1 - settings.alpha
    plates = own["plate"].to_numpy(dtype=str)
    found = rescue_score(own[MARGIN].to_numpy(float), plates, axes[MARGIN], level)
    enough = found.n >= settings.min_wells
    off, off_p = _off(own, wells) if "off_axis" in wells else (math.nan, math.nan)
    row: dict[str, object] = {
        "treatment": str(own["treatment"].iloc[0]),
        "dose": float(own["dose"].iloc[0]),
        "rescue": found.score,
        "low": found.low if enough else None,
        "high": found.high if enough else None,
        "p": found.p if enough else math.nan,
        "n_wells": found.n,
        "n_imaged": len(own),
        "n_plates": found.plates,
        "off_axis": off,
        "off_p": off_p if enough else math.nan,
        "cells": _cells(own, wells),
        "ssmd": _ssmd(own, wells, axes[MARGIN]),
    }
    for feature in settings.features:
        along = rescue_score(own[feature].to_numpy(float), plates, axes[feature], level)
        row[f"rescue_{feature}"] = along.score
        row[f"low_{feature}"] = along.low if enough else None
        row[f"high_{feature}"] = along.high if enough else None
    return row


def _off(own: pd.DataFrame, wells: pd.DataFrame) -> tuple[float, float]:
    """Median distance from the axis, and the one-sided p-value against control wells."""
    from scipy.stats import mannwhitneyu

    mine = own["off_axis"].dropna().to_numpy(float)
    theirs = wells.loc[wells["role"].isin([DISEASE, WILD_TYPE]), "off_axis"].dropna()
    if not len(mine) or not len(theirs):
        return math.nan, math.nan
    told = mannwhitneyu(mine, theirs.to_numpy(float), alternative="greater", method="exact")
    return float(np.median(mine)), float(told.pvalue)


def _cells(own: pd.DataFrame, wells: pd.DataFrame) -> float:
    """Cells per field over those of the disease wells of the same plates."""
    ill = wells[wells["role"] == DISEASE]
    usual = (ill["n_cells"] / ill["n_fields"]).groupby(ill["plate"]).mean()
    ratio = (own["n_cells"] / own["n_fields"]) / own["plate"].map(usual)
    return float(ratio.mean())


def _ssmd(own: pd.DataFrame, wells: pd.DataFrame, axis: Axis) -> float:
    """Robust SSMD of the treatment against disease wells, both against their plate's mean."""
    from scipy.stats import median_abs_deviation

    start = wells["plate"].map({name: mean for name, (mean, _) in axis.disease.items()})
    moved = (wells[MARGIN] - start).to_numpy(float)
    mine = moved[wells.index.isin(own.index)]
    ill = moved[(wells["role"] == DISEASE).to_numpy()]
    mine, ill = mine[np.isfinite(mine)], ill[np.isfinite(ill)]
    if len(mine) < 3:
        return math.nan
    spread = math.hypot(*(median_abs_deviation(each, scale="normal") for each in (mine, ill)))
    return float((np.median(mine) - np.median(ill)) / spread) if spread else math.nan


def _call(row: Mapping[Any, Any], settings: ScreenSettings) -> str:
    if row["n_imaged"] >= settings.min_wells and row["cells"] <= settings.few_cells:
        return DYING  # the few that are left say nothing of the others
    if row["n_wells"] < settings.min_wells:
        return TOO_FEW
    if math.isnan(row["p"]):
        return NONE
    moved = row["q"] <= settings.fdr
    elsewhere = row["off_q"] <= settings.fdr and row["off_axis"] >= settings.off_least
    if moved and row["rescue"] >= settings.least:
        return BOTH if elsewhere else RESCUE
    if elsewhere:
        return OTHERWISE
    return AWAY if moved and row["rescue"] <= -settings.least else NONE
