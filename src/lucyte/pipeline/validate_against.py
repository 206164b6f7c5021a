"""Two predictions of the same images, compared unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.evidence.accuracy.paired import paired_finding
from lucyte.evidence.accuracy.state_scores import Answers, Stated, state_score
from lucyte.pipeline.validate_fit import OF_HITS, Advice
from lucyte.pipeline.validated import Comparison, left_out
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.stats.boxes import BoxHits
from lucyte.stats.goodness import find_measure
from lucyte.stats.paired import Paired, Score, paired_means, paired_score

Rows = npt.NDArray[np.int64]
HEADLINE = {
    "instance": "F1@0.5",
    "semantic": "pixel_F1",
    "detection": "F1@0.5",
    "classification": "balanced_accuracy",
}
"""What two predictions are compared by, where nothing is asked for."""


RANKED = ("auroc", "average_precision", "sensitivity_at_specificity")
"""Scores that see the order only: models may be exchanged once they share a scale."""


def compare_two(
    first: Comparison,
    second: Comparison,
    task: str,
    metrics: Sequence[str],
    advice: Advice,
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """One Finding per metric, and notes on what only one of both has.

    Raises
    ------
    UsageError
        Nothing in common, other classes, an unknown metric.
    """
    key = str(first.table.columns[0])
    names, others = (each.table[key].astype(str).tolist() for each in (first, second))
    place = {name: k for k, name in enumerate(others)}
    common = [k for k, name in enumerate(names) if name in place]
    if not common:
        raise UsageError(
            f"the two predictions have no {key} in common ({names[0]} and {others[0]})."
        )
    mine = np.array(common, dtype=np.int64)
    theirs = np.array([place[names[k]] for k in common], dtype=np.int64)
    units = first.table[first.unit].astype(str).to_numpy(dtype=str)[mine]
    told = tuple(
        paired_finding(metric, _paired(metric, (first, second), (mine, theirs), units, advice),
                       first.unit)
        for metric in metrics or (HEADLINE[task],)
    )  # fmt: skip
    alone = [name for name in names if name not in place]
    lone = sorted(set(others) - set(names))
    notes = left_out(f"{key}s that only the first prediction has", alone)
    return told, notes + left_out(f"{key}s that only the other prediction has", lone)


def _paired(
    metric: str,
    two: tuple[Comparison, Comparison],
    rows: tuple[Rows, Rows],
    units: npt.NDArray[np.str_],
    advice: Advice,
) -> Paired:
    first, second = two
    if first.answers is not None and second.answers is not None:
        if first.answers.classes != second.answers.classes:
            raise UsageError(
                f"the two predictions know other classes: {', '.join(first.answers.classes)}, and "
                f"{', '.join(second.answers.classes)}."
            )
        if metric not in first.pooled:
            raise unknown("metric", metric, first.pooled)
        a, b = first.answers.take(rows[0]), second.answers.take(rows[1])
        return paired_score(_of_answers(metric, a, b, advice.stated), units)
    if metric in OF_HITS and first.hits and second.hits and advice.known:
        problem, score = advice.known.fingerprint, OF_HITS[metric]
        one, other = (
            _ranked_hits([each.hits[k] for k in own]) for each, own in zip(two, rows, strict=True)
        )

        def of(drawn: Rows, turned: npt.NDArray[np.bool_]) -> float:
            held = zip(drawn.tolist(), turned.tolist(), strict=True)
            return float(score([other[k] if t else one[k] for k, t in held], problem))

        return paired_score(of, units)
    for each in two:
        if metric not in each.table.columns or find_measure(metric) is None:
            held = [str(c) for c in each.table.columns if find_measure(str(c))]
            raise unknown("metric to compare two predictions by", metric, held)
    left = first.table[metric].to_numpy(dtype=np.float64)[rows[0]]
    right = second.table[metric].to_numpy(dtype=np.float64)[rows[1]]
    return paired_means(left, right, units)


def _of_answers(metric: str, first: Answers, second: Answers, stated: Stated) -> Score:
    p = None if first.p is None or second.p is None else (first.p, second.p)
    if p is not None and metric in RANKED:
        p = (_ranks(p[0]), _ranks(p[1]))

    def of(drawn: Rows, turned: npt.NDArray[np.bool_]) -> float:
        said = np.where(turned, second.said[drawn], first.said[drawn])
        sure = None if p is None else np.where(turned[:, None], p[1][drawn], p[0][drawn])
        answers = Answers(first.classes, first.truth[drawn], said, sure)
        return state_score(metric, answers, stated)

    return of


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shares of the rows up to each, column by column: the order alone, on one scale."""
    return np.asarray(rankdata(values, axis=0) / len(values), dtype=np.float64)


def _ranked_hits(images: Sequence[BoxHits]) -> list[BoxHits]:
    sure = np.concatenate([each.confidence for each in images])
    ranks = _ranks(sure) if len(sure) else sure
    ends = np.cumsum([len(each.confidence) for each in images])[:-1]
    parts = np.split(ranks, ends)
    return [replace(each, confidence=own) for each, own in zip(images, parts, strict=True)]
