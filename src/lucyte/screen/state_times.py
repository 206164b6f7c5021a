"""How long cells stay in a state, how often they switch, and whether it runs in families.

Everything is worked out per independent unit first; across units n counts units, never cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.screen.state_looks import Looks, StateTimesSettings, prepare_looks, unit_conditions
from lucyte.screen.state_sisters import sister_tables
from lucyte.stats.dwell import first_passage, spells
from lucyte.stats.intervals import Interval, unit_mean_interval, unit_proportion_interval
from lucyte.stats.multiplicity import holm
from lucyte.stats.permutation import permutation_test, sign_flip_test
from lucyte.stats.survival import SurvivalCurve, kaplan_meier, turnbull
from lucyte.stats.transitions import (
    TransitionFit,
    apparent_rates,
    certain,
    from_probabilities,
    transition_rates,
    with_errors,
)

GRID = 60
"""Times at which curves are given."""
GAP = 1.5
"""Usual intervals from which the time between two frames is a gap."""
ALPHA = 0.05


@dataclass(frozen=True)
class StateTimes:
    """States over time, per unit and across units.

    Attributes
    ----------
    spells : DataFrame
        One row per stretch of one state: see `lucyte.stats.dwell.spells`, with ``unit,
        condition``.
    unit_rates : DataFrame
        ``unit, condition, source, target, rate_per_h, log_error, seen, watched_h, tracks``.
    rates : DataFrame
        ``condition, source, target, estimate, low, high, n, method, seen, watched_h``: per hour,
        mean over units; low and high are nan where n is too small for an interval.
    curves : DataFrame
        ``kind`` (``dwell`` or ``passage``), ``state, condition, unit`` (empty: the mean of the
        units), ``time_h, survival, low, high, n``.
    sisters : DataFrame
        ``what`` (``state`` or ``dwell``), ``age_h, condition, correlation, low, high, n, pairs,
        chance, p, smallest_p``.
    sister_pairs : DataFrame
        ``unit, condition, what, age_h, first, second``: the values behind it, unit means off.
    comparisons : DataFrame
        ``measure, reference, condition, difference, low, high, p, p_holm, smallest_p, n,
        verdict``.
    covariates : DataFrame
        Per unit: ``frames, gaps, longest_gap_h, watched_h, exposures, tracks, looks_per_track,
        unknown_share``.
    light : DataFrame
        ``condition, source, target, n, difference_per_h`` (late half of the exposures minus early
        half, within units), ``p, smallest_p``.
    notes : tuple of str
        What a reader must know before believing any of it.
    """

    spells: pd.DataFrame
    unit_rates: pd.DataFrame
    rates: pd.DataFrame
    curves: pd.DataFrame
    sisters: pd.DataFrame
    sister_pairs: pd.DataFrame
    comparisons: pd.DataFrame
    covariates: pd.DataFrame
    light: pd.DataFrame
    notes: tuple[str, ...]


def state_times(objects: pd.DataFrame, settings: StateTimesSettings | None = None) -> StateTimes:
    """Dwell times, switching rates, first passage, sisters and covariates of tracked states.

    Parameters
    ----------
    objects : DataFrame
        Objects of one kind with tracks and states: ``object_id, track_id, parent_track_id,
        state``, optionally ``p_<class>``, ``condition``, the columns of the unit, and ``time_s``
        or ``time_index`` (with ``settings.interval_s``).
    settings : StateTimesSettings, optional

    Raises
    ------
    UsageError
        See `lucyte.screen.state_looks.prepare_looks`.
    """
    settings = settings or StateTimesSettings()
    looks = prepare_looks(objects, settings)
    units = unit_conditions(looks.table)
    unit_rates = _unit_rates(looks, looks.table, settings)
    stays = _spells(looks, settings)
    curves, summaries = _curves(looks, stays, units, settings)
    sisters, pairs, by_unit = sister_tables(looks, stays, settings)
    measured = pd.concat([_as_measures(unit_rates), summaries, by_unit], ignore_index=True)
    return StateTimes(
        spells=stays,
        unit_rates=unit_rates,
        rates=_across(unit_rates, settings),
        curves=curves,
        sisters=sisters,
        sister_pairs=pairs,
        comparisons=_comparisons(measured, looks.conditions, settings),
        covariates=_covariates(looks),
        light=_light(looks, settings),
        notes=_notes(looks, unit_rates, settings),
    )


def _evidence(
    rows: pd.DataFrame, looks: Looks, settings: StateTimesSettings
) -> npt.NDArray[np.float64]:
    columns = [f"p_{name}" for name in looks.classes]
    if settings.prior is not None:
        if not set(columns) <= set(rows):
            raise UsageError(f"prior was given, but not all of {', '.join(columns)} are there.")
        return from_probabilities(rows[columns].to_numpy(np.float64), settings.prior)
    index = rows["state_index"].to_numpy(np.int64)
    if settings.confusion is not None:
        return with_errors(index, settings.confusion)
    return certain(index, len(looks.classes))


def _fit(rows: pd.DataFrame, looks: Looks, settings: StateTimesSettings) -> TransitionFit | None:
    """Rates of one unit, or None where no cell was looked at twice."""
    rows = rows[rows["state_index"] >= 0] if settings.prior is None else rows
    if rows.empty or rows.groupby("track").size().max() < 2:
        return None
    return transition_rates(rows["track"], rows["time_h"], _evidence(rows, looks, settings))


def _unit_rates(looks: Looks, table: pd.DataFrame, settings: StateTimesSettings) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for (unit, condition), own in table.groupby(["unit", "condition"], sort=True):
        fit = _fit(own, looks, settings)
        for i, source in enumerate(looks.classes):
            for j, target in enumerate(looks.classes):
                if i != j:
                    rows.append(
                        {
                            "unit": unit,
                            "condition": condition,
                            "source": source,
                            "target": target,
                            "rate_per_h": fit.rates[i, j] if fit else np.nan,
                            "log_error": fit.log_error[i, j] if fit else np.nan,
                            "seen": int(fit.seen[i, j]) if fit else 0,
                            "watched_h": fit.watched[i] if fit else 0.0,
                            "tracks": fit.n_tracks if fit else 0,
                        }
                    )
    return pd.DataFrame(rows)


def _across(unit_rates: pd.DataFrame, settings: StateTimesSettings) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for (condition, source, target), own in unit_rates.groupby(
        ["condition", "source", "target"], sort=False
    ):
        known = own[np.isfinite(own["rate_per_h"])]
        row = {"condition": condition, "source": source, "target": target}
        row |= _mean(known["rate_per_h"], known["unit"], settings)
        row |= {"seen": int(own["seen"].sum()), "watched_h": float(own["watched_h"].sum())}
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(
    values: pd.Series, units: pd.Series, settings: StateTimesSettings, lowest: float = 0.0
) -> dict[str, Any]:
    """An interval over units in the words of a table; a rate is not below 0."""
    if values.empty:
        nan = {"estimate": np.nan, "low": np.nan, "high": np.nan}
        return nan | {"n": 0, "method": "not seen in any unit"}
    told = unit_mean_interval(
        values.to_numpy(np.float64), units.to_numpy(str), settings.level, settings.seed
    )
    low = np.nan if told.low is None else max(told.low, lowest)
    high = np.nan if told.high is None else told.high
    return {
        "estimate": told.estimate,
        "low": low,
        "high": high,
        "n": told.n,
        "method": told.method,
    }


def _spells(looks: Looks, settings: StateTimesSettings) -> pd.DataFrame:
    table = looks.table
    found = spells(
        table["track"], table["time_h"], table["state"], looks.births_h, settings.longest_gap_h
    )
    named = table.drop_duplicates("track").set_index("track")[["unit", "condition", "movie"]]
    return found.join(named, on="track")


def _curves(
    looks: Looks, stays: pd.DataFrame, units: Mapping[str, str], settings: StateTimesSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves for drawing, and one number per unit for comparing."""
    parts: list[pd.DataFrame] = []
    numbers: list[dict[str, Any]] = []
    whole = stays[stays["start_seen"]]
    for state in looks.classes:
        held = whole[whole["state"] == state]
        known = {
            str(unit): kaplan_meier(own["duration_h"], own["end_seen"])
            for unit, own in held.groupby("unit", sort=True)
        }
        ends = {str(unit): float(own["duration_h"].max()) for unit, own in held.groupby("unit")}
        label = f"mean stay in {state} within"
        _add(parts, numbers, ("dwell", state, label), known, ends, units, settings)
    target = looks.classes[looks.target]
    known, ends = _passages(looks)
    label = f"mean time outside {target} within"
    _add(parts, numbers, ("passage", target, label), known, ends, units, settings)
    return pd.concat(parts, ignore_index=True), pd.DataFrame(numbers)


