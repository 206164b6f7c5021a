"""Agreement of two annotators by its definition, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def slow_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Cohen's kappa, chance counted over every pairing of one's call with the other's."""
    n = len(first)
    same = Fraction(sum(a == b for a, b in zip(first, second, strict=True)), n)
    chance = Fraction(sum(a == b for a in first for b in second), n * n)
    return float("nan") if chance == 1 else float((same - chance) / (1 - chance))


def slow_specific(first: Sequence[str], second: Sequence[str], name: str) -> float:
    """Given that one of the two, drawn at random, says ``name``: how often the other does."""
    says, agrees = 0, 0
    for one, other in [*zip(first, second, strict=True), *zip(second, first, strict=True)]:
        if one == name:
            says += 1
            agrees += other == name
    return agrees / says if says else float("nan")


def slow_jackknife(
    values: Sequence[float], estimate: float, quantile: float
) -> tuple[float, float]:
    """Limits from the estimates that leave one group out each."""
    n = len(values)
    mean = sum(values) / n
    error = ((n - 1) / n * sum((value - mean) ** 2 for value in values)) ** 0.5
    return max(-1.0, estimate - quantile * error), min(1.0, estimate + quantile * error)
