"""Whether answers are worth more than giving one answer to everything."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.evidence.accuracy.state_scores import Answers, Stated, score_interval
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.costs import expected_cost


def cost_finding(
    answers: Answers, units: npt.NDArray[np.str_], unit: str, stated: Stated
) -> Finding:
    """Expected cost beside that of the best single answer, with an interval over units.

    Pass: the interval lies below 1. Fail: it lies at or above 1, or, with too few units, the
    value does. Inconclusive otherwise.

    Parameters
    ----------
    answers : Answers
    units : array N str
    unit : str
        What a unit is.
    stated : Stated
        With costs ``truth x answer``.

    References
    ----------
    Ferrer 2022, arXiv 2209.05355.
    """
    cost = expected_cost(answers.table(), stated.costs)
    told = score_interval("expected_cost_normalised", answers, units, stated)
    noun = unit.removesuffix("_id")
    verdict: Verdict = "inconclusive"
    if not math.isfinite(cost.normalised):
        why = f"The cost is not defined: {cost.undefined}."
    else:
        always = answers.classes[cost.best_answer]
        why = (
            f"An answer costs {cost.value:.3g} on average; answering {always} to everything costs "
            f"{cost.naive:.3g}"
        )
        if told.low is not None and told.high is not None:
            why += f" (ratio {told.estimate:.2f}, {told.low:.2f} to {told.high:.2f}"
            verdict = "pass" if told.high < 1 else "fail" if told.low >= 1 else "inconclusive"
        else:
            why += f" (ratio {told.estimate:.2f}"
            verdict = "fail" if told.estimate >= 1 else "inconclusive"
        why += (
            f", {told.n} {noun}{'' if told.n == 1 else 's'}): "
            + {
                "pass": "the answers are worth their cost.",
                "fail": "the answers are not worth their cost.",
                "inconclusive": "which is cheaper cannot be told with so few.",
            }[verdict]
        )
    return Finding(
        name="accuracy.expected_cost",
        question="Do the answers cost less than giving one answer to everything?",
        verdict=verdict,
        statistic=told.estimate,
        low=told.low,
        high=told.high,
        n=told.n,
        unit=noun,
        assumed=("the costs are those stated", "classes are as frequent as in the data"),
        why=why,
        statistic_name="expected cost / best single answer",
        group=GROUP,
        details={
            "costs": None if stated.costs is None else stated.costs.tolist(),
            "classes": list(answers.classes),
            "expected_cost": cost.value,
            "naive_cost": cost.naive,
            "interval": told.method,
            "reviewer": f"Normalised expected cost, {told.method}.",
        },
    )
