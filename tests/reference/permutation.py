"""The permutation test by brute force over every order of the units."""

from __future__ import annotations

from itertools import permutations


def exact_p(statistic, labels, two_sided=True):
    """Share of all n! orders of the labels that are at least as extreme."""
    size = abs if two_sided else float
    observed = size(statistic(list(labels)))
    values = [size(statistic(list(order))) for order in permutations(labels)]
    return sum(1 for v in values if v >= observed - 1e-12) / len(values)


def adjust_holm(p):
    """Holm: step through the sorted p-values."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, running = [0.0] * len(p), 0.0
    for step, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - step) * p[i]))
        out[i] = running
    return out


def adjust_bh(p):
    """Benjamini and Hochberg: the least m p / rank among those at least as large."""
    m = len(p)
    rank = {i: r + 1 for r, i in enumerate(sorted(range(m), key=lambda i: p[i]))}
    return [
        min(min(1.0, m * p[j] / rank[j]) for j in range(m) if rank[j] >= rank[i]) for i in range(m)
    ]
