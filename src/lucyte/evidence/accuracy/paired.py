"""Two models on the same images: which is better, unit by unit."""

from __future__ import annotations

import math

from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.goodness import measure_of
from lucyte.stats.paired import Paired, fewest_for_sign_flip


def paired_finding(metric: str, found: Paired, unit: str, alpha: float = 0.05) -> Finding:
    """Say what a paired difference means.

    Pass: the first model is better (interval beyond 0 on its side, and p at most alpha). Fail: the
    second is. Inconclusive: neither, too few units, or no interval.

    Parameters
    ----------
    metric : str
        As the tables call it; decides which way is better.
    found : Paired
        Second minus first.
    unit : str
    alpha : float
    """
    better, gap, noun = measure_of(metric).better, found.difference, unit.removesuffix("_id")
    verdict, because = _judged(found, better, noun, alpha)
    p = found.test.p if found.test else math.nan
    return Finding(
        name=f"accuracy.paired.{metric}",
        question=f"Is the prediction better than the other by {metric}?",
        verdict=verdict,
        statistic=-gap.estimate,
        low=None if gap.high is None else -gap.high,
        high=None if gap.low is None else -gap.low,
        n=gap.n,
        unit=noun,
        assumed=("the truth is right", f"{noun}s are independent", "both saw the same images"),
        why=f"{metric} is {_value(found.first)} against {_value(found.second)}"
        f"{_told(found, noun)}: {because}",
        statistic_name=f"difference of {metric}",
        group=GROUP,
        details={
            "better": better,
            "first": found.first,
            "second": found.second,
            "p": p,
            "smallest_p": found.test.smallest_p if found.test else math.nan,
            "exact": found.test.exact if found.test else None,
            "alpha": alpha,
            "interval": gap.method,
            "per_unit": {name: -value for name, value in found.units.items()},
            "reviewer": (
                f"Prediction minus other, {gap.method}; sign-flip over {gap.n} {noun}s, "
                f"p = {p:.3g}."
            ),
        },
    )


def _judged(found: Paired, better: str, noun: str, alpha: float) -> tuple[Verdict, str]:
    gap = found.difference
    if not math.isfinite(gap.estimate) or found.test is None:
        return "inconclusive", f"the difference is not defined ({gap.method})."
    if not found.test.can_reach(alpha):
        need = fewest_for_sign_flip(alpha)
        return "inconclusive", (
            f"{gap.n} {noun}s cannot tell two models apart at {alpha:g}; {need} are needed."
        )
    if found.test.p > alpha:
        return "inconclusive", "no difference that chance would not give."
    if gap.low is None or gap.high is None:
        return "inconclusive", (
            f"chance would rarely give this, but without an interval "
            f"({gap.method.removeprefix('no interval: ')}) how large it is stays open."
        )
    if gap.low <= 0 <= gap.high:
        return "inconclusive", "chance would rarely give this, but the interval holds 0."
    # gap is second minus first
    first_wins = (gap.estimate < 0) == (better == "higher")
    return ("pass", "the prediction is better.") if first_wins else ("fail", "the other is better.")


def _told(found: Paired, noun: str) -> str:
    gap = found.difference
    if not math.isfinite(gap.estimate):
        return ""
    inside = [f"difference {-gap.estimate:+.3g}"]
    if gap.low is not None and gap.high is not None:
        inside.append(f"{-gap.high:+.3g} to {-gap.low:+.3g}")
    inside.append(f"{gap.n} {noun}{'' if gap.n == 1 else 's'}")
    if found.test:
        inside.append(f"p = {found.test.p:.2g}")
    return f" ({', '.join(inside)})"


def _value(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not defined"
