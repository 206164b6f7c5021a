"""How far annotators agree with one another and with themselves: figures, verdict, words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lucyte.pipeline.label_answers import Answer
from lucyte.pipeline.label_folder import Item, LabelSettings
from lucyte.pipeline.words import counted
from lucyte.report.wording import interval, number
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.agreement_kappa import PairAgreement, pair_agreement
from lucyte.stats.intervals import Interval

Calls = Mapping[str, Mapping[str, Answer]]
ENOUGH = 0.6
"""Kappa below which labels are no ground to train on (Landis and Koch 1977,
doi 10.2307/2529310: ``substantial`` from here on)."""


@dataclass(frozen=True)
class Judged:
    """Two sets of calls of the same things.

    Attributes
    ----------
    first, second : str
        Annotators; the same one twice for repeats.
    found : PairAgreement
    """

    first: str
    second: str
    found: PairAgreement


def agreements(
    items: Sequence[Item], settings: LabelSettings, first: Calls, again: Calls
) -> list[Judged]:
    """Every two annotators with something in common, then each with their own repeats.

    Parameters
    ----------
    items : sequence of Item
    settings : LabelSettings
    first, again : mapping of annotator to object_id to Answer
        First showings and repeats.
    """
    names = sorted(first)
    wanted = [((a, b), first[a], first[b]) for a, b in combinations(names, 2)]
    wanted += [((name, name), first[name], again[name]) for name in names]
    done = []
    for who, a, b in wanted:
        both = [item for item in items if item.object_id in a and item.object_id in b]
        if both:
            found = pair_agreement(
                [a[item.object_id].state for item in both],
                [b[item.object_id].state for item in both],
                [item.group or item.object_id for item in both],
                settings.states,
                seed=settings.seed,
            )
            done.append(Judged(*who, found))
    return done


def as_json(each: Judged, settings: LabelSettings) -> dict[str, Any]:
    """All figures of two annotators as JSON types."""
    found = each.found
    return {
        "first": each.first,
        "second": each.second,
        "n": found.n,
        "unit": settings.unit,
        "kappa": _interval(found.kappa),
        "observed": _interval(found.observed),
        "classes": list(found.classes),
        "confusion": found.confusion.tolist(),
        "per_class": {
            own.name: {
                "specific": _interval(own.specific),
                "both": own.both,
                "first": own.first,
                "second": own.second,
            }
            for own in found.per_class
        },
    }


def _interval(found: Interval) -> dict[str, Any]:
    known = math.isfinite(found.estimate)
    return {
        "estimate": found.estimate if known else None,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "method": found.method,
    }


def finding(each: Judged, settings: LabelSettings) -> Finding:
    """Are these labels a ground to train on?"""
    kappa, same = each.found.kappa, each.first == each.second
    verdict: Verdict = "inconclusive"
    if kappa.estimate < ENOUGH:
        verdict = "fail"
    elif kappa.low is not None and kappa.low >= ENOUGH:
        verdict = "pass"
    who = f"{each.first} with {each.first}'s own repeats" if same else _pair(each)
    return Finding(
        name=f"labels.{'repeat' if same else 'agreement'}",
        question=f"Does {each.first} call a cell the same twice?"
        if same
        else f"Do {_pair(each)} call the same cells the same?",
        verdict=verdict,
        statistic=kappa.estimate,
        low=kappa.low,
        high=kappa.high,
        n=kappa.n,
        unit=settings.unit,
        assumed=("annotators answered without talking about the cells",) if not same else (),
        why=f"{who}: {_share(each.found.observed.estimate)} of {each.found.n} called alike; kappa "
        f"{number(kappa.estimate)} where at least {ENOUGH} is wanted.",
        statistic_name="Cohen's kappa",
        group="data",
    )


def told_in_words(each: Judged, settings: LabelSettings) -> list[str]:
    """Agreement of two in a few lines."""
    found, kappa = each.found, each.found.kappa
    spread = interval(kappa.low, kappa.high)
    who = f"{each.first}, same pictures twice" if each.first == each.second else _pair(each)
    units = counted(kappa.n, settings.unit)
    said = f"{found.n} pictures" + ("" if settings.unit == "image" else f" in {units}")
    sure = f" ({spread})" if spread else f" ({kappa.method})"
    lines = [
        f"{who}: kappa {number(kappa.estimate)}{sure}, "
        f"{_share(found.observed.estimate)} alike, {said}."
    ]
    if each.first != each.second:
        known = [own for own in found.per_class if own.first or own.second]
        shares = ", ".join(f"{own.name} {number(own.specific.estimate, 2)}" for own in known)
        lines.append(f"  Agreement per class: {shares}.")
        off = [
            (int(found.confusion[i, k]), a, b)
            for i, a in enumerate(found.classes)
            for k, b in enumerate(found.classes)
            if i != k and found.confusion[i, k]
        ]
        if off:
            many, a, b = max(off)
            lines.append(
                f"  Apart on {sum(n for n, _, _ in off)}; most often {each.first} says {a} and "
                f"{each.second} {b} ({many})."
            )
    return lines


def _pair(each: Judged) -> str:
    return f"{each.first} and {each.second}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
