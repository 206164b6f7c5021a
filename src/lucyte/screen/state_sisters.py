"""Sisters: are their states and stays more alike than those of any two cells of the well?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.screen.state_looks import Looks, StateTimesSettings
from lucyte.stats.inheritance import sister_test
from lucyte.stats.intervals import unit_mean_interval

AGES = 6
"""Ages at which sisters are compared, from birth to the median length of their time together."""
FEWEST_PAIRS = 4
"""Pairs of a unit below which its own correlation is not taken as a value."""
PAIR_COLUMNS = ["unit", "condition", "what", "age_h", "first", "second"]


def sister_tables(
    looks: Looks, stays: pd.DataFrame, settings: StateTimesSettings
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Correlations by age and condition, the pairs behind them, and one value per unit.

    A state is 1 in the target and 0 elsewhere, less the share of the unit's cells in the target
    at that time: a whole well that changes at once is no inheritance. A stay is the logarithm of
    the first complete spell after birth, less the unit's mean; pairs of which one is censored are
    left out, so long stays are missing and the correlation is a lower bound.

    Returns
    -------
    tuple of DataFrame
        ``sisters``, ``sister_pairs`` as in `lucyte.screen.state_times.StateTimes`, and
        ``measure, unit, condition, value``.
    """
    daughters = _daughters(looks)
    pairs = pd.concat([_states(looks, daughters), _stays(stays, daughters)], ignore_index=True)
    rows: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    for (what, age), own in pairs.groupby(["what", "age_h"], sort=True, dropna=False):
        for condition, mine in own.groupby("condition", sort=True):
            row, values = _tested(mine, settings)
            rows.append({"what": what, "age_h": age, "condition": condition} | row)
            if what == "state" and age == 0:
                name = "sisters' correlation at birth"
                numbers += [
                    {"measure": name, "unit": unit, "condition": condition, "value": value}
                    for unit, value in values.items()
                ]
    columns = ["measure", "unit", "condition", "value"]
    return pd.DataFrame(rows), pairs, pd.DataFrame(numbers, columns=columns)


def _daughters(looks: Looks) -> pd.DataFrame:
    """``mother, first, second, birth_h, unit, condition`` of every pair of which both were seen."""
    tracks = looks.table.drop_duplicates("track")
    tracks = tracks[tracks["parent"] >= 0]
    rows = []
    for mother, own in tracks.groupby("parent", sort=True):
        if len(own) == 2:
            a, b = (int(each) for each in own["track"])
            born = min(looks.births_h[a], looks.births_h[b])
            unit, condition = own["unit"].iloc[0], own["condition"].iloc[0]
            rows.append((int(str(mother)), a, b, born, unit, condition))
    columns = ["mother", "first", "second", "birth_h", "unit", "condition"]
    return pd.DataFrame(rows, columns=columns)


def _states(looks: Looks, daughters: pd.DataFrame) -> pd.DataFrame:
    known = looks.table[looks.table["state_index"] >= 0]
    value = (known["state_index"] == looks.target).astype(np.float64)
    value = value - value.groupby([known["unit"], known["time_h"]]).transform("mean")
    own = {
        int(str(track)): (part["time_h"].to_numpy(np.float64), part["value"].to_numpy(np.float64))
        for track, part in known.assign(value=value)[["track", "time_h", "value"]].groupby("track")
    }
    together = [_together(own, a, b) for a, b in daughters[["first", "second"]].to_numpy()]
    lengths = [times[-1] - times[0] for times, _, _ in together if len(times)]
    if not lengths:
        return pd.DataFrame(columns=PAIR_COLUMNS)
    steps = max(1, round(float(np.median(lengths)) / (AGES - 1) / looks.interval_h))
    ages = np.arange(AGES) * steps * looks.interval_h
    rows = []
    for pair, (times, a, b) in zip(daughters.itertuples(), together, strict=True):
        for age in ages if len(times) else ():
            at = int(np.abs(times - times[0] - age).argmin())
            if abs(times[at] - times[0] - age) < looks.interval_h / 2:
                rows.append((pair.unit, pair.condition, "state", float(age), a[at], b[at]))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _together(
    own: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]], a: int, b: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times at which both sisters were seen, and the value of each."""
    nothing = (np.empty(0), np.empty(0))
    (ta, va), (tb, vb) = own.get(a, nothing), own.get(b, nothing)
    times, ia, ib = np.intersect1d(ta, tb, return_indices=True)
    return times, va[ia], vb[ib]


def _stays(stays: pd.DataFrame, daughters: pd.DataFrame) -> pd.DataFrame:
    born = stays[stays["at_birth"] & stays["end_seen"] & (stays["duration_h"] > 0)]
    log = pd.Series(np.log(born["duration_h"].to_numpy(np.float64)), index=born.index)
    log = log - log.groupby([born["unit"], born["state"]]).transform("mean")
    value: dict[Any, float] = dict(zip(born["track"].astype(int), log, strict=True))
    rows = [
        (pair.unit, pair.condition, "dwell", np.nan, value[pair.first], value[pair.second])
        for pair in daughters.itertuples()
        if pair.first in value and pair.second in value
    ]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _tested(
    own: pd.DataFrame, settings: StateTimesSettings
) -> tuple[dict[str, Any], dict[str, float]]:
    """Correlation, its interval over units, and what exchanging partners within units gives."""
    told = sister_test(
        own["first"], own["second"], own["unit"], settings.permutations, settings.seed
    )
    sizes = own.groupby("unit").size()
    values = {u: r for u, r in told.by_stratum.items() if sizes[u] >= FEWEST_PAIRS}
    row: dict[str, Any] = {"correlation": told.correlation, "low": np.nan, "high": np.nan}
    if values:
        across = unit_mean_interval(list(values.values()), list(values), settings.level)
        row = {
            "correlation": across.estimate,
            "low": np.nan if across.low is None else max(across.low, -1.0),
            "high": np.nan if across.high is None else min(across.high, 1.0),
        }
    row |= {"n": len(values), "pairs": told.n_pairs, "chance": told.chance}
    return row | {"p": told.p, "smallest_p": told.smallest_p}, values
