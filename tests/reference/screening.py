"""Plate statistics, slowly and by their definitions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def z_prime(a: Sequence[float], b: Sequence[float], robust: bool = False) -> float:
    """Zhang et al. 1999, term by term."""
    if robust:
        m1, m2 = statistics.median(a), statistics.median(b)
        s1 = statistics.median([abs(x - m1) for x in a]) / 0.6744897501960817
        s2 = statistics.median([abs(x - m2) for x in b]) / 0.6744897501960817
    else:
        m1, m2 = statistics.mean(a), statistics.mean(b)
        s1, s2 = statistics.stdev(a), statistics.stdev(b)
    return 1 - (3 * s1 + 3 * s2) / abs(m1 - m2)


def ssmd(a: Sequence[float], b: Sequence[float]) -> float:
    """Second minus first over the root of the summed variances."""
    return (statistics.mean(b) - statistics.mean(a)) / math.sqrt(
        statistics.variance(a) + statistics.variance(b)
    )


def median_polish(plate: list[list[float | None]], rounds: int = 200) -> list[list[float | None]]:
    """Residuals: row medians off, column medians off, over and over; cell by cell."""
    left = [list(row) for row in plate]
    for _ in range(rounds):
        for row in left:
            known = [x for x in row if x is not None]
            if known:
                middle = statistics.median(known)
                for j, x in enumerate(row):
                    row[j] = None if x is None else x - middle
        for j in range(len(left[0])):
            known = [row[j] for row in left if row[j] is not None]
            if known:
                middle = statistics.median(known)
                for row in left:
                    value = row[j]
                    row[j] = None if value is None else value - middle
    return left


def four_parameters(x: float, bottom: float, top: float, ec50: float, hill: float) -> float:
    """The logistic as it is written in textbooks."""
    if x == 0:
        return bottom
    return bottom + (top - bottom) / (1 + (ec50 / x) ** hill)


def isotonic(means: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Pool adjacent violators, one pair at a time."""
    blocks = [[m, w, 1.0] for m, w in zip(means, weights, strict=True)]
    at = 0
    while at < len(blocks) - 1:
        if blocks[at][0] > blocks[at + 1][0]:
            (m1, w1, n1), (m2, w2, n2) = blocks[at], blocks[at + 1]
            blocks[at : at + 2] = [[(m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2]]
            at = max(at - 1, 0)
        else:
            at += 1
    return [m for m, _, n in blocks for _ in range(int(n))]


def rescue(
    treated: dict[str, list[float]], disease: dict[str, list[float]], wild: dict[str, list[float]]
) -> float:
    """Mean move of treated wells over the gap of the same plates, well by well."""
    moves, gaps = [], []
    for plate, values in treated.items():
        start, end = statistics.mean(disease[plate]), statistics.mean(wild[plate])
        moves += [x - start for x in values]
        gaps += [end - start] * len(values)
    return statistics.mean(moves) / statistics.mean(gaps)
