"""Late-fusion weights against a search over the simplex."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from lucyte.learn.late_weights import late_weights


def test_weights_are_those_of_a_grid_search():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 80)
    told = []
    for skill in (0.0, 1.0, 2.0):
        logits = rng.normal(size=(80, 3))
        logits[np.arange(80), truth] += skill
        told.append(log_softmax(2 * logits, axis=1))
    stack = np.stack(told)
    p = np.exp(stack[:, np.arange(80), truth])
    best, at = -np.inf, (0, 0, 0)
    for a in np.linspace(0, 1, 101):
        for b in np.linspace(0, 1 - a, 101):
            w = (a, b, 1 - a - b)
            score = np.log(np.tensordot(w, p, 1) + 1e-300).sum()
            if score > best:
                best, at = score, w
    found = late_weights(stack, truth)
    assert found == pytest.approx(at, abs=0.02)
    assert np.log(np.tensordot(found, p, 1)).sum() >= best - 1e-6


def test_no_sample_gives_equal_weights():
    assert late_weights(np.zeros((4, 0, 2)), np.zeros(0, int)) == [0.25] * 4
