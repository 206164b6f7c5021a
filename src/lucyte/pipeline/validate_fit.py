"""Which scores fit the problem: its fingerprint, the recommended set, warnings and pitfalls."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.accuracy.fingerprint import Fingerprint, Known, fingerprint_of
from lucyte.evidence.accuracy.fit import unfit
from lucyte.evidence.accuracy.pitfalls import Pitfall, pitfalls
from lucyte.evidence.accuracy.recommend import Recommended, criteria, recommend
from lucyte.evidence.accuracy.state_scores import Stated, score_interval, state_scores
from lucyte.pipeline.validated import Comparison
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.stats.boxes import pooled_precision
from lucyte.stats.costs import acting_from, check_costs
from lucyte.stats.froc import alarms_at_sensitivity, froc_score, sensitivity_at_alarms
from lucyte.stats.intervals import Interval, cluster_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Advice:
    """What to report of a comparison.

    Attributes
    ----------
    known : Known or None
        The fingerprint; None for tracking.
    recommended : tuple of Recommended
        Every one of them computed; those of classes once per class.
    criteria : tuple of Recommended
        How objects were located and assigned.
    pitfalls : tuple of Pitfall
    warnings : mapping of score to str
        Why a score that was asked for says little here.
    stated : Stated
        Costs and operating points.
    """

    known: Known | None = None
    recommended: tuple[Recommended, ...] = ()
    criteria: tuple[Recommended, ...] = ()
    pitfalls: tuple[Pitfall, ...] = ()
    warnings: Mapping[str, str] = field(default_factory=dict)
    stated: Stated = field(default_factory=Stated)

    def to_json(self) -> dict[str, Any]:
        """For ``evidence.json``."""
        return {
            "fingerprint": self.known.fingerprint.model_dump() if self.known else None,
            "said": list(self.known.said) if self.known else [],
            "recommended": [vars(each) for each in (*self.recommended, *self.criteria)],
            "pitfalls": [vars(each) for each in self.pitfalls],
            "warnings": dict(self.warnings),
        }


def advise(
    task: str,
    found: Comparison,
    said: tuple[Path | None, Path | None],
    tolerance_px: float,
) -> Advice:
    """Take the fingerprint and derive what to report.

    Parameters
    ----------
    task : str
    found : Comparison
    said : tuple of (fingerprint TOML or None, costs CSV or None)
    tolerance_px : float

    Raises
    ------
    InputError, UsageError
        A fingerprint or costs that are none.
    """
    path, costs_path = said
    told = read_fingerprint(path) if path else {}
    costs = None
    if costs_path is not None:
        if found.answers is None:
            raise UsageError(f"--costs are for --task classification, not {task}.")
        costs = read_costs(costs_path, found.answers.classes)
        told.setdefault("unequal_costs", True)
        threshold = acting_from(costs)
        if threshold is not None:
            told.setdefault("threshold", threshold)
    known = fingerprint_of(task, found.measured, told, str(path or ""))
    if known is None:
        return Advice()
    problem = known.fingerprint
    return Advice(
        known,
        recommend(problem, found.measured),
        criteria(problem),
        pitfalls(problem, found.measured, tolerance_px),
        {},
        Stated(costs, problem.beta, problem.threshold, problem.target_specificity),
    )


def stated_scores(found: Comparison, advice: Advice) -> tuple[dict[str, float], dict[str, str]]:
    """Pooled scores that depend on the fingerprint or the costs; and why some are undefined."""
    if advice.known is None:
        return {}, {}
    problem = advice.known.fingerprint
    if found.answers is not None:
        told = state_scores(found.answers, advice.stated)
        return (
            {name: score.value for name, score in told.items()},
            {name: score.undefined for name, score in told.items() if score.undefined},
        )
    if not found.hits:
        return {}, {}
    out, why = {}, {}
    if problem.alarms_per_image is not None:
        out["sensitivity_at_alarms"] = sensitivity_at_alarms(found.hits, problem.alarms_per_image)
    if problem.target_sensitivity is not None:
        name = "alarms_at_sensitivity"
        out[name] = alarms_at_sensitivity(found.hits, problem.target_sensitivity)
        why[name] = f"the sensitivity never reaches {problem.target_sensitivity:g}"
    return out, {name: text for name, text in why.items() if not np.isfinite(out[name])}


def pooled_interval(name: str, found: Comparison, advice: Advice) -> Interval | None:
    """The interval of a score that is taken over all rows at once; None where it is not."""
    units = found.table[found.unit].astype(str).to_numpy(dtype=str)
    if found.answers is not None:
        return score_interval(name, found.answers, units, advice.stated)
    problem = advice.known.fingerprint if advice.known else None
    if not found.hits or problem is None or name not in OF_HITS:
        return None
    return cluster_interval(
        lambda rows: OF_HITS[name]([found.hits[k] for k in rows], problem), units, resamples=499
    )


OF_HITS: Mapping[str, Any] = {
    "mAP50": lambda hits, _: pooled_precision(hits)["mAP50"],
    "mAP50-95": lambda hits, _: pooled_precision(hits)["mAP50-95"],
    "froc": lambda hits, _: froc_score(hits),
    "sensitivity_at_alarms": lambda hits, p: sensitivity_at_alarms(hits, p.alarms_per_image),
    "alarms_at_sensitivity": lambda hits, p: alarms_at_sensitivity(hits, p.target_sensitivity),
}
"""Scores of boxes over all images, from their hits and the fingerprint."""


FEW_CLASSES, LOWEST = 4, 3


def chosen(
    recommended: Iterable[Recommended], asked: Iterable[str], rows: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Scores to show and why: those asked for, then the recommended ones.

    Of a score per class every class is shown, or of many classes the lowest three.

    Raises
    ------
    UsageError
        A score that was asked for and that this task does not have.
    """
    held = list(rows)
    out: dict[str, str] = {}
    for name in asked:
        own = [each for each in held if each == name or each.startswith(f"{name}:")]
        if not own:
            raise unknown("metric", name, held)
        out |= dict.fromkeys(own, "asked for")
    for row in recommended:
        own = [
            each
            for each in held
            if each == row.metric or (row.metric[-1] == ":" and each.startswith(row.metric))
        ]
        why = row.why
        if len(own) > FEW_CLASSES:
            why = f"among the lowest of {len(own)}: {row.why}"
            own = sorted(own, key=lambda name: _value(rows[name]))[:LOWEST]
        for each in own:
            out[each] = why if out.get(each) is None else f"asked for; {why}"
    return out


