"""Features that join an object with its parent and children: counts, nucleus to cytoplasm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lucyte.measure.regions import Floats


def add_relatives(tables: Mapping[str, pd.DataFrame], channels: Sequence[str]) -> None:
    """Add to each kind what its relatives say of it.

    ``children_count_<kind>`` counts the objects of a kind in each parent. Cells, and nuclei with
    a cell, get ``nucleus_fraction`` and, where cytoplasm was found, ``nucleus_to_cytoplasm``; the
    nuclei of a cell with several count together, weighted by area.

    Parameters
    ----------
    tables : mapping of kind to DataFrame
        With ``label``, ``parent_label``, ``area_px`` and intensity columns. Changed in place.
    channels : sequence of str
    """
    cells = tables.get("cell")
    if cells is None:
        return
    for kind, table in tables.items():
        if kind not in ("cell", "cytoplasm"):
            counts = table["parent_label"].value_counts()
            cells[f"children_count_{kind}"] = cells["label"].map(counts).fillna(0).astype(float)
    if "nucleus" not in tables:
        return
    nuclei = tables["nucleus"]
    for column, values in _nuclear(cells, nuclei, tables.get("cytoplasm"), channels).items():
        cells[column] = values
        lookup = pd.Series(values, index=cells["label"].to_numpy())
        nuclei[column] = nuclei["parent_label"].map(lookup).astype(float)


def _nuclear(
    cells: pd.DataFrame,
    nuclei: pd.DataFrame,
    cytoplasm: pd.DataFrame | None,
    channels: Sequence[str],
) -> dict[str, Floats]:
    labels = cells["label"].to_numpy()
    inside = nuclei[nuclei["parent_label"] > 0]
    owner = inside["parent_label"]
    area = inside["area_px"].groupby(owner).sum().reindex(labels)
    out = {"nucleus_fraction": area.fillna(0.0).to_numpy() / cells["area_px"].to_numpy()}
    if cytoplasm is None:
        return out
    around = cytoplasm.set_index("label").reindex(labels)
    for channel in channels:
        for source, target in (
            ("intensity_mean", "nucleus_to_cytoplasm"),
            ("intensity_mean_corrected", "nucleus_to_cytoplasm_corrected"),
        ):
            column = f"{source}_{channel}"
            if column not in inside or column not in around:
                continue
            light = (inside[column] * inside["area_px"]).groupby(owner).sum(min_count=1)
            mean = light.reindex(labels).to_numpy() / area.to_numpy()
            below = around[column].to_numpy(dtype=float)
            ratio = np.full(len(labels), np.nan)
            np.divide(mean, below, out=ratio, where=below > 0)
            out[f"{target}_{channel}"] = ratio
    return out
