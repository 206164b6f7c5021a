"""Adjusting p-values for asking several questions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


def holm(p: npt.ArrayLike) -> Floats:
    """Holm's step-down p-values: adjusted <= alpha keeps the family-wise error at alpha.

    ``q_(i) = max over j <= i of min(1, (m - j + 1) p_(j))``, p sorted ascending. nan (a question
    not asked) stays nan and does not count.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    return _adjust(p, step_down=True)


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Benjamini and Hochberg's p-values: adjusted <= q keeps the false discovery rate at q.

    ``q_(i) = min over j >= i of min(1, m p_(j) / j)``, p sorted ascending. nan stays nan.

    References
    ----------
    Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x.
    """
    return _adjust(p, step_down=False)


def _adjust(p: npt.ArrayLike, step_down: bool) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    known = np.isfinite(values)
    if np.any((values[known] < 0) | (values[known] > 1)):
        raise UsageError("p-values lie between 0 and 1.")
    out = np.full(values.shape, np.nan)
    order = np.argsort(values[known], kind="stable")
    ranked = values[known][order]
    m = len(ranked)
    rank = np.arange(1, m + 1)
    if step_down:
        adjusted = np.maximum.accumulate((m - rank + 1) * ranked)
    else:
        adjusted = np.minimum.accumulate((m * ranked / rank)[::-1])[::-1]
    back = np.empty(m)
    back[order] = np.minimum(1.0, adjusted)
    out[known] = back
    return out
