r"""Elastic-net logistic regression along a path of penalties, every row with its own weight.

.. math::

    \min_{W, b} \sum_i w_i \left[-\log p_{y_i}(x_i)\right]
        + \lambda \sum_{jk} \left(\alpha |W_{jk}| + \tfrac{1 - \alpha}{2} W_{jk}^2\right),
    \qquad \sum_i w_i = 1

with a softmax for three classes or more and one sigmoid for two. L-BFGS-B solves it on the
positive and negative parts of W, where the absolute value is linear and zeros are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PATH_LENGTH = 10
NOTHING = 1e-9
"""Standard coefficients below this are what the solver leaves of a zero."""
PATH_END = 0.001
"""Last penalty of the path as a share of the first, at which every coefficient is zero."""

EXACT, QUICK = (1e-14, 1e-7), (1e-7, 1e-5)
"""Tolerances of the solver: relative change of the loss, and largest slope."""


@dataclass(frozen=True)
class Fit:
    """A solution at one penalty.

    Attributes
    ----------
    coefficients : float array K F
    intercept : float array K
        Logits are ``x @ coefficients.T + intercept``. The intercepts add up to 0.
    penalty : float
        Lambda.
    converged : bool
    """

    coefficients: Floats
    intercept: Floats
    penalty: float
    converged: bool = True

    def logits(self, x: Floats) -> Floats:
        """``N x K``."""
        out: Floats = x @ self.coefficients.T + self.intercept
        return out


def penalty_path(x: Floats, y: Ints, weight: Floats, classes: int, alpha: float) -> Floats:
    """Penalties from the one at which every coefficient is zero down to ``PATH_END`` of it.

    Parameters
    ----------
    x : float array N F
    y : int array N
        Class of each row, 0 to ``classes - 1``; every class is there.
    weight : float array N
        Adds up to 1.
    """
    share = np.bincount(y, weights=weight, minlength=classes)
    if classes == 2:
        pull = x.T @ (weight * (share[1] - y))
    else:
        pull = x.T @ (weight[:, None] * (share - np.eye(classes)[y]))
    top = max(float(np.abs(pull).max()) / alpha, 1e-12)
    return top * np.geomspace(1.0, PATH_END, PATH_LENGTH)


def fit_path(
    x: Floats,
    y: Ints,
    weight: Floats,
    classes: int,
    alpha: float,
    penalties: Sequence[float],
    exact: bool = True,
) -> Iterator[Fit]:
    """Fits at falling penalties, each started from the one before and made when asked for.

    ``exact`` goes on until nothing changes; else the loss is right to about four digits, which
    is enough to choose a penalty.
    """
    rows = 1 if classes == 2 else classes
    features = x.shape[1]
    size = rows * features
    start = np.zeros(2 * size + rows)
    bounds = [(0.0, None)] * (2 * size) + [(None, None)] * rows
    onehot = y[:, None].astype(np.float64) if rows == 1 else np.eye(classes)[y]
    ftol, gtol = EXACT if exact else QUICK
    for penalty in penalties:
        ridge, lasso = penalty * (1 - alpha), penalty * alpha

        def objective(
            v: Floats, ridge: float = ridge, lasso: float = lasso
        ) -> tuple[float, Floats]:
            w = (v[:size] - v[size : 2 * size]).reshape(rows, features)
            b = v[2 * size :]
            loss, slope = _loss(x @ w.T + b, onehot, weight)
            pull = (slope.T @ x).ravel() + ridge * w.ravel()
            value = loss + lasso * float(v[: 2 * size].sum()) + ridge / 2 * float((w**2).sum())
            return value, np.concatenate([pull + lasso, lasso - pull, slope.sum(axis=0)])

        result = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 2000, "maxfun": 4000, "ftol": ftol, "gtol": gtol, "maxcor": 20},
        )
        start = result.x
        w = (start[:size] - start[size : 2 * size]).reshape(rows, features)
        w[np.abs(w) < NOTHING] = 0.0
        yield _as_fit(w, start[2 * size :], float(penalty), bool(result.status != 1))


def log_loss(fit: Fit, x: Floats, y: Ints, weight: Floats) -> float:
    """Weighted mean of minus log probability of the true class, nats."""
    chosen = log_softmax(fit.logits(x), axis=1)[np.arange(len(y)), y]
    return float(-(weight * chosen).sum() / weight.sum())


def _loss(logits: Floats, onehot: Floats, weight: Floats) -> tuple[float, Floats]:
    """Weighted loss and its slope by logit, ``N x rows``."""
    if logits.shape[1] == 1:
        sign = 2 * onehot - 1
        loss = float((weight * np.logaddexp(0, -sign * logits)[:, 0]).sum())
        return loss, weight[:, None] * (expit(logits) - onehot)
    loss = float(-(weight * (log_softmax(logits, axis=1) * onehot).sum(axis=1)).sum())
    return loss, weight[:, None] * (softmax(logits, axis=1) - onehot)


def _as_fit(w: Floats, b: Floats, penalty: float, converged: bool) -> Fit:
    if len(w) == 1:
        return Fit(np.vstack([-w / 2, w / 2]), np.array([-b[0] / 2, b[0] / 2]), penalty, converged)
    # Neither the softmax nor the sum of absolute values changes when every class's intercept
    # does; the coefficients are left as they are, or exact zeros would be lost.
    return Fit(w, b - b.mean(), penalty, converged)
