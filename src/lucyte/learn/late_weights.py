r"""Weights of late fusion: the mixture of the channels' answers that explains held-out labels best.

.. math:: \max_w \sum_i \log \sum_c w_c\, p_c(y_i \mid x_i), \quad w_c \ge 0, \sum_c w_c = 1

concave in :math:`w`, solved by expectation and maximisation.

References
----------
Genest and Zidek 1986, doi 10.1214/ss/1177013825 (linear opinion pool). Dempster et al. 1977,
doi 10.1111/j.2517-6161.1977.tb01600.x.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
ROUNDS = 500


def late_weights(told: Floats, targets: npt.NDArray[np.int64]) -> list[float]:
    """Weight of each channel.

    Parameters
    ----------
    told : float array C N K
        Log-probabilities of each channel's classifier on held-out samples.
    targets : int array N

    Returns
    -------
    list of C float
        At least 0, adding up to 1; equal where there is no sample.
    """
    count = len(told)
    right = told[:, np.arange(len(targets)), targets]
    weights = np.full(count, 1.0 / count)
    if not len(targets):
        return weights.tolist()
    for _ in range(ROUNDS):
        with np.errstate(divide="ignore"):
            joint = right + np.log(weights)[:, None]
        new = np.exp(joint - logsumexp(joint, axis=0)).mean(axis=1)
        if np.abs(new - weights).max() < 1e-9:
            break
        weights = new
    weights = weights / weights.sum()
    return [float(w) for w in weights]