def _passages(looks: Looks) -> tuple[dict[str, SurvivalCurve], dict[str, float]]:
    """First passage of the cells that were there from the first frame on, by unit."""
    table = looks.table
    first = table.groupby("movie")["time_h"].transform("min")
    began = table.groupby("track")["time_h"].transform("min")
    known = table[(began == first) & (table["state_index"] >= 0) & (table["parent"] < 0)]
    curves: dict[str, SurvivalCurve] = {}
    ends: dict[str, float] = {}
    for unit, own in known.groupby("unit", sort=True):
        inside = own["state_index"] == looks.target
        found = first_passage(own["track"], own["time_h"], inside)
        found = found[(found["kind"] != "already") & (found["upper_h"] > found["lower_h"])]
        found = found[found["lower_h"] >= 0]
        if len(found):
            curves[str(unit)] = turnbull(found["lower_h"], found["upper_h"])
            finite = found["upper_h"].replace(np.inf, np.nan).max()
            ends[str(unit)] = float(np.nanmax([finite, found["lower_h"].max()]))
    return curves, ends


def _add(
    parts: list[pd.DataFrame],
    numbers: list[dict[str, Any]],
    what: tuple[str, str, str],
    known: Mapping[str, SurvivalCurve],
    ends: Mapping[str, float],
    units: Mapping[str, str],
    settings: StateTimesSettings,
) -> None:
    """The curve of each unit, their mean per condition, and restricted means to one horizon."""
    kind, state, label = what
    if not known:
        return
    grid = np.linspace(0, max(ends.values()), GRID + 1)
    horizon = min(ends.values())
    values = {unit: np.where(grid <= ends[unit], c.at(grid), np.nan) for unit, c in known.items()}
    empty = np.full(len(grid), np.nan)
    for unit, survival in values.items():
        own = _curve(kind, state, units[unit], unit, grid, survival, empty, empty)
        parts.append(own.assign(n=known[unit].n))
        mean = known[unit].restricted_mean(horizon)
        name = f"{label} {horizon:.3g} h"
        numbers.append({"measure": name, "unit": unit, "condition": units[unit], "value": mean})
    for condition in sorted(set(units.values())):
        here = {unit: each for unit, each in values.items() if units[unit] == condition}
        if here:
            parts.append(_mean_curve(kind, state, condition, grid, here, settings))


