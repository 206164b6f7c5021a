r"""Rates at which states change along tracks: a Markov chain in continuous time, seen at intervals.

.. math:: P(\Delta t) = e^{Q \Delta t}, \qquad
    \log L = \sum_{tracks} \log \; \pi^T B(y_0) \prod_k P(t_k - t_{k-1}) B(y_k) \, 1

with ``B(y)`` the diagonal of the probability of what was seen in each true state. Without errors
of classification B picks one state and the sum is over pairs of neighbouring looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm
from scipy.optimize import minimize

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
SLOWEST = 1e-3
"""Expected switches in all the time watched below which a rate counts as 0."""
FASTEST = 6.0
"""Switches per usual interval above which a rate cannot be told from any faster one."""


@dataclass(frozen=True)
class TransitionFit:
    """Rates along tracks.

    Attributes
    ----------
    rates : array (k, k)
        Per unit of time, from row to column; nan on the diagonal and from a state never seen.
        inf where switching is too fast for these intervals.
    log_error : array (k, k)
        Standard error of the logarithm over tracks taken as independent; nan where undefined.
        It is not an interval over wells.
    seen : int array (k, k)
        Neighbouring looks that go from row to column, the most likely state of each.
    watched : array k
        Time spent in each state between looks, the state at the start of each interval.
    first : array k
        Estimated shares at the first look of a track.
    log_likelihood : float
    n_tracks, n_looks : int
    """

    rates: Floats
    log_error: Floats
    seen: npt.NDArray[np.int64]
    watched: Floats
    first: Floats
    log_likelihood: float
    n_tracks: int
    n_looks: int


def transition_rates(
    tracks: npt.ArrayLike, times: npt.ArrayLike, evidence: npt.ArrayLike
) -> TransitionFit:
    """Maximum-likelihood rates from looks at any times; gaps need no filling.

    Parameters
    ----------
    tracks, times : arrays N
    evidence : array (N, k)
        Probability of what was seen given each true state, up to a factor per row: see
        `certain`, `with_errors` and `from_probabilities`.

    Raises
    ------
    UsageError
        Shapes differ, fewer than two states, two looks of a track at one time, or no track that
        was looked at twice.

    References
    ----------
    Kalbfleisch and Lawless 1985, doi 10.1080/01621459.1985.10478195. Jackson et al. 2003,
    doi 10.1111/1467-9884.00351 (misclassified states).
    """
    data = _arrange(tracks, times, evidence)
    k = data.evidence.shape[2]
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    start = np.log([_crude(data, i, j) for i, j in pairs])
    x0 = np.concatenate([start, np.zeros(k - 1)])
    total = float(data.watched.sum())
    low = np.log(SLOWEST / total) if total > 0 else -20.0
    high = float(np.log(FASTEST / np.median(data.steps[data.steps > 0])))
    bounds = [(low, high)] * len(pairs) + [(-12.0, 12.0)] * (k - 1)

    likelihood = _log_likelihood if data.counts is None else _pair_log_likelihood

    def cost(x: Floats) -> float:
        return -likelihood(_generator(x[: len(pairs)], pairs, k), _shares(x, k), data)

    lowest, highest = np.array(bounds, dtype=np.float64).T
    begin: Any = np.clip(x0, lowest, highest)
    search: Any = minimize
    best = search(cost, begin, method="L-BFGS-B", bounds=bounds)
    return _fitted(best.x, -float(best.fun), cost, pairs, data, (low, high))


def certain(states: npt.ArrayLike, k: int) -> Floats:
    """Evidence for states that are known: one-hot; -1 is a look that told nothing."""
    index = np.asarray(states, dtype=np.int64)
    if len(index) and (index.min() < -1 or index.max() >= k):
        raise UsageError(f"states are numbered 0 to {k - 1}, or -1 for unknown.")
    return np.where(index[:, None] < 0, 1.0, np.eye(k)[np.maximum(index, 0)])


def with_errors(states: npt.ArrayLike, confusion: npt.ArrayLike) -> Floats:
    """Evidence for states named by a classifier of which the confusion matrix is known.

    Parameters
    ----------
    states : int array N
        As named; -1 is unknown.
    confusion : array (k, k)
        Row the true state, column the named one; rows sum to 1, measured on cells that the
        classifier was not fitted on.
    """
    matrix = check_confusion(confusion)
    index = np.asarray(states, dtype=np.int64)
    if len(index) and (index.min() < -1 or index.max() >= len(matrix)):
        raise UsageError(f"states are numbered 0 to {len(matrix) - 1}, or -1 for unknown.")
    told: Floats = np.where(index[:, None] < 0, 1.0, matrix.T[np.maximum(index, 0)])
    return told


def from_probabilities(probabilities: npt.ArrayLike, prior: npt.ArrayLike) -> Floats:
    """Evidence from calibrated class probabilities: divided by the shares they were trained on."""
    p, shares = np.asarray(probabilities, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    if p.ndim != 2 or shares.shape != (p.shape[1],) or (shares <= 0).any():
        raise UsageError("give one positive prior share for each column of probabilities.")
    return np.maximum(p, 1e-9) / shares


def check_confusion(confusion: npt.ArrayLike) -> Floats:
    """A confusion matrix whose rows sum to 1, or a refusal."""
    matrix = np.asarray(confusion, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise UsageError(f"a confusion matrix is square, got shape {matrix.shape}.")
    if (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1, atol=1e-6):
        raise UsageError("rows of a confusion matrix (the true state) sum to 1; divide by the row.")
    if np.linalg.matrix_rank(matrix, tol=1e-6) < len(matrix):
        raise UsageError("this confusion matrix says nothing: its rows are not independent.")
    return matrix


def apparent_rates(rates: npt.ArrayLike, confusion: npt.ArrayLike, step: float) -> Floats:
    """What two-state rates look like when errors of classification are taken for switches.

    Pairs of looks a step apart, cells at the long-run shares, errors independent from look to
    look. For small steps each error adds two switches: ``rate + 2 error / step``.

    Parameters
    ----------
    rates : array (2, 2)
    confusion : array (2, 2)
    step : float
        Between looks.

    Returns
    -------
    array (2, 2)
        nan on the diagonal; inf where looks seem unrelated.
    """
    q, errors = np.asarray(rates, dtype=np.float64), check_confusion(confusion)
    on, off = q[0, 1], q[1, 0]
    shares = np.array([off, on]) / (on + off) if on + off else np.array([0.5, 0.5])
    seen = errors.T @ (shares[:, None] * _step_matrix(_two(on, off), step)) @ errors
    chance = seen / seen.sum(axis=1, keepdims=True)
    a, b = chance[0, 1], chance[1, 0]
    left = 1 - a - b
    out = np.full((2, 2), np.nan)
    total = -np.log(left) / step if left > 0 else np.inf
    out[0, 1] = total * a / (a + b) if a + b else 0.0
    out[1, 0] = total * b / (a + b) if a + b else 0.0
    return out


@dataclass(frozen=True)
class _Looks:
    """Tracks side by side: column t holds the t-th look of each that has one.

    ``step_of[n, t]`` is the index in ``steps`` of the time since the look before; ``counts[s]``
    are pairs of looks by state before and after, where every state is certain.
    """

    evidence: Floats
    step_of: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    steps: Floats
    seen: npt.NDArray[np.int64]
    watched: Floats
    counts: Floats | None


def _arrange(tracks: npt.ArrayLike, times: npt.ArrayLike, evidence: npt.ArrayLike) -> _Looks:
    name, time = np.asarray(tracks), np.asarray(times, dtype=np.float64)
    weight = np.asarray(evidence, dtype=np.float64)
    if weight.ndim != 2 or not len(name) == len(time) == len(weight) or weight.shape[1] < 2:
        raise UsageError(
            f"got {len(name)} tracks, {len(time)} times and evidence of shape {weight.shape}; "
            "give one row per look and one column for each of two or more states."
        )
    number = np.unique(name, return_inverse=True)[1]
    order = np.lexsort((time, number))
    number, time, weight = number[order], time[order], weight[order]
    same = number[1:] == number[:-1]
    passed = np.diff(time)
    if (passed[same] <= 0).any():
        raise UsageError("a track was looked at twice at one time; give one row per frame.")
    counts = np.bincount(number)
    if counts.max(initial=0) < 2:
        raise UsageError("no track was looked at twice; rates need tracks over time.")
    k = weight.shape[1]
    place = np.arange(len(number)) - np.concatenate([[0], np.cumsum(counts)[:-1]])[number]
    steps, index = np.unique(np.round(passed[same], 9), return_inverse=True)
    wide = np.ones((len(counts), int(counts.max()), k))
    wide[number, place] = weight / weight.max(axis=1, keepdims=True)
    step_of = np.full(wide.shape[:2], -1, dtype=np.int64)
    later = np.flatnonzero(np.concatenate([[False], same]))
    step_of[number[later], place[later]] = index
    state = weight.argmax(axis=1)
    before, after = state[:-1][same], state[1:][same]
    counted = np.zeros((len(steps), k, k))
    np.add.at(counted, (index, before, after), 1)
    watched = np.bincount(before, weights=passed[same], minlength=k).astype(np.float64)
    longest_first = np.argsort(-counts, kind="stable")
    known = bool((np.count_nonzero(weight, axis=1) == 1).all())
    return _Looks(
        wide[longest_first],
        step_of[longest_first],
        counts[longest_first],
        steps,
        counted.sum(axis=0).astype(np.int64),
        watched,
        counted if known else None,
    )


def _crude(data: _Looks, i: int, j: int) -> float:
    return float((data.seen[i, j] + 0.5) / (data.watched[i] + np.median(data.steps)))


def _generator(log_rates: Floats, pairs: Sequence[tuple[int, int]], k: int) -> Floats:
    q = np.zeros((k, k))
    for (i, j), value in zip(pairs, np.exp(log_rates), strict=True):
        q[i, j] = value
    np.fill_diagonal(q, -q.sum(axis=1))
    return q


def _two(on: float, off: float) -> Floats:
    return np.array([[-on, on], [off, -off]])


def _step_matrix(q: Floats, step: float) -> Floats:
    """``exp(q step)``, by its closed form for two states."""
    if len(q) > 2:
        matrix: Floats = expm(q * step)
        return matrix
    total = q[0, 1] + q[1, 0]
    share = -np.expm1(-total * step) / total if total else 0.0
    return np.eye(2) + q * share


def _shares(x: Floats, k: int) -> Floats:
    weight = np.exp(np.concatenate([[0.0], x[len(x) - k + 1 :]]))
    return np.asarray(weight / weight.sum())


def _pair_log_likelihood(q: Floats, first: Floats, data: _Looks) -> float:
    """The same where every state is certain: tracks fall apart into pairs of looks."""
    assert data.counts is not None
    moves = np.stack([_step_matrix(q, float(step)) for step in data.steps])
    founders = data.evidence[:, 0].sum(axis=0)
    told = (data.counts * np.log(np.maximum(moves, 1e-300))).sum()
    return float(told + (founders * np.log(first)).sum())


def _log_likelihood(q: Floats, first: Floats, data: _Looks) -> float:
    """The forward pass over all tracks at once; those that have ended drop out of the front."""
    moves = np.stack([_step_matrix(q, float(step)) for step in data.steps])
    forward = first * data.evidence[:, 0]
    total = 0.0
    for look in range(data.evidence.shape[1]):
        if look:
            here = int((data.length > look).sum())
            step = moves[data.step_of[:here, look]]
            forward = np.einsum("ni,nij->nj", forward[:here], step) * data.evidence[:here, look]
        scale = np.maximum(forward.sum(axis=1), 1e-300)
        total += float(np.log(scale).sum())
        forward = forward / scale[:, None]
    return total


def _fitted(
    x: Floats,
    log_likelihood: float,
    cost: object,
    pairs: Sequence[tuple[int, int]],
    data: _Looks,
    limits: tuple[float, float],
) -> TransitionFit:
    k = data.evidence.shape[2]
    rates, errors = np.full((k, k), np.nan), np.full((k, k), np.nan)
    inside = [m for m in range(len(pairs)) if limits[0] + 1e-6 < x[m] < limits[1] - 1e-6]
    spread = _spread(cost, x, inside)
    for m, (i, j) in enumerate(pairs):
        if data.watched[i] == 0:
            continue
        rates[i, j] = np.exp(x[m])
        if x[m] <= limits[0] + 1e-6:
            rates[i, j] = 0.0
        elif x[m] >= limits[1] - 1e-6:
            rates[i, j] = np.inf
        else:
            errors[i, j] = spread[inside.index(m)]
    return TransitionFit(
        rates,
        errors,
        data.seen,
        data.watched,
        _shares(x, k),
        log_likelihood,
        len(data.length),
        int(data.length.sum()),
    )


def _spread(cost: object, x: Floats, which: Sequence[int]) -> Floats:
    """Standard errors from the curvature of the log likelihood along these coordinates."""
    assert callable(cost)
    size = len(which)
    if not size:
        return np.empty(0)
    h = 1e-3
    curvature = np.empty((size, size))
    for a in range(size):
        for b in range(a, size):
            values = []
            for sa, sb in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                y = x.copy()
                y[which[a]] += sa * h
                y[which[b]] += sb * h
                values.append(cost(y))
            curvature[a, b] = curvature[b, a] = (values[0] - values[1] - values[2] + values[3]) / (
                4 * h * h
            )
    try:
        variance = np.diag(np.linalg.inv(curvature))
    except np.linalg.LinAlgError:
        return np.full(size, np.nan)
    return np.sqrt(np.where(variance > 0, variance, np.nan))
