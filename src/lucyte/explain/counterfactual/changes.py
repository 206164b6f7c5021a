"""What changed, in the units of the feature table and in words; and against the true twin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.counterfactual.closed_form import Counterfactuals
from lucyte.measure.columns import describe, parse
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Measure = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], pd.DataFrame]
"""Crops ``N C Y X`` of light and masks ``N Y X`` to a table, one row each."""
COUNTS = "_count"
PLAIN = ("intensity_mean", "intensity_max", "spots_count", "spots_area_px", "area_px")
SEEN = 0.25
"""Features that a person sees in the picture are told first, where they change by so many
deviations: quantiles, tails and ratios change with them."""
CLEAR = 0.1
"""A change of a twin counts from this share of the deviation of the feature over the originals."""


def feature_tables(
    made: Counterfactuals, masks: npt.NDArray[np.bool_], measure: Measure
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features before and after, of the same outlines, numeric columns alone.

    Parameters
    ----------
    made : Counterfactuals
    masks : bool array N Y X
        The cell's own px; a counterfactual keeps the outline.
    measure : callable
    """
    at = [made.channels.index(name) for name in made.light]
    before = measure(made.originals[:, at], masks).select_dtypes("number")
    after = measure(made.images[:, at], masks).select_dtypes("number")
    return before.reset_index(drop=True), after.reset_index(drop=True)


def change_words(before: pd.Series, after: pd.Series, spread: pd.Series, most: int = 3) -> str:
    """What changed most in one cell: "number of mRFP spots: 5 more, area +34 %".

    Parameters
    ----------
    before, after : Series
        Features by column name.
    spread : Series
        Deviation of each feature over real cells; what changed by most of these comes first (what
        can be seen before quantiles, tails and ratios), and what changed by less than a tenth of
        one is not told.
    most : int
    """
    size = ((after - before) / spread.where(spread > 0)).abs()
    if not np.isfinite(size).any():
        return "what changed cannot be told: no feature differs between the cells"
    told = size[np.isfinite(size) & (size >= 0.1)].sort_values(ascending=False, kind="stable")
    seen = [name for name in told.index if str(name).startswith(PLAIN) and told[name] >= SEEN]
    order = [*seen, *(name for name in told.index if name not in seen)][:most]
    parts = [_one(str(name), float(before[name]), float(after[name])) for name in order]
    return ", ".join(parts) if parts else "no measured feature changed"


def _one(name: str, before: float, after: float) -> str:
    words = describe(name) if parse(name) else name.replace("_", " ")
    change = after - before
    if COUNTS in name:
        number = round(change)
        many = f"{abs(number)} {'more' if number > 0 else 'fewer'}" if number else "as many"
        return f"{words}: {many}"
    if before > 0 and after >= 0 and not math.isclose(before, 0, abs_tol=1e-9):
        return f"{words} {100 * change / before:+.0f} %".replace(" -", " \u2212")
    return f"{words} {change:+.3g}".replace(" -", " \u2212")


@dataclass(frozen=True)
class TwinError:
    """Counterfactuals beside the same cells as they truly are in the other condition.

    Attributes
    ----------
    table : DataFrame
        One row per feature: ``n`` (cells whose twin changed clearly), ``sign`` (share of them whose
        counterfactual changed to the same side), ``size`` (median of the relative error of the
        change), ``ratio`` (median of the change over the true one).
    sign : float
        Share over all clear changes.
    size : float
        Median relative error over all clear changes.
    image : mapping of channel to (float, float)
        Root mean squared difference to the twin inside the cell: of the counterfactual, and of
        the original, which is what doing nothing would give.
    """

    table: pd.DataFrame
    sign: float
    size: float
    image: dict[str, tuple[float, float]]


def twin_error(
    made: Counterfactuals,
    twins: npt.NDArray[Any],
    masks: npt.NDArray[np.bool_],
    measure: Measure,
    features: Sequence[str],
) -> TwinError:
    """Compare with the true twin, image and features.

    A change is clear where it is at least a tenth of the feature's deviation over the originals.

    Parameters
    ----------
    made : Counterfactuals
    twins : array N C Y X
        The same cells in the other condition, same noise, channels as in ``made``.
    masks : bool array N Y X
    measure : callable
    features : sequence of str
        Chosen beforehand.

    Raises
    ------
    UsageError
        Twins of another form, or a feature that is not measured.
    """
    if twins.shape != made.images.shape:
        raise UsageError(f"twins have shape {twins.shape}, counterfactuals {made.images.shape}.")
    before, after = feature_tables(made, masks, measure)
    at = [made.channels.index(name) for name in made.light]
    true = measure(twins[:, at], masks).reset_index(drop=True)
    missing = [name for name in features if name not in before.columns]
    if missing:
        raise UsageError(f"not measured: {', '.join(missing)}.")
    rows, signs, sizes = [], [], []
    for name in features:
        old = before[name].to_numpy(dtype=np.float64)
        wanted = true[name].to_numpy(dtype=np.float64) - old
        got = after[name].to_numpy(dtype=np.float64) - old
        clear = np.isfinite(wanted) & np.isfinite(got)
        clear &= np.abs(wanted) > CLEAR * np.nanstd(old)
        same = np.sign(got[clear]) == np.sign(wanted[clear])
        error = np.abs(got[clear] - wanted[clear]) / np.abs(wanted[clear])
        signs.append(same)
        sizes.append(error)
        rows.append(
            {
                "feature": name,
                "n": int(clear.sum()),
                "sign": _mean(same.astype(np.float64)),
                "size": _median(error),
                "ratio": _median(got[clear] / wanted[clear]),
            }
        )
    return TwinError(
        pd.DataFrame(rows),
        _mean(np.concatenate(signs).astype(np.float64)),
        _median(np.concatenate(sizes)),
        _image_error(made, twins, masks),
    )


def _image_error(
    made: Counterfactuals, twins: npt.NDArray[Any], masks: npt.NDArray[np.bool_]
) -> dict[str, tuple[float, float]]:
    out = {}
    for name in made.light:
        k = made.channels.index(name)
        true = twins[:, k].astype(np.float64)
        here = [
            float(np.sqrt(np.square(images[:, k].astype(np.float64) - true)[masks].mean()))
            for images in (made.images, made.originals)
        ]
        out[name] = (here[0], here[1])
    return out


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else math.nan
