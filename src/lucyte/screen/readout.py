"""From cells to one number per well: the logit margin from disease to health, and features."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.plate import well_sort_key
from lucyte.screen.settings import ScreenSettings

MARGIN = "margin"
PLACE = ("plate", "well")
DOSE = re.compile(r"dose|conc", re.IGNORECASE)
_SMALLEST = 1e-300


def cell_margins(cells: pd.DataFrame, disease: str, wild_type: str) -> npt.NDArray[np.float64]:
    r"""How much more each cell looks healthy than ill, in logits.

    .. math:: m = \log p_{wild type} - \log p_{disease}

    With more than two classes this is still the difference of the two logits: the softmax's
    denominator cancels.

    Raises
    ------
    UsageError
        The states have no such classes.
    """
    for name in (disease, wild_type):
        if f"p_{name}" not in cells:
            classes = [str(each)[2:] for each in cells.columns if str(each).startswith("p_")]
            if not classes:
                raise UsageError(
                    "the run has no states, so there is no margin between disease and wild type; "
                    "learn them first (classify.target), or see its report for why there are none."
                )
            raise unknown("class of the model", name, classes, "Name a class that it has learned.")
    healthy, ill = (
        np.log(np.clip(cells[f"p_{name}"].to_numpy(np.float64), _SMALLEST, None))
        for name in (wild_type, disease)
    )
    return np.asarray(healthy - ill)


def usable(cells: pd.DataFrame, unseen: bool) -> npt.NDArray[np.bool_]:
    """Cells whose state comes from a model that was not fitted on their well.

    ``fold`` of 0 or more: the fold that held the cell's group out. -1: its truth was unknown, no
    model was fitted on it. A column ``trained`` (true where the model was fitted on the cell)
    overrules both.

    Raises
    ------
    UsageError
        Neither column, and the user did not say that the model saw none of these wells.
    """
    if "trained" in cells:
        return ~cells["trained"].fillna(True).astype(bool).to_numpy()
    if "fold" in cells:
        return np.asarray(cells["fold"].notna())
    if unseen:
        return np.ones(len(cells), dtype=np.bool_)
    raise UsageError(
        "the states do not say which cells the model was fitted on (no column fold or trained); "
        "if it saw none of these wells, say so with --unseen."
    )


def well_readouts(
    cells: pd.DataFrame, settings: ScreenSettings, features: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per well, as a plate is read.

    Parameters
    ----------
    cells : DataFrame
        Objects of one kind with ``plate, well, field_id``, the column of treatments,
        ``p_<class>`` and ``fold`` (or ``trained``), and features.
    settings : ScreenSettings
    features : sequence of str
        Columns whose median over cells is wanted.

    Returns
    -------
    DataFrame
        ``plate, well, <treatment>, dose, n_fields, n_cells, n_scored, margin`` and features:
        medians over cells. ``n_scored`` counts cells with a margin from a model that was not
        fitted on them; ``margin`` is nan where there are none.
    """
    missing = [name for name in features if name not in cells]
    if missing:
        numeric = [str(n) for n in cells.columns if pd.api.types.is_numeric_dtype(cells[n])]
        raise unknown("feature", missing[0], numeric[:30], "Name a column of objects.parquet.")
    if settings.treatment not in cells:
        names = [str(n) for n in cells.columns if not pd.api.types.is_float_dtype(cells[n])]
        raise unknown(
            "column", settings.treatment, names[:16], "Say which column holds the treatments."
        )
    margin = cell_margins(cells, settings.disease, settings.wild_type)
    margin = np.where(usable(cells, settings.unseen), margin, np.nan)
    table = cells.assign(**{MARGIN: margin})
    by = table.groupby(list(PLACE), sort=False, dropna=False)
    out = by.agg(n_fields=("field_id", "nunique"), n_cells=("field_id", "size"))
    out["n_scored"] = by[MARGIN].count()
    out[MARGIN] = by[MARGIN].median()
    treatment = by[settings.treatment].first()
    _check_one(by[settings.treatment].nunique(dropna=False), settings.treatment)
    out.insert(0, settings.treatment, treatment)
    dose = dose_column(cells, settings.dose)
    out.insert(1, "dose", by[dose].first().astype(float) if dose else np.nan)
    out = pd.concat([out, by[list(dict.fromkeys(features))].median()], axis=1) if features else out
    return _by_place(out.reset_index())


def dose_column(table: pd.DataFrame, wanted: str) -> str:
    """The column of doses; an empty string for none.

    Raises
    ------
    UsageError
        No such column, or one that holds no numbers.
    """
    if wanted == "none":
        return ""
    if wanted == "auto":
        found = [str(name) for name in table.columns if DOSE.search(str(name))]
        found = [name for name in found if pd.api.types.is_numeric_dtype(table[name])]
        return found[0] if found else ""
    if wanted not in table:
        raise unknown("column of doses", wanted, [str(name) for name in table.columns][:16])
    if not pd.api.types.is_numeric_dtype(table[wanted]):
        raise UsageError(f"column {wanted!r} holds no numbers; doses are numbers in one unit.")
    return wanted


def _check_one(distinct: pd.Series, column: str) -> None:
    mixed = distinct[distinct > 1]
    if len(mixed):
        place = mixed.index[0]
        raise UsageError(
            f"well {place[1]} of plate {place[0] or '(no name)'} has {int(mixed.iloc[0])} values "
            f"of {column!r}; a well has one treatment."
        )


def _by_place(table: pd.DataFrame) -> pd.DataFrame:
    keys = [(str(p), well_sort_key(str(w))) for p, w in zip(table["plate"], table["well"],
                                                            strict=True)]  # fmt: skip
    order = sorted(range(len(table)), key=keys.__getitem__)
    return table.iloc[order].reset_index(drop=True)
