r"""How alike two maps are: rank correlation, and structural similarity.

.. math:: \mathrm{SSIM} = \frac{(2 \mu_a \mu_b + c_1)(2 \sigma_{ab} + c_2)}
          {(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)}

mean over all windows of 7 x 7 px that lie in the picture; both maps divided by their largest
absolute value, so that the range is 2, :math:`c_1 = (0.01 \cdot 2)^2, c_2 = (0.03 \cdot 2)^2`.

References
----------
Spearman 1904, doi 10.2307/1412159. Wang et al. 2004, doi 10.1109/TIP.2003.819861.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]

WINDOW = 7


def rank_correlation(first: Floats, second: Floats) -> Floats:
    """Spearman's rank correlation of each pair of maps, ``N L Y X`` each to ``N``.

    Maps of different L are compared by the sum of their channels. nan where one of the two is
    flat or holds no numbers.
    """
    first, second = _alike(first, second)
    out = np.full(len(first), np.nan)
    for n, (a, b) in enumerate(zip(first, second, strict=True)):
        x, y = a.ravel(), b.ravel()
        if np.isfinite(x).all() and np.isfinite(y).all() and np.ptp(x) > 0 and np.ptp(y) > 0:
            out[n] = np.corrcoef(rankdata(x), rankdata(y))[0, 1]
    return out


def structural_similarity(first: Floats, second: Floats) -> Floats:
    """SSIM of each pair of maps, mean over planes; nan where one is all 0 or holds no numbers."""
    first, second = _alike(first, second)
    out = np.full(len(first), np.nan)
    for n, (a, b) in enumerate(zip(first, second, strict=True)):
        largest = [float(np.abs(each).max()) for each in (a, b)]
        if np.isfinite(largest).all() and min(largest) > 0:
            planes = zip(a / largest[0], b / largest[1], strict=True)
            out[n] = np.mean([_ssim(x, y) for x, y in planes])
    return out


def _ssim(x: Floats, y: Floats) -> float:
    side = min(WINDOW, *x.shape)
    a = sliding_window_view(x, (side, side)).reshape(-1, side * side)
    b = sliding_window_view(y, (side, side)).reshape(-1, side * side)
    ma, mb = a.mean(axis=1), b.mean(axis=1)
    va, vb = a.var(axis=1, ddof=1), b.var(axis=1, ddof=1)
    both = ((a - ma[:, None]) * (b - mb[:, None])).sum(axis=1) / (side * side - 1)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    top = (2 * ma * mb + c1) * (2 * both + c2)
    return float((top / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def _alike(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    if first.shape[1] == second.shape[1]:
        return first, second
    return first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
