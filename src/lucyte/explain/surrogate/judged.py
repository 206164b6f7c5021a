"""How far a surrogate stands for its black box: the same answers, and as often right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.explain.surrogate.given import Names, Surrogate
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST, Interval, cluster_interval, unit_proportion_interval

Floats = npt.NDArray[np.float64]

LIMIT = 0.9
"""Share of the answers, and of the accuracy, that a surrogate must keep."""
WORDS = {
    "sparse": "a weighted sum of few features",
    "tree": "three questions in a row",
    "formula": "a formula of three features",
}


@dataclass(frozen=True)
class Judged:
    """What held-out groups say.

    Attributes
    ----------
    fidelity : Interval
        Share of cells that get the black box's answer, mean over units.
    accuracy, black_box : Interval
        Share of right answers of both, mean over units; nan where no truth is known.
    kept : Interval
        One over the other.
    """

    fidelity: Interval
    accuracy: Interval
    black_box: Interval
    kept: Interval


def judge(said: Names, answers: Names, labels: Names, groups: Names) -> Judged:
    """Compare held-out answers with the black box's and, where it is known, with the truth.

    .. math:: \\text{kept} = \\frac{\\sum_i w_i [s_i = y_i]}{\\sum_i w_i [b_i = y_i]}

    s: surrogate, b: black box, y: truth; w: every unit weighs the same. Where every unit keeps
    all, no variance can be seen, and the lower end is what the fidelity's allows:
    kept >= 1 - (1 - fidelity) / accuracy of the black box.
    """
    fidelity = unit_proportion_interval(said == answers, groups)
    known = labels != ""
    if not known.any():
        nothing = Interval(float("nan"), None, None, fidelity.n, "no truth is known")
        return Judged(fidelity, nothing, nothing, nothing)
    ours, theirs = (said == labels)[known], (answers == labels)[known]
    units = groups[known]
    accuracy = unit_proportion_interval(ours, units)
    black_box = unit_proportion_interval(theirs, units)
    _, at, count = np.unique(units, return_inverse=True, return_counts=True)
    weight = 1.0 / count[at]

    def ratio(rows: npt.NDArray[np.int64]) -> float:
        below = float((weight[rows] * theirs[rows]).sum())
        return float((weight[rows] * ours[rows]).sum()) / below if below else float("nan")

    kept = cluster_interval(ratio, units.tolist())
    if kept.low is not None and kept.high == kept.low and fidelity.low is not None:
        low = 1 - (1 - fidelity.low) / black_box.estimate
        kept = Interval(kept.estimate, min(low, kept.estimate), kept.high, kept.n, "by fidelity")
    return Judged(fidelity, accuracy, black_box, kept)


def finding(
    model: Surrogate, by_fold: Sequence[Surrogate], judged: Judged, unit: str, usual: float
) -> Finding:
    """``surrogate.<kind>``: can the black box be said in words?

    pass
        Both lower ends are at least 0.9.
    fail
        The black box's answers, or its accuracy, are kept to less than 0.9, or not kept better
        than by its commonest answer.
    inconclusive
        Anything else.

    Parameters
    ----------
    model : Surrogate
        Fitted on all cells.
    by_fold : sequence of Surrogate
    judged : Judged
    unit : str
    usual : float
        Fidelity of always giving the black box's commonest answer.
    """
    asked = [judged.fidelity] + ([judged.kept] if np.isfinite(judged.kept.estimate) else [])
    told = asked[-1]
    verdict: Verdict = "inconclusive"
    ends = [each.low for each in asked]
    if any(each.estimate < LIMIT for each in asked) or judged.fidelity.estimate <= usual:
        verdict = "fail"
    elif all(low is not None and low >= LIMIT for low in ends):
        verdict = "pass"
    same = f"It gives the model's answer to {judged.fidelity.estimate:.0%} of the cells"
    if len(asked) == 2:
        same += f" and keeps {judged.kept.estimate:.0%} of its accuracy"
    tail = {
        "pass": f": {model.words()}.",
        "fail": ": the model uses more than it says, or something else.",
        "inconclusive": f"; {told.n} {unit}s allow no interval."
        if told.n < FEWEST
        else f"; surely over {unit}s only more than {min(e or 0 for e in ends):.0%}.",
    }[verdict]
    main = model.features[:1]
    steady = float(np.mean([each.features[:1] == main for each in by_fold]))
    return Finding(
        name=f"surrogate.{model.kind}",
        question=f"Can what the model does be said as {WORDS[model.kind]}?",
        verdict=verdict,
        statistic=told.estimate,
        low=told.low,
        high=told.high,
        n=told.n,
        unit=unit,
        assumed=("the features hold what the model looks at",),
        why=f"{same}{tail}",
        statistic_name="Share of the model's accuracy kept"
        if len(asked) == 2
        else "Share of the model's answers given",
        group="explanation",
        details={
            "reviewer": f"{model.kind} fitted to the model's answers on {len(by_fold)} group-wise "
            f"folds, complexity chosen on inner groups; kept: {judged.kept.method}; fidelity "
            f"{_said(judged.fidelity)}; accuracy {_said(judged.accuracy)} against "
            f"{_said(judged.black_box)}; limit {LIMIT:g} for both.",
            "words": model.words(),
            "features": list(model.features),
            "complexity": model.complexity,
            "fidelity": _plain(judged.fidelity),
            "accuracy": _plain(judged.accuracy),
            "black_box_accuracy": _plain(judged.black_box),
            "commonest_answer_fidelity": usual,
            "folds": [each.words() for each in by_fold],
            "folds_with_the_same_first_feature": steady,
        },
    )


def _said(found: Interval) -> str:
    if found.low is None:
        return f"{found.estimate:.3f}"
    return f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


def _plain(found: Interval) -> dict[str, object]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high}