def _value(row: Mapping[str, Any]) -> float:
    return math.inf if row["pooled"] is None else float(row["pooled"])


def warned(asked: Iterable[str], problem: Fingerprint | None, found: Comparison) -> dict[str, str]:
    """Why scores that were asked for say little here."""
    if problem is None:
        return {}
    told = {name: unfit(name, problem, found.measured) for name in asked}
    return {name: why for name, why in told.items() if why}


def read_fingerprint(path: Path) -> dict[str, Any]:
    """Fields of a fingerprint from TOML.

    Raises
    ------
    InputError
        No such file, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as a fingerprint: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, f"is not valid TOML: {error}.") from None


def read_costs(path: Path, classes: tuple[str, ...]) -> Floats:
    """Costs ``truth x answer`` from a CSV: true classes down the first column, answers across.

    Raises
    ------
    InputError
        No table, other class names, no numbers.
    """
    advice = f"Give a CSV with a row and a column for each of {', '.join(classes)}."
    try:
        table = pd.read_csv(path, index_col=0)
    except (OSError, ValueError) as error:
        raise InputError(
            path, f"cannot be read as CSV ({str(error).splitlines()[0]}).", advice
        ) from None
    rows, columns = ([str(name) for name in axis] for axis in (table.index, table.columns))
    for what, names in (("row", rows), ("column", columns)):
        lacking = [name for name in classes if name not in names]
        if lacking or len(names) != len(classes):
            raise InputError(path, f"has the {what}s {', '.join(names) or 'none'}.", advice)
    table.index, table.columns = pd.Index(rows), pd.Index(columns)
    try:
        values = table.loc[list(classes), list(classes)].to_numpy(dtype=np.float64)
        return check_costs(values, len(classes))
    except (ValueError, UsageError) as error:
        raise InputError(path, f"holds costs that are none: {error}", advice) from None
