r"""Falsified, supported or open: a family of hypotheses answered together.

Against its smallest effect :math:`\delta` each member has a two-sided p, the largest alpha whose
interval holds :math:`\delta`. Holm's steps over **all registered members** (p = 1 where one was
not tested) say at which level each interval is drawn.

References
----------
Holm 1979, Scandinavian Journal of Statistics 6:65.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lucyte.evidence.hypothesis.foresight import Foresight, foresee
from lucyte.evidence.hypothesis.ledger import Frozen
from lucyte.evidence.hypothesis.record import CORRELATIONS, Hypothesis
from lucyte.evidence.hypothesis.trial import Trial
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval
from lucyte.stats.multiplicity import holm

Answer = Literal["supported", "falsified", "inconclusive"]
VERDICTS: dict[Answer, Verdict] = {
    "supported": "pass",
    "falsified": "fail",
    "inconclusive": "inconclusive",
}
CAME_OF_IT: dict[str, str] = {
    "supported": "which was supported",
    "falsified": "which was falsified",
    "inconclusive": "which stayed open",
    "": "which was not tested",
}
"""What is said of an earlier hypothesis on the same two things, by its answer."""
FEW_TO_LIST = 12
"""Up to so many units the sentence lists each one where there is no interval."""


@dataclass(frozen=True)
class Judged:
    """One member of a family after correction.

    Attributes
    ----------
    member : Frozen
    trial : Trial
    foresight : Foresight
    interval : Interval
        At ``level``.
    level : float
        Of Holm's step: 1 - alpha / (members not yet decided).
    p_adjusted : float
        Against no effect, after Holm.
    answer : {"supported", "falsified", "inconclusive"}
    members : int
        Registered in the family.
    """

    member: Frozen
    trial: Trial
    foresight: Foresight
    interval: Interval
    level: float
    p_adjusted: float
    answer: Answer
    members: int


def judge_family(members: Sequence[Frozen]) -> tuple[Judged, ...]:
    """Answer every tested member of a family; members without a trial count as p = 1.

    Parameters
    ----------
    members : sequence of Frozen
        All that were registered under one family name.
    """
    count = len(members)
    against = [
        each.trials[-1][1].p_against(each.record.test.smallest_effect) if each.trials else 1.0
        for each in members
    ]
    adjusted = holm([each.trials[-1][1].p if each.trials else 1.0 for each in members])
    alpha = members[0].record.test.alpha if members else 0.05
    levels = holm_levels(against, alpha)
    out = []
    for k, each in enumerate(members):
        if not each.trials:
            continue
        trial, smallest = each.trials[-1][1], each.record.test.smallest_effect
        before, interval = foresee(each.record, trial, count), trial.interval(levels[k])
        answer: Answer = "inconclusive"
        if before.enough and interval.low is not None and interval.high is not None:
            if interval.high < smallest:
                answer = "falsified"
            elif interval.low > smallest and adjusted[k] <= alpha:
                answer = "supported"
        p = float(adjusted[k])
        out.append(Judged(each, trial, before, interval, levels[k], p, answer, count))
    return tuple(out)


def holm_levels(p: Sequence[float], alpha: float) -> list[float]:
    """The level of each interval under Holm's steps, so that interval and step agree.

    The r-th smallest p has level ``1 - alpha / (m - r + 1)``; from the first that is not rejected
    on, none is, and all take its level.
    """
    order = np.argsort(np.asarray(p), kind="stable")
    levels, m, step = [0.0] * len(p), len(p), 0
    stopped = False
    for rank, k in enumerate(order):
        step = step if stopped else rank
        levels[int(k)] = 1 - alpha / (m - step)
        stopped = stopped or p[int(k)] > alpha / (m - step)
    return levels


def finding(
    judged: Judged,
    assumed: Sequence[str],
    details: dict[str, Any],
    earlier: Mapping[str, str] | None = None,
) -> Finding:
    """What the report shows of one hypothesis.

    Parameters
    ----------
    judged : Judged
    assumed : sequence of str
    details : dict
        More to keep: what was joined, what is seen.
    earlier : mapping of name to answer, optional
        Hypotheses that related the same two things earlier; an empty answer: not tested.
    """
    record, trial, before = judged.member.record, judged.trial, judged.foresight
    low, high = judged.interval.low, judged.interval.high
    marks = ("interventional: it tests the model, not the sample",) if record.interventional else ()
    return Finding(
        name=f"hypothesis.{record.name}",
        question=f"Written down beforehand: {record.claim.rstrip('. ')}. Does it hold?",
        verdict=VERDICTS[judged.answer],
        statistic=trial.effect,
        low=low,
        high=high,
        n=len(trial.per_unit),
        unit=record.test.unit,
        assumed=(*marks, *assumed, f"{record.test.unit}s are independent"),
        why=" ".join(filter(None, (_why(judged), _asked_before(earlier or {})))),
        statistic_name=effect_name(record),
        group="hypothesis",
        details={
            "answer": judged.answer,
            "interventional": record.interventional,
            "smallest_effect": record.test.smallest_effect,
            "relation": record.test.relation,
            "design": trial.design,
            "level": judged.level,
            "p": trial.p,
            "p_adjusted": judged.p_adjusted,
            "family": record.family,
            "family_members": judged.members,
            "power": before.to_json(),
            "per_unit": dict(trial.per_unit),
            "beside": dict(trial.beside),
            "units_left_out": dict(trial.left_out),
            "rows": trial.rows,
            "sha256": judged.member.sha256,
            "order": judged.member.order,
            "frozen": judged.member.time,
            "tests": len(judged.member.trials),
            "asked_before": list(earlier or {}),
            "reviewer": _reviewer(judged),
            **details,
        },
    )


def effect_name(record: Hypothesis) -> str:
    """What the effect is, for an axis."""
    less = record.direction < 0
    if record.quantity.name == "where_it_looks":
        return f"{'loss' if less else 'enrichment'} where it looks (SD of the cell's px)"
    if record.test.relation in CORRELATIONS:
        return f"{'inverse ' if less else ''}rank correlation"
    return f"{'decrease' if less else 'increase'} of {record.measurement.column}"


def _why(judged: Judged) -> str:
    record, trial, before = judged.member.record, judged.trial, judged.foresight
    unit, n = record.test.unit, len(trial.per_unit)
    smallest = f"{record.test.smallest_effect:g}"
    model = " This is about the model, not the sample." if record.interventional else ""
    if record.measurement.later_frames:
        model += " What merely lasts from frame to frame would look the same."
    again = len(judged.member.trials)
    model += f" It was tested on {again} states of the data; all are kept." if again > 1 else ""
    if not math.isfinite(trial.effect):
        reasons = "; ".join(f"{v}: {k}" for k, v in trial.left_out.items()) or "no cell is known"
        return f"Could not be tested: no {unit} allows a comparison ({reasons}).{model}"
    low, high = judged.interval.low, judged.interval.high
    if low is None or high is None:
        values = ", ".join(f"{v:.2g}" for v in list(trial.per_unit.values())[:FEW_TO_LIST])
        seen = f"The effect is {trial.effect:.2g} ({n} {unit}s: {values})"
    else:
        seen = f"The effect is {trial.effect:.2g} ({low:.2g} to {high:.2g}, {n} {unit}s)"
    for why, count in trial.left_out.items():
        many = f"{count} {unit}s do" if count > 1 else f"1 {unit} does"
        model = f" {many} not count: {why}.{model}"
    if judged.answer == "supported":
        return f"Supported: {_lower(seen)}, all above the {smallest} asked for beforehand.{model}"
    if judged.answer == "falsified":
        return f"Falsified: {_lower(seen)}, all below the {smallest} asked for beforehand.{model}"
    return f"Open: {_lower(seen)}; {_missing(judged, before, smallest, unit)}.{model}"


def _asked_before(earlier: Mapping[str, str]) -> str:
    told = [f"as {name!r}, {CAME_OF_IT[answer]}" for name, answer in earlier.items()]
    return f"Asked before {'; '.join(told)}." if told else ""


def _missing(judged: Judged, before: Foresight, smallest: str, unit: str) -> str:
    """What keeps an open hypothesis open, and how many units would do."""
    wanted = judged.member.record.test.power
    needed = (
        f"about {before.needed} {unit}s are needed for {wanted:.0%} power"
        if before.needed is not None and before.needed > before.units
        else ""
    )
    if before.units < FEWEST:
        told = f"{before.units} {unit}s allow no interval (at least {FEWEST} are needed)"
    elif not before.enough:
        told = (
            f"with these {unit}s no outcome could have had p below {before.smallest_p:.2g}, and "
            f"{before.alpha:.2g} was needed"
        )
    elif judged.interval.low is None:
        told = f"one side has fewer than 2 {unit}s"
    elif judged.interval.low > float(smallest):
        told = f"p is {judged.p_adjusted:.2g} after correction for {judged.members} in its family"
    else:
        told = f"the interval holds the {smallest} asked for beforehand"
    return f"{told}; {needed}" if needed else told


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _reviewer(judged: Judged) -> str:
    record, trial, before = judged.member.record, judged.trial, judged.foresight
    return (
        f"{trial.design} over {len(trial.per_unit)} {record.test.unit}s ({trial.rows} rows); "
        f"frozen as entry {judged.member.order} on {judged.member.time} (sha256 "
        f"{judged.member.sha256[:12]}); {judged.interval.method}, level {judged.level:.4g} by "
        f"Holm over {judged.members} registered in family {record.family!r}; permutation p "
        f"{trial.p:.3g} against no effect, {judged.p_adjusted:.3g} adjusted; power beforehand "
        f"{before.power:.2f} (spread {before.spread:.3g} {before.spread_from})."
    )