def _mean_curve(
    kind: str,
    state: str,
    condition: str,
    grid: npt.NDArray[np.float64],
    here: Mapping[str, npt.NDArray[np.float64]],
    settings: StateTimesSettings,
) -> pd.DataFrame:
    """Mean of the units while all of them are watched; limits over units where there are six."""
    stacked = np.stack(list(here.values()))
    whole = np.isfinite(stacked).all(axis=0)
    told = [
        unit_proportion_interval(column, list(here), settings.level) for column in stacked.T[whole]
    ]
    limits = [_limits(each) for each in told]
    mean, low, high = np.array(limits, dtype=np.float64).reshape(-1, 3).T
    curve = _curve(kind, state, condition, "", grid[whole], mean, low, high)
    return curve.assign(n=len(here))


def _limits(told: Interval) -> tuple[float, float, float]:
    """Mean and limits; none while nothing has happened in any unit, where 1 is no estimate."""
    if told.low is None or told.high is None or told.estimate == 1:
        return told.estimate, np.nan, np.nan
    return told.estimate, told.low, told.high


def _curve(
    kind: str,
    state: str,
    condition: str,
    unit: str,
    grid: npt.NDArray[np.float64],
    survival: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": kind,
            "state": state,
            "condition": condition,
            "unit": unit,
            "time_h": grid,
            "survival": survival,
            "low": low,
            "high": high,
        }
    )


def _as_measures(unit_rates: pd.DataFrame) -> pd.DataFrame:
    names = unit_rates["source"] + " to " + unit_rates["target"] + " per h"
    return pd.DataFrame(
        {
            "measure": names,
            "unit": unit_rates["unit"],
            "condition": unit_rates["condition"],
            "value": unit_rates["rate_per_h"],
        }
    )


def _comparisons(
    measured: pd.DataFrame, conditions: Sequence[str], settings: StateTimesSettings
) -> pd.DataFrame:
    """Each condition against the reference; labels of whole units are exchanged."""
    rows: list[dict[str, Any]] = []
    for measure, own in measured[np.isfinite(measured["value"])].groupby("measure", sort=False):
        for condition in conditions[1:]:
            pair = own[own["condition"].isin([conditions[0], condition])]
            if pair["condition"].nunique() == 2:
                row = {"measure": measure, "reference": conditions[0], "condition": condition}
                rows.append(row | _compare(pair, condition, settings))
    table = pd.DataFrame(rows)
    if len(table):
        table.insert(6, "p_holm", holm(table["p"]))
        table["verdict"] = [
            _verdict(p, floor)
            for p, floor in zip(table["p_holm"], table["smallest_p"], strict=True)
        ]
    return table


def _compare(pair: pd.DataFrame, condition: str, settings: StateTimesSettings) -> dict[str, Any]:
    values = pair["value"].to_numpy(np.float64)
    labels = (pair["condition"] == condition).to_numpy()

    def difference(second: npt.NDArray[Any]) -> float:
        chosen = second.astype(bool)
        return float(values[chosen].mean() - values[~chosen].mean())

    told = permutation_test(
        difference, labels.tolist(), permutations=settings.permutations, seed=settings.seed
    )
    return {
        "difference": told.observed,
        "p": told.p,
        "smallest_p": told.smallest_p,
        "n": len(values),
    }


