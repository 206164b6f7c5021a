"""Shapley values by their definition: the mean gain over every order of the features."""

from __future__ import annotations

from itertools import permutations


def shapley(score, x, reference):
    """``score`` of a list of numbers; features of ``x`` join the ``reference`` one by one."""
    count = len(x)
    out = [0.0] * count
    orders = list(permutations(range(count)))
    for order in orders:
        now = list(reference)
        before = score(now)
        for at in order:
            now[at] = x[at]
            after = score(now)
            out[at] += (after - before) / len(orders)
            before = after
    return out
