r"""Calibration: one temperature, and the threshold from which an answer may be given.

.. math:: T = \arg\min_T -\frac1n \sum_i \log \mathrm{softmax}(z_i / T)_{y_i}

The threshold is the lowest at which the share of wrong answers among those given, on held-out
samples, is at most the wanted error, with one wrong answer added so that few samples cannot
promise much: :math:`(\text{wrong} + 1) / (\text{given} + 1)`.

References
----------
Guo et al. 2017, arXiv 1706.04599 (temperature). Geifman and El-Yaniv 2017, arXiv 1705.08500
(selective classification). Angelopoulos et al. 2022, arXiv 2208.02814 (risk control).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from lucyte.networks.abstention import Calibration
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
FEWEST = 10
"""Held-out samples below which the temperature stays 1."""
NEVER = 1.1
"""A threshold that no probability reaches: the wanted error cannot be had."""


def fit_temperature(logits: Floats, targets: npt.NDArray[np.int64]) -> float:
    """The temperature of least log loss on held-out logits, from 0.05 to 20.

    Parameters
    ----------
    logits : float array N K
    targets : int array N
    """
    if len(logits) < FEWEST:
        return 1.0
    rows = np.arange(len(logits))

    def loss(log_t: float) -> float:
        return -float(log_softmax(logits / math.exp(log_t), axis=1)[rows, targets].mean())

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20)), method="bounded")
    return float(math.exp(float(found.x)))


def abstention_threshold(
    probabilities: Floats, targets: npt.NDArray[np.int64], wanted_error: float
) -> float:
    """The lowest probability from which answers keep to the wanted error.

    Parameters
    ----------
    probabilities : float array N K
        Calibrated, of held-out samples.
    targets : int array N
    wanted_error : float
        Largest share of wrong answers among those given.

    Returns
    -------
    float
        0 where every answer may be given; above 1 where none may.

    Raises
    ------
    UsageError
        A wanted error outside 0 to 1.
    """
    if not 0 < wanted_error < 1:
        raise UsageError(f"a wanted error is above 0 and below 1, got {wanted_error}.")
    sure = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != targets
    order = np.argsort(-sure, kind="stable")
    given = np.arange(1, len(sure) + 1)
    bound = (np.cumsum(wrong[order]) + 1) / (given + 1)
    ranked = sure[order]
    last_of_tie = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else ranked > 0
    allowed = np.flatnonzero((bound <= wanted_error) & last_of_tie)
    if not len(allowed):
        return NEVER
    last = int(allowed[-1])
    return 0.0 if last == len(sure) - 1 else float(ranked[last])


def calibrate(
    logits: Floats,
    targets: npt.NDArray[np.int64],
    groups: Sequence[str],
    wanted_error: float | None = None,
) -> Calibration:
    """Temperature and, where an error is wanted, the threshold, from held-out logits.

    Parameters
    ----------
    logits : float array N K
        Of samples that were not fitted; inner validation, or out-of-fold.
    targets : int array N
    groups : sequence of N str
        Told with the result: answers within a group are not independent.
    wanted_error : float, optional
    """
    temperature = fit_temperature(logits, targets)
    count = len(set(groups))
    if wanted_error is None:
        return Calibration(temperature, n=len(logits), groups=count)
    told: Floats = softmax(logits / temperature, axis=1)
    threshold = abstention_threshold(told, targets, wanted_error)
    given = told.max(axis=1) >= threshold
    wrong = told.argmax(axis=1) != targets
    return Calibration(
        temperature,
        threshold,
        wanted_error,
        float(wrong[given].mean()) if given.any() else None,
        float(given.mean()) if len(given) else None,
        len(logits),
        count,
    )
