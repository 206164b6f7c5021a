"""Margins: how far the logits speak for a class. What states, screens and explanations share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def logit_margin(logits: Floats) -> Floats:
    """Margin of the second class over the first, or of the winner over the runner-up.

    Parameters
    ----------
    logits : float array N K
        Two classes: signed, positive speaks for the second. More: never negative.

    Returns
    -------
    float array N
    """
    if logits.shape[1] == 2:
        difference: Floats = logits[:, 1] - logits[:, 0]
        return difference
    ordered = np.sort(logits, axis=1)
    lead: Floats = ordered[:, -1] - ordered[:, -2]
    return lead


def class_margin(logits: Floats, targets: npt.NDArray[np.int64]) -> Floats:
    """Logit of each row's target class minus the largest of the others.

    Parameters
    ----------
    logits : float array N K
    targets : int array N
        Position of the class that is asked about.

    Returns
    -------
    float array N
        Negative where another class wins.
    """
    rows = np.arange(len(logits))
    margin: Floats = logits[rows, targets] - logits[rows, runner_up(logits, targets)]
    return margin


def runner_up(logits: Floats, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Position of the largest logit that is not the target's, ``N``."""
    others = logits.copy()
    others[np.arange(len(logits)), targets] = -np.inf
    return np.asarray(others.argmax(axis=1), dtype=np.int64)
