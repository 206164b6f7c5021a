"""The guard rule: a challenge warns without significance and reassures only on evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from lucyte.evidence.model.retrain import HeldOut
from lucyte.schema.finding import Verdict
from lucyte.stats.intervals import FEWEST, FEWEST_TO_REASSURE

APART = 2.0
"""Gap between classes, in standard deviations between units, that chance rarely makes."""
MANY = 10


@dataclass(frozen=True)
class Judgement:
    """A verdict and the sentence that says what it rests on."""

    verdict: Verdict
    because: str


def judge(shortcut: HeldOut, cells: float, margin: float, over_units: bool = False) -> Judgement:
    """Compare what a shortcut tells with what the cells tell.

    fail
        The shortcut gains at least ``margin`` above 0.5, is within ``margin`` of the cells, and
        it is not two or three units that happened to fall right: the classes lie at least two
        standard deviations between units apart, or the interval over more than 10 units lies
        above the allowed gain. No p-value is asked for.
    pass
        The interval's upper end (fewer than 6 units: every unit) is below ``0.5 + margin``.
    inconclusive
        Anything else.

    Parameters
    ----------
    shortcut : HeldOut
    cells : float
        AUROC of the cells themselves, by the same learner on the plain crops; nan if unknown.
    margin : float
        AUROC above 0.5 that a shortcut may gain.
    over_units : bool
        For what cells differ in by nature (size, focus): one cell may then show it less surely than
        its whole picture shows its class, and yet whole units are told by it. It also fails where
        the classes lie two standard deviations between units apart, however well the cells do;
        with more than 10 units, where they are as clearly apart as two deviations are with 10.
    """
    if shortcut.undefined:
        return Judgement("inconclusive", shortcut.undefined)
    limit = 0.5 + margin
    values = list(shortcut.units.values())
    many = len(values) > MANY and shortcut.low is not None and shortcut.low >= limit
    as_well = shortcut.auroc >= limit and not shortcut.auroc < cells - margin
    if as_well and (shortcut.apart >= APART or many):
        return Judgement("fail", "about as well as the cells do")
    clear = APART * math.sqrt(min(1.0, MANY / max(len(values), 1)))
    if over_units and shortcut.auroc >= limit and shortcut.apart >= clear:
        return Judgement(
            "fail",
            f"single cells vary in it, but their means over units lie {shortcut.apart:.1f} "
            "standard deviations apart",
        )
    if as_well:
        return Judgement(
            "inconclusive",
            "about as well as the cells do, but units of one class differ among themselves by as "
            "much",
        )
    if shortcut.auroc < 0.5 - margin:
        # What differs by chance within each class turns refits round where units are few.
        return Judgement(
            "inconclusive", "answers of units left out are turned round, which says nothing"
        )
    if len(values) < FEWEST:
        near = len(values) >= FEWEST_TO_REASSURE and min(values) > 1 - limit
        if near and max(values) < limit:
            return Judgement("pass", f"every unit stays below {limit:.2f}")
        return Judgement(
            "inconclusive", f"with {len(values)} units only a clear answer would reassure"
        )
    if shortcut.high is not None and shortcut.high < limit:
        return Judgement("pass", f"the interval ends at {shortcut.high:.2f}, below {limit:.2f}")
    if shortcut.auroc >= limit and shortcut.auroc < cells - margin:
        return Judgement("inconclusive", "more than chance, less than the cells do")
    high = "no interval" if shortcut.high is None else f"the interval reaches {shortcut.high:.2f}"
    return Judgement("inconclusive", f"{high}, which does not rule out a gain above {limit:.2f}")


def judge_one_of(
    shortcut: HeldOut,
    cells: float,
    margin: float,
    asked: tuple[int, float],
    labels: Sequence[str],
    groups: Sequence[str],
    over_units: bool = False,
) -> Judgement:
    """`judge` for one of several shortcuts tried together, of which some one falls right by chance.

    A failure stands where chance would do as well in fewer than ``alpha / (2 how many)`` of such
    sets of units (Bonferroni; halved, as a t over few folds is a little too sure), by a one-sided t
    of the folds' AUROC against 0.5 and, with two classes, also by one of the unit means between
    them; otherwise it is inconclusive.

    Parameters
    ----------
    asked : (int, float)
        How many shortcuts were tried, and alpha.
    labels, groups : sequence of str
        Class and unit of each row that was asked about.
    over_units : bool
        See `judge`.
    """
    told = judge(shortcut, cells, margin, over_units)
    count, alpha = asked
    if told.verdict != "fail" or count < 2:
        return told
    chance = _by_folds(shortcut.folds)
    if len(set(labels)) == 2:
        chance = max(chance, chance_of_gap(shortcut.apart, labels, groups))
    if chance < alpha / (2 * count):
        return told
    return Judgement(
        "inconclusive",
        f"{told.because}, which one of {count} that were tried may by chance",
    )


def chance_of_gap(apart: float, labels: Sequence[str], groups: Sequence[str]) -> float:
    """One-sided p of a gap between the classes' unit means, by a t over units.

    Parameters
    ----------
    apart : float
        In standard deviations between units of one class; see `HeldOut.apart`. nan gives nan.
    labels, groups : sequence of str
        Class and unit of each row; of several classes the two with fewest units count.
    """
    held: dict[str, set[str]] = {}
    for label, group in zip(labels, groups, strict=True):
        held.setdefault(label, set()).add(group)
    sizes = sorted(len(units) for units in held.values())[:2]
    t = apart / math.sqrt(sum(1 / n for n in sizes))
    return float(student.sf(t, max(1, sum(sizes) - 2)))


def _by_folds(folds: Sequence[float]) -> float:
    """One-sided p of the folds' AUROC against 0.5; 1 where a single fold shows no spread."""
    if len(folds) < 2:
        return 1.0
    mean = sum(folds) / len(folds)
    spread = math.sqrt(sum((each - mean) ** 2 for each in folds) / (len(folds) - 1))
    if spread <= 1e-12:
        return 0.0 if mean > 0.5 else 1.0
    t = (mean - 0.5) / (spread / math.sqrt(len(folds)))
    return float(student.sf(t, len(folds) - 1))
