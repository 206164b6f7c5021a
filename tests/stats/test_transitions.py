"""Switching rates: closed forms, a slow twin, recovery under gaps and errors."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.transitions import (
    _arrange,
    _log_likelihood,
    apparent_rates,
    certain,
    from_probabilities,
    transition_rates,
    with_errors,
)
from reference.survival import log_likelihood

ON, OFF = 0.3, 0.6


def chain(n: int, looks: int, seed: int, step: float = 0.5) -> tuple[np.ndarray, ...]:
    """Tracks of a two-state chain at steady shares, a third of the looks missing."""
    rng = np.random.default_rng(seed)
    total = ON + OFF
    stay = np.exp(-total * step)
    share = ON / total
    state = (rng.random(n) < share).astype(int)
    every = [state]
    for _ in range(looks - 1):
        chance = share + (state - share) * stay
        state = (rng.random(n) < chance).astype(int)
        every.append(state)
    track = np.repeat(np.arange(n), looks)
    time = np.tile(np.arange(looks) * step, n)
    keep = rng.random(n * looks) < 0.67
    return track[keep], time[keep], np.stack(every, axis=1).ravel()[keep]


def test_two_states_at_even_steps_have_a_closed_form() -> None:
    states = np.array([0, 0, 1, 1, 0, 0, 0, 1, 0, 0])
    fit = transition_rates(np.zeros(10, int), np.arange(10.0), certain(states, 2))
    a, b = 2 / 6, 2 / 3  # the shares of looks after which the state had changed
    total = -np.log(abs(1 - a - b)) if abs(1 - a - b) > 1e-9 else np.inf
    assert np.isinf(total), "test invalid"
    states = np.array([0, 0, 0, 0, 1, 1, 1, 0, 0, 0])
    fit = transition_rates(np.zeros(10, int), np.arange(10.0), certain(states, 2))
    a, b = 1 / 6, 1 / 3
    total = -np.log(1 - a - b)
    assert fit.rates[0, 1] == pytest.approx(total * a / (a + b), rel=1e-3)
    assert fit.rates[1, 0] == pytest.approx(total * b / (a + b), rel=1e-3)
    assert fit.seen.tolist() == [[5, 1], [1, 2]]
    assert fit.watched.tolist() == [6, 3]


@pytest.mark.parametrize("k", [2, 3])
def test_likelihood_against_every_path(k: int) -> None:
    rng = np.random.default_rng(k)
    track = np.repeat([0, 1, 2], [5, 3, 1])
    time = np.concatenate([np.cumsum(rng.random(m)) for m in (5, 3, 1)])
    told = rng.random((9, k))
    told /= told.max(axis=1, keepdims=True)
    rates = rng.random((k, k))
    first = np.full(k, 1 / k)
    slow = [
        [(t, w) for t, w in zip(time[track == n], told[track == n], strict=True)] for n in range(3)
    ]
    q = rates.copy()
    np.fill_diagonal(q, 0)
    np.fill_diagonal(q, -q.sum(axis=1))
    fast = _log_likelihood(q, first, _arrange(track, time, told))
    assert fast == pytest.approx(log_likelihood(slow, rates, first), rel=1e-9)


def test_known_rates_come_back_with_gaps() -> None:
    track, time, state = chain(600, 20, 0)
    fit = transition_rates(track, time, certain(state, 2))
    for (i, j), rate in (((0, 1), ON), ((1, 0), OFF)):
        assert abs(np.log(fit.rates[i, j] / rate)) < 3 * fit.log_error[i, j]
        assert fit.log_error[i, j] < 0.06
    assert fit.first[1] == pytest.approx(ON / (ON + OFF), abs=0.06)


def test_errors_are_taken_for_switches_unless_they_are_told() -> None:
    track, time, state = chain(400, 20, 1)
    wrong = np.random.default_rng(3).random(len(state)) < 0.06
    named = np.where(wrong, 1 - state, state)
    confusion = np.array([[0.94, 0.06], [0.06, 0.94]])
    naive = transition_rates(track, time, certain(named, 2)).rates
    told = transition_rates(track, time, with_errors(named, confusion))
    assert naive[0, 1] > 1.4 * ON
    assert abs(np.log(told.rates[0, 1] / ON)) < 3 * told.log_error[0, 1]
    assert abs(np.log(told.rates[1, 0] / OFF)) < 3 * told.log_error[1, 0]


def test_apparent_rates_say_what_errors_do() -> None:
    q = np.array([[np.nan, ON], [OFF, np.nan]])
    np.testing.assert_allclose(
        apparent_rates(q, np.eye(2), 0.5)[[0, 1], [1, 0]], [ON, OFF], rtol=1e-9
    )
    rng = np.random.default_rng(4)
    n, step = 200_000, 0.5
    share, stay = ON / (ON + OFF), np.exp(-(ON + OFF) * step)
    one = rng.random(n) < share
    two = rng.random(n) < share + (one - share) * stay
    seen = [np.where(rng.random(n) < 0.05, ~each, each) for each in (one, two)]
    a = seen[1][~seen[0]].mean()
    b = 1 - seen[1][seen[0]].mean()
    total = -np.log(1 - a - b) / step
    found = apparent_rates(q, np.array([[0.95, 0.05], [0.05, 0.95]]), step)
    assert found[0, 1] == pytest.approx(total * a / (a + b), rel=0.02)
    assert found[1, 0] == pytest.approx(total * b / (a + b), rel=0.02)


def test_no_switch_is_zero_and_a_state_never_seen_is_unknown() -> None:
    fit = transition_rates([1, 1, 1], [0, 1, 2], certain([0, 0, 0], 2))
    assert fit.rates[0, 1] == 0
    assert np.isnan(fit.rates[1, 0])
    flicker = np.tile([0, 1], 50)
    fast = transition_rates(np.zeros(100, int), np.arange(100.0), certain(flicker, 2))
    assert np.isinf(fast.rates).any()


def test_refusals() -> None:
    with pytest.raises(UsageError, match="looked at twice at one time"):
        transition_rates([1, 1], [0, 0], certain([0, 1], 2))
    with pytest.raises(UsageError, match="no track was looked at twice"):
        transition_rates([1, 2], [0, 0], certain([0, 1], 2))
    with pytest.raises(UsageError, match="rows of a confusion matrix"):
        with_errors([0], [[0.9, 0.2], [0.1, 0.8]])
    with pytest.raises(UsageError, match="says nothing"):
        with_errors([0], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(UsageError, match="one positive prior"):
        from_probabilities([[0.5, 0.5]], [1.0, 0.0])
    with pytest.raises(UsageError, match="numbered 0 to 1"):
        certain([2], 2)
