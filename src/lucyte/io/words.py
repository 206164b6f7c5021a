"""Tables in which some columns are words: a class called None or NA is a class."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd


def read_csv_words(path: Path, words: Collection[str]) -> pd.DataFrame:
    """Read a CSV as pandas does, but for the columns of words, which are taken as they are.

    There only an empty cell is missing; pandas would take ``None`` and ``NA`` for missing, too.

    Parameters
    ----------
    path : Path
    words : collection of str
        Names of columns; those that the table lacks are passed over.
    """
    names = [str(name) for name in pd.read_csv(path, nrows=0).columns]
    own = [name for name in names if name in words]
    return pd.read_csv(path, dtype=dict.fromkeys(own, str), keep_default_na=False, na_values={
        name: [""] if name in own else list(STANDARD) for name in names
    })  # fmt: skip


STANDARD = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
"""What pandas takes for missing."""
