"""A camera by definition: one pixel at a time, whole numbers and sums, no approximation."""

from __future__ import annotations

import math

WORD = (1 << 64) - 1


def mix(word: int) -> int:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195)."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


def uniform(word: int) -> float:
    """The upper 53 bits inside 0 to 1."""
    return ((word >> 11) + 0.5) / 2**53


def normal_quantile(u: float) -> float:
    """z with Phi(z) = u, by halving."""
    low, high = -12.0, 12.0
    for _ in range(80):
        z = (low + high) / 2
        if 0.5 * math.erfc(-z / math.sqrt(2)) < u:
            low = z
        else:
            high = z
    return (low + high) / 2


def poisson_quantile(u: float, mean: float) -> int:
    """Smallest k with P(K <= k) >= u, by summing probabilities."""
    total, k = 0.0, -1
    while total < u:
        k += 1
        total += math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) if mean > 0 else 1.0
        if k > 20 * mean + 200:
            break
    return max(k, 0)


def pixel(
    photons: float, key: int, y: int, x: int, gain: float, offset: float, read: float, full: int
) -> int:
    """Counts of the pixel at (y, x) of a field."""
    word = mix(key ^ mix((((y << 32) | x) + 0x9E3779B97F4A7C15) & WORD))
    electrons = poisson_quantile(uniform(word), photons)
    again = mix((word + 0x9E3779B97F4A7C15) & WORD)
    counts = offset + gain * electrons + read * normal_quantile(uniform(again))
    return int(min(full, max(0, math.floor(counts + 0.5))))
