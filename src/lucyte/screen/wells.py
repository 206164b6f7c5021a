"""From cells to wells: counts, state fractions, margins and features of each well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.schema.plate import well_sort_key
from lucyte.schema.states import States

WELL = ("plate", "well", "condition")
TIMED = (*WELL, "time_index")


def well_table(
    objects: pd.DataFrame,
    states: States | None = None,
    features: Sequence[str] = (),
    meta: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per well, all frames together.

    Parameters
    ----------
    objects : DataFrame
        Objects of any kinds; those of the kind that has states are used, or of the first kind.
    states : States, optional
    features : sequence of str
        Columns whose median over cells is wanted.
    meta : sequence of str
        Further columns of the plate map (dose, replicate); a value that varies in a well is
        left empty.

    Returns
    -------
    DataFrame
        ``plate, well, condition``, meta, ``n_fields, n_cells``, ``n_states``,
        ``fraction_<state>`` per class, ``margin_mean``, ``median_<feature>``. n_cells counts cells
        in every frame. Fractions are of cells whose state is known; nan where there are none.
    """
    cells = _cells(objects, states)
    groups = cells.groupby(list(WELL), sort=False, dropna=False)
    out = groups.agg(n_fields=("field_id", "nunique"), n_cells=("object_id", "size"))
    for at, name in enumerate(meta):
        if name not in cells:
            raise UsageError(f"column {name!r} of the plate map is not in the objects table.")
        first, values = groups[name].first(), groups[name].nunique(dropna=False)
        out.insert(at, name, first.where(values == 1))
    if states is not None:
        out["n_states"] = groups["state"].agg(lambda v: int((v != "").sum()))
        for state in states.classes:
            hits = (cells["state"] == state).groupby([cells[w] for w in WELL], sort=False).sum()
            out[f"fraction_{state}"] = hits / out["n_states"].replace(0, np.nan)
        out["margin_mean"] = groups["margin"].mean()
    for name in features:
        out[f"median_{name}"] = groups[name].median()
    return _by_place(out.reset_index())


def fraction_table(objects: pd.DataFrame, states: States) -> pd.DataFrame:
    """``plate, well, condition, time_index, state, fraction, n_cells``: wells over time.

    ``n_cells`` counts the cells of that well and frame whose state is known; a well and frame
    without any is absent.
    """
    cells = _cells(objects, states)
    cells = cells[cells["state"] != ""]
    total = cells.groupby(list(TIMED), sort=False).size().rename("n_cells")
    parts = []
    for state in states.classes:
        hits = (cells["state"] == state).groupby([cells[w] for w in TIMED], sort=False).sum()
        part = (hits / total).rename("fraction").reset_index()
        part.insert(len(TIMED), "state", state)
        parts.append(part.merge(total.reset_index(), on=list(TIMED)))
    out = pd.concat(parts, ignore_index=True)
    return _by_place(out)


def feature_table(objects: pd.DataFrame, features: Sequence[str], kind: str) -> pd.DataFrame:
    """``plate, well, condition, time_index, feature, value``: well means over time."""
    cells = objects[objects["kind"] == kind]
    parts = []
    for name in features:
        mean = cells.groupby(list(TIMED), sort=False)[name].mean().rename("value").reset_index()
        mean.insert(len(TIMED), "feature", name)
        parts.append(mean)
    empty = pd.DataFrame(columns=[*TIMED, "feature", "value"])
    return _by_place(pd.concat(parts, ignore_index=True)) if parts else empty


def _cells(objects: pd.DataFrame, states: States | None) -> pd.DataFrame:
    if states is None:
        kinds = [str(each) for each in pd.unique(objects["kind"])]
        kind = next((each for each in ("cell", "nucleus") if each in kinds), kinds[0])
        return objects[objects["kind"] == kind]
    known = states.table[["object_id", "state", "margin"]]
    cells = objects.merge(known, on="object_id", how="inner", validate="one_to_one")
    if len(cells) != len(known):
        raise UsageError(
            f"{len(known) - len(cells)} of {len(known)} states are of objects that are not in "
            "the objects table; states and objects must come from one run."
        )
    return cells


def _by_place(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by state or feature where there is one, then as a plate is read, then by time."""
    named = [key for key in ("state", "feature") if key in table]
    keys = [
        (*row[: len(named)], str(row[-3]), well_sort_key(str(row[-2])), row[-1])
        for row in zip(
            *(table[name] for name in named),
            table["plate"],
            table["well"],
            table["time_index"] if "time_index" in table else [0] * len(table),
            strict=True,
        )
    ]
    order = sorted(range(len(table)), key=keys.__getitem__)
    return table.iloc[order].reset_index(drop=True)
