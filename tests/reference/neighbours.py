"""Slow definitions: neighbours one by one, Venna and Kaski's two measures, excess of a batch."""

from __future__ import annotations

import math


def nearest(points, k):
    found = []
    for i, here in enumerate(points):
        others = [(math.dist(here, there), j) for j, there in enumerate(points) if j != i]
        found.append([j for _, j in sorted(others)[:k]])
    return found


def jaccard(first, second):
    pairs = zip(first, second, strict=True)
    return [len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in pairs]


def _punished(asked, ranked, k):
    """Sum over neighbours in ``asked`` space that are not neighbours in ``ranked`` of rank - k."""
    total, n = 0, len(asked)
    near, order = nearest(asked, k), nearest(ranked, n - 1)
    for i in range(n):
        for j in near[i]:
            rank = order[i].index(j) + 1
            total += max(0, rank - k)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * total


def trustworthiness(high, low, k):
    return _punished(low, high, k)


def continuity(high, low, k):
    return _punished(high, low, k)


def excess(places, labels, batches, apart=None, most=10):
    out = []
    for i in range(len(places)):
        others = [j for j in range(len(places)) if j != i and labels[j] == labels[i]]
        asked = [j for j in others if apart is None or apart[j] != apart[i]]
        asked.sort(key=lambda j: (math.dist(places[i], places[j]), j))
        same = [batches[j] == batches[i] for j in asked]
        if len(others) < 2 or not any(same) or all(same):
            out.append(math.nan)
            continue
        k = min(most, max(1, len(asked) // 2))
        chance = sum(same) / len(same)
        out.append((sum(same[:k]) / k - chance) / (1 - chance))
    return out
