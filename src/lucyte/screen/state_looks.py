"""States along tracks, made ready: hours, units, one number per track, births."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

NEEDED = ("object_id", "track_id", "parent_track_id", "state")


@dataclass(frozen=True)
class StateTimesSettings:
    """How states over time are asked for.

    Attributes
    ----------
    classes : tuple of str
        The states; any other name is unknown. Empty takes all that occur, sorted.
    target : str
        The state whose first passage, share and inheritance are asked; the last class by default.
    reference : str
        The condition that others are compared with; the first, sorted, by default.
    interval_s : float or None
        Between time indices, where the table has no ``time_s``.
    treated_at_s : float
        When the treatment was given, on the clock of the table; may be negative.
    unit : tuple of str
        Columns that name the independent unit: the level at which the cause was assigned.
    confusion : array (k, k) or None
        Row the true state, column the named one, measured on cells not fitted on.
    prior : tuple of float or None
        Shares of the classes that ``p_<class>`` was calibrated on; given, those columns are the
        evidence.
    longest_gap_h : float
        Over longer gaps no spell is followed.
    level : float
    permutations, seed : int
    """

    classes: tuple[str, ...] = ()
    target: str = ""
    reference: str = ""
    interval_s: float | None = None
    treated_at_s: float = 0.0
    unit: tuple[str, ...] = ("plate", "well")
    confusion: npt.NDArray[np.float64] | None = None
    prior: tuple[float, ...] | None = None
    longest_gap_h: float = float("inf")
    level: float = 0.95
    permutations: int = 1999
    seed: int = 0


@dataclass(frozen=True)
class Looks:
    """One row per cell and look.

    Attributes
    ----------
    table : DataFrame
        ``track, parent`` (numbers unique in the table, -1 for no parent), ``unit, condition,
        movie, time_h, state, state_index`` (-1 unknown), ``exposures`` (frames of its movie
        before), and ``p_<class>`` where there were any.
    births_h : dict of track to hours
        Half way between the mother's last look and the first.
    classes : tuple of str
    target : int
        Index in ``classes``.
    conditions : tuple of str
        The reference first.
    interval_h : float
        Median time between looks of a movie.
    """

    table: pd.DataFrame
    births_h: dict[int, float]
    classes: tuple[str, ...]
    target: int
    conditions: tuple[str, ...]
    interval_h: float


def prepare_looks(objects: pd.DataFrame, settings: StateTimesSettings) -> Looks:
    """Check and number what a run has measured.

    Parameters
    ----------
    objects : DataFrame
        ``object_id, track_id, parent_track_id, state``, the columns of the unit, ``condition``,
        and ``time_s`` or ``time_index``; ``field_id`` where several movies are in it. Objects
        without a track (0 or nan) are left out.

    Raises
    ------
    UsageError
        A column is missing, the time between frames is unknown, a unit holds two conditions, or
        nothing was tracked.
    """
    missing = [name for name in (*NEEDED, *settings.unit, "condition") if name not in objects]
    if missing:
        raise UsageError(
            f"states over time need the column {missing[0]!r}; track and classify first, and name "
            "the unit of treatment (unit=...)."
        )
    tracked = pd.to_numeric(objects["track_id"], errors="coerce").fillna(0) > 0
    own = objects[tracked].reset_index(drop=True)
    if own.empty:
        raise UsageError("no object is in a track; states over time need tracks: lucyte track.")
    names = sorted({str(each) for each in own["state"]} - {"", "nan", "None"})
    classes = settings.classes or tuple(names)
    if len(classes) < 2:
        raise UsageError(f"states over time need two or more states, got {list(classes)}.")
    table = _table(own, classes, settings)
    conditions = tuple(sorted(set(table["condition"])))
    reference = settings.reference or conditions[0]
    if reference not in conditions:
        raise UsageError(f"reference {reference!r} is no condition here: {', '.join(conditions)}.")
    target = settings.target or classes[-1]
    if target not in classes:
        raise UsageError(f"target {target!r} is no state here: {', '.join(classes)}.")
    return Looks(
        table,
        _births(table),
        classes,
        classes.index(target),
        (reference, *(each for each in conditions if each != reference)),
        _usual_interval(table),
    )


def unit_conditions(table: pd.DataFrame) -> dict[str, str]:
    """The one condition of each unit, as a plate is read."""
    pairs = table[["unit", "condition"]].drop_duplicates()
    twice = pairs[pairs.duplicated("unit")]
    if len(twice):
        raise UsageError(
            f"unit {twice['unit'].iloc[0]!r} holds more than one condition; take the level at "
            "which the cause was assigned as the unit (unit=...)."
        )
    return {str(u): str(c) for u, c in sorted(zip(pairs["unit"], pairs["condition"], strict=True))}


def _table(own: pd.DataFrame, classes: Sequence[str], settings: StateTimesSettings) -> pd.DataFrame:
    movie = own["field_id"].astype(str) if "field_id" in own else pd.Series("", own.index)
    unit = own[list(settings.unit)].astype(str).agg("/".join, axis=1).str.strip("/")
    key = pd.MultiIndex.from_arrays([movie, own["track_id"].astype(np.int64)])
    codes, known = pd.factorize(key, sort=True)
    mothers = pd.MultiIndex.from_arrays(
        [movie, pd.to_numeric(own["parent_track_id"]).fillna(0).astype(np.int64)]
    )
    state = own["state"].astype(str)
    index = state.map({name: place for place, name in enumerate(classes)}).fillna(-1)
    table = pd.DataFrame(
        {
            "track": codes,
            "parent": pd.MultiIndex.from_tuples(known).get_indexer(mothers),
            "unit": unit,
            "condition": own["condition"].astype(str),
            "movie": movie,
            "time_h": _hours(own, settings),
            "state": state.where(index >= 0, ""),
            "state_index": index.astype(np.int64),
        }
    )
    table["exposures"] = table.groupby("movie")["time_h"].rank(method="dense").astype(np.int64) - 1
    for name in classes:
        if f"p_{name}" in own:
            table[f"p_{name}"] = own[f"p_{name}"].astype(np.float64)
    unit_conditions(table)
    if table.duplicated(["track", "time_h"]).any():
        twice = own[table.duplicated(["track", "time_h"]).to_numpy()].iloc[0]
        raise UsageError(
            f"track {twice['track_id']} has two objects in one frame ({twice['object_id']}); "
            "give objects of one kind only."
        )
    return table.sort_values(["track", "time_h"], kind="stable").reset_index(drop=True)


def _hours(own: pd.DataFrame, settings: StateTimesSettings) -> pd.Series:
    if "time_s" in own and own["time_s"].notna().all():
        seconds = own["time_s"].astype(np.float64)
    elif settings.interval_s and "time_index" in own:
        seconds = own["time_index"].astype(np.float64) * settings.interval_s
    else:
        raise UsageError(
            "the time between frames is unknown; give interval_s (seconds), or a column time_s."
        )
    return (seconds - settings.treated_at_s) / 3600


def _births(table: pd.DataFrame) -> dict[int, float]:
    ends = table.groupby("track")["time_h"].agg(["first", "last"])
    parents = table.groupby("track")["parent"].first()
    last, first = ends["last"].to_dict(), ends["first"].to_dict()
    born: dict[Any, Any] = parents.to_dict()
    return {
        int(track): float((last[parent] + first[track]) / 2)
        for track, parent in born.items()
        if parent >= 0
    }


def _usual_interval(table: pd.DataFrame) -> float:
    times = table[["movie", "time_h"]].drop_duplicates().sort_values(["movie", "time_h"])
    passed = times.groupby("movie")["time_h"].diff().dropna()
    if passed.empty:
        raise UsageError("there is one frame; states over time need a movie.")
    return float(passed.median())
