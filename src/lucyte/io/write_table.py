"""Tables to Parquet and back, with the same bytes for the same table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lucyte.io.atomic import atomic_path
from lucyte.schema.errors import InputError, UsageError, unknown

ROWS_PER_GROUP = 65536


def write_parquet(df: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet; equal tables give equal bytes with the same pyarrow.

    The index is not written, nor anything that names a time, a machine or a pandas version.
    Text columns that hold None keep it as null; a column of nothing but None becomes text.

    Parameters
    ----------
    df : DataFrame
        Unique text column names, one type per column.
    path : str or Path

    Raises
    ------
    UsageError
        A column that mixes types or a name that stands twice; the message names it.
    """
    import pyarrow.parquet as pq

    table = _arrow(df, path)
    with atomic_path(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=3,
            row_group_size=ROWS_PER_GROUP,
            version="2.6",
            store_schema=True,
        )


def read_parquet(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table that ``write_parquet`` wrote.

    Parameters
    ----------
    path : str or Path
    columns : sequence of str, optional
        Only these, in this order.

    Raises
    ------
    InputError
        Not there, or not a whole Parquet file.
    UsageError
        A column that the table does not have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in columns or ():
                if name not in names:
                    raise unknown("column", name, names, f"In {path}.")
            table = file.read(columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise InputError(path, "no such table.") from None
    except (pa.ArrowException, OSError) as error:
        detail = str(error).splitlines()[0]
        raise InputError(path, f"is not a whole Parquet file: {detail}") from None
    frame: pd.DataFrame = table.to_pandas()
    return frame if columns is None else frame[list(columns)]


def _arrow(df: pd.DataFrame, path: str | Path) -> Any:
    import pyarrow as pa

    names = [str(name) for name in df.columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError(f"{path}: column {doubled[0]!r} stands twice; name every column once.")
    arrays = []
    for position, name in enumerate(names):
        try:
            array = pa.Array.from_pandas(df.iloc[:, position])
        except (pa.ArrowException, TypeError, ValueError) as error:
            detail = str(error).splitlines()[0]
            raise UsageError(f"{path}: column {name!r} holds mixed types: {detail}") from None
        if pa.types.is_null(array.type):
            array = array.cast(pa.large_string())
        arrays.append(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)
    return pa.table(arrays, names=names)
