"""Slow definitions of what an autoencoder is trained by and its latents are measured by."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad

Floats = npt.NDArray[np.float64]


def nats(mean: float, log_variance: float) -> float:
    """KL divergence of a normal from the standard one, by integration."""
    deviation = math.exp(0.5 * log_variance)

    def integrand(z: float) -> float:
        log_q = -0.5 * ((z - mean) / deviation) ** 2 - math.log(deviation)
        return math.exp(log_q) / math.sqrt(2 * math.pi) * (log_q + 0.5 * z * z)

    reach = 12 * deviation
    return float(quad(integrand, mean - reach, mean + reach, limit=400)[0])


def covariance_penalty(latents: Floats) -> float:
    """Mean squared covariance of different latents, pair by pair."""
    n, width = latents.shape
    found = []
    for j in range(width):
        for k in range(width):
            if j != k:
                a = [float(latents[i, j] - latents[:, j].mean()) for i in range(n)]
                b = [float(latents[i, k] - latents[:, k].mean()) for i in range(n)]
                found.append((sum(x * y for x, y in zip(a, b, strict=True)) / (n - 1)) ** 2)
    return sum(found) / len(found)


def share_of_one(effect: list[float]) -> float:
    """Largest squared change over the sum of squares."""
    squares = [each * each for each in effect]
    return max(squares) / sum(squares)
