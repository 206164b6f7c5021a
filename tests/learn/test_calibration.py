"""Temperature and the threshold of "unknown"."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from lucyte.learn.calibration import NEVER, abstention_threshold, calibrate, fit_temperature
from lucyte.networks.abstention import Calibration
from lucyte.schema.errors import UsageError


def drawn(n=4000, sharpen=1.0, seed=0):
    """Logits whose softmax is the truth, then multiplied."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 3))
    told = softmax(logits, axis=1)
    truth = (told.cumsum(1) < rng.random((n, 1))).sum(1)
    return logits * sharpen, truth


@pytest.mark.parametrize("sharpen", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_known_factor(sharpen):
    logits, truth = drawn(sharpen=sharpen)
    assert fit_temperature(logits, truth) == pytest.approx(sharpen, rel=0.07)


def test_few_samples_leave_the_temperature_alone():
    logits, truth = drawn(9)
    assert fit_temperature(logits, truth) == 1.0


def test_threshold_by_hand():
    told = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    truth = np.array([0, 0, 1, 0])
    # bounds (wrong + 1) / (given + 1): 1/2, 1/3, 2/4, 2/5
    assert abstention_threshold(told, truth, 0.34) == 0.8
    assert abstention_threshold(told, truth, 0.4) == 0.0
    assert abstention_threshold(told, truth, 0.2) == NEVER


def test_threshold_keeps_its_promise_on_new_samples():
    logits, truth = drawn(6000, seed=1)
    found = calibrate(logits[:3000], truth[:3000], ["g"] * 3000, 0.1)
    told = softmax(logits[3000:] / found.temperature, axis=1)
    given = told.max(1) >= found.threshold
    assert 0.2 < given.mean() < 0.9
    assert (told.argmax(1) != truth[3000:])[given].mean() < 0.12
    assert found.error <= 0.1 and found.n == 3000 and found.groups == 1
    names = found.answers(logits[3000:] / found.temperature, ("a", "b", "c"))
    assert [name == "unknown" for name in names] == list(~given)


def test_what_is_refused():
    with pytest.raises(UsageError, match="a wanted error is above 0 and below 1, got 0"):
        abstention_threshold(np.ones((1, 2)) / 2, np.zeros(1, int), 0)
    with pytest.raises(UsageError, match="a temperature must be above 0"):
        Calibration(0.0)