def _verdict(p: float, smallest: float) -> str:
    if smallest > ALPHA:
        return f"inconclusive: these units cannot give p below {smallest:.2g}"
    return "differs" if p <= ALPHA else "no difference shown"


def _covariates(looks: Looks) -> pd.DataFrame:
    """What each unit was looked at with: frames, gaps, light."""
    rows = []
    for (unit, condition), own in looks.table.groupby(["unit", "condition"], sort=True):
        passed = [
            np.diff(np.unique(movie["time_h"])) for _, movie in own.groupby("movie", sort=True)
        ]
        steps = np.concatenate(passed) if passed else np.empty(0)
        gaps = steps > GAP * looks.interval_h
        rows.append(
            {
                "unit": unit,
                "condition": condition,
                "frames": int(own["exposures"].max()) + 1,
                "gaps": int(gaps.sum()),
                "longest_gap_h": float(steps.max(initial=0.0)),
                "watched_h": float(own["time_h"].max() - own["time_h"].min()),
                "exposures": int(own["exposures"].max()) + 1,
                "tracks": int(own["track"].nunique()),
                "looks_per_track": float(own.groupby("track").size().median()),
                "unknown_share": float((own["state_index"] < 0).mean()),
            }
        )
    return pd.DataFrame(rows)


def _light(looks: Looks, settings: StateTimesSettings) -> pd.DataFrame:
    """Do cells switch otherwise after much light? Late against early half, within each unit.

    The later half is also later after treatment: a difference may be either, none speaks against
    both.
    """
    table = looks.table
    middle = table["exposures"].max() / 2
    early = _unit_rates(looks, table[table["exposures"] <= middle], settings)
    late = _unit_rates(looks, table[table["exposures"] >= middle], settings)
    both = early.merge(late, on=["unit", "condition", "source", "target"], suffixes=("", "_late"))
    both["difference"] = both["rate_per_h_late"] - both["rate_per_h"]
    rows: list[dict[str, Any]] = []
    for (condition, source, target), own in both.groupby(
        ["condition", "source", "target"], sort=False
    ):
        known = own.loc[np.isfinite(own["difference"]), "difference"].to_numpy(np.float64)
        row = {"condition": condition, "source": source, "target": target, "n": len(known)}
        told = sign_flip_test(known.tolist(), seed=settings.seed) if len(known) else None
        rows.append(
            row
            | {
                "difference_per_h": told.observed if told else np.nan,
                "p": told.p if told else np.nan,
                "smallest_p": told.smallest_p if told else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _notes(looks: Looks, unit_rates: pd.DataFrame, settings: StateTimesSettings) -> tuple[str, ...]:
    """What limits these numbers, in the order of how much."""
    notes = []
    fast = unit_rates[np.isinf(unit_rates["rate_per_h"])]
    if len(fast):
        notes.append(
            f"In {fast['unit'].nunique()} units cells switch faster than frames "
            f"{looks.interval_h:.3g} h apart can tell; those rates are left out of the means."
        )
    if settings.confusion is None and settings.prior is None:
        notes.append(_error_note(looks, unit_rates))
    gaps = _covariates(looks)["gaps"]
    if gaps.any():
        notes.append(
            f"{int((gaps > 0).sum())} of {len(gaps)} units have gaps in imaging; rates allow for "
            "them, dwell times treat a gap as if the state had not changed and changed back."
        )
    notes.append(
        "Divisions, deaths and departures end a spell unseen (censored). Where the state itself "
        "makes a cell die or leave, dwell times are biased."
    )
    return tuple(notes)


def _error_note(looks: Looks, unit_rates: pd.DataFrame) -> str:
    """How far the rates would be off at 2 % of errors, since none were allowed for."""
    intro = "States are taken as free of error (no confusion matrix)."
    if len(looks.classes) != 2:
        return f"{intro} Each error looks like two switches: rates are too high by about 2 errors "\
            "per interval."  # fmt: skip
    finite = unit_rates[np.isfinite(unit_rates["rate_per_h"])]
    means = finite.groupby(["source", "target"])["rate_per_h"].mean()
    a, b = looks.classes
    q = np.full((2, 2), np.nan)
    q[0, 1], q[1, 0] = float(means.get((a, b), 0.0)), float(means.get((b, a), 0.0))
    seen = apparent_rates(q, np.array([[0.98, 0.02], [0.02, 0.98]]), looks.interval_h)
    return (
        f"{intro} With 2 % of errors, rates of {q[0, 1]:.3g} and {q[1, 0]:.3g} per h would look "
        f"like {seen[0, 1]:.3g} and {seen[1, 0]:.3g}."
    )
