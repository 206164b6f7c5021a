"""Feature columns to comparable numbers, with everything learned from training rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
Scale = Literal["robust", "standard"]

IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class Scaling:
    """How raw feature columns become standard ones.

    Attributes
    ----------
    features : tuple of F str
        Columns kept, in order.
    centre, scale : float array F
        Standard value = (raw - centre) / scale, in the column's own unit.
    fill : float array F
        The training median, put where a value is missing.
    clip : float
        Standard values are kept within plus and minus this.
    refused : mapping of column to reason
        Columns that were offered but cannot be used.
    missing : mapping of column to int
        Training rows in which a kept column was missing and was filled.
    """

    features: tuple[str, ...]
    centre: Floats
    scale: Floats
    fill: Floats
    clip: float = 6.0
    refused: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)

    def apply(self, table: pd.DataFrame) -> Floats:
        """Standard values, rows of ``table`` by ``features``.

        A missing value becomes the training median's; a row in which every column is missing
        stays nan, for nothing is known of it.

        Raises
        ------
        UsageError
            A column that the model needs is not in the table.
        """
        raw = numbers(table, self.features)
        known = np.isfinite(raw)
        standard = (np.where(known, raw, self.fill) - self.centre) / self.scale
        standard = np.clip(standard, -self.clip, self.clip)
        standard[~known.any(axis=1), :] = np.nan
        return standard


def fit_scaling(
    table: pd.DataFrame,
    columns: Sequence[str],
    kind: Scale = "robust",
    max_missing: float = 0.2,
    clip: float = 6.0,
) -> Scaling:
    """Learn centre and scale of each column that can be used.

    Parameters
    ----------
    table : DataFrame
        Training rows.
    columns : sequence of str
        Columns on offer.
    kind : {"robust", "standard"}
        Median and interquartile range (as the standard deviation of a normal), or mean and
        standard deviation. Where the range is 0 the deviation stands in.
    max_missing : float
        A column missing in a larger share of the rows is refused.
    clip : float
        In standard units.

    Raises
    ------
    UsageError
        No column is left; the first reasons are given.
    """
    if kind not in ("robust", "standard"):
        raise unknown("kind of scaling", kind, ["robust", "standard"])
    raw = numbers(table, columns)
    known = np.isfinite(raw)
    refused: dict[str, str] = {}
    kept: list[int] = []
    centre, scale, fill = (np.zeros(len(columns)) for _ in range(3))
    whole = np.asarray(known.all(axis=0)) if len(raw) else np.zeros(len(columns), dtype=np.bool_)
    fill[whole] = np.median(raw[:, whole], axis=0) if whole.any() else 0.0
    if kind == "robust" and whole.any():
        low, centre[whole], high = np.percentile(raw[:, whole], [25, 50, 75], axis=0)
        scale[whole] = (high - low) / IQR_OF_NORMAL
    for at, name in enumerate(columns):
        values = raw[known[:, at], at]
        gaps = 1 - len(values) / max(len(raw), 1)
        if gaps > max_missing or not len(values):
            refused[name] = f"missing in {gaps:.0%} of the objects learned from"
            continue
        if not whole[at]:
            fill[at] = np.median(values)
        if scale[at] == 0:
            centre[at], scale[at] = _centre_and_scale(values, kind)
        # Rounding alone gives a constant column a deviation of about 1e-16 of its value.
        if scale[at] <= 1e-12 * max(1e-300, float(np.abs(values).max())):
            refused[name] = "the same in all objects learned from"
            continue
        kept.append(at)
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(refused.items())[:3])
        raise UsageError(f"no feature column can be used ({reasons or 'none were given'}).")
    missing = {columns[at]: int((~known[:, at]).sum()) for at in kept if not known[:, at].all()}
    names = tuple(columns[at] for at in kept)
    return Scaling(names, centre[kept], scale[kept], fill[kept], clip, refused, missing)


def numbers(table: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """These columns as floats, ``N x F``; nan where missing or infinite.

    Raises
    ------
    UsageError
        A column that is not there or does not hold numbers.
    """
    plain = _all_numbers(table, columns)
    if plain is not None:
        return plain
    out = np.empty((len(table), len(columns)))
    for at, name in enumerate(columns):
        if name not in table.columns:
            raise unknown("feature column", name, [str(each) for each in table.columns][:12])
        try:
            out[:, at] = pd.to_numeric(table[name]).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            example: Any = table[name].iloc[0]
            raise UsageError(
                f"feature column {name!r} does not hold numbers (for example {example!r})."
            ) from None
    out[~np.isfinite(out)] = np.nan
    return out


def _all_numbers(table: pd.DataFrame, columns: Sequence[str]) -> Floats | None:
    """`numbers` in one step where every column of the table is of floats or whole numbers."""
    if not table.columns.is_unique:
        return None
    at = table.columns.get_indexer(pd.Index(columns))
    plain = all(isinstance(kind, np.dtype) and kind.kind in "fiu" for kind in table.dtypes)
    if not plain or (at < 0).any():
        return None
    out: Floats = table.to_numpy(dtype=np.float64)[:, at]
    out[~np.isfinite(out)] = np.nan
    return out


def _centre_and_scale(values: Floats, kind: Scale) -> tuple[float, float]:
    if kind == "robust":
        low, middle, high = np.percentile(values, [25, 50, 75])
        if high > low:
            return float(middle), float((high - low) / IQR_OF_NORMAL)
        return float(middle), float(values.std())
    return float(values.mean()), float(values.std())
