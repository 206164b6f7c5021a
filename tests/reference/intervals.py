"""Slow definitions of clustered estimates and their variance, following the papers' sums."""

from __future__ import annotations

import math


def unit_means(values, units):
    """Unit by unit."""
    out = []
    for unit in sorted(set(units)):
        own = [v for v, u in zip(values, units, strict=True) if u == unit]
        out.append(sum(own) / len(own))
    return out


def mean_and_error(values, units):
    """Mean of unit means and its standard error."""
    means = unit_means(values, units)
    n = len(means)
    centre = sum(means) / n
    return centre, math.sqrt(sum((m - centre) ** 2 for m in means) / (n - 1) / n)


def clustered_auroc(scores, positive, units):
    """Obuchowski 1997: AUROC over all cells and the variance of clustered placement values."""
    rows = list(zip(scores, positive, units, strict=True))
    high = [(s, u) for s, y, u in rows if y]
    low = [(s, u) for s, y, u in rows if not y]

    def psi(a, b):
        return 1.0 if a > b else 0.5 if a == b else 0.0

    v10 = [(sum(psi(s, t) for t, _ in low) / len(low), u) for s, u in high]
    v01 = [(sum(psi(s, t) for s, _ in high) / len(high), u) for t, u in low]
    theta = sum(v for v, _ in v10) / len(v10)
    names = sorted(set(units))
    gap10 = {k: sum(v - theta for v, u in v10 if u == k) for k in names}
    gap01 = {k: sum(v - theta for v, u in v01 if u == k) for k in names}
    i10 = len({u for _, u in high})
    i01 = len({u for _, u in low})
    i = len(names)
    m, n = len(high), len(low)
    s10 = i10 / ((i10 - 1) * m) * sum(g**2 for g in gap10.values())
    s01 = i01 / ((i01 - 1) * n) * sum(g**2 for g in gap01.values())
    s11 = i / (i - 1) * sum(gap10[k] * gap01[k] for k in names)
    return theta, s10 / m + s01 / n + 2 * s11 / (m * n)
