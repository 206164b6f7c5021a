"""Slow definitions of costs, operating points, calibration and FROC, one object at a time."""

from __future__ import annotations

import math


def expected_cost(truth, said, classes, cost):
    """Mean over objects of the cost of each answer, and of the cheapest single answer."""
    n = len(truth)
    value = sum(cost[classes.index(t)][classes.index(s)] for t, s in zip(truth, said, strict=True))
    naive = min(sum(cost[classes.index(t)][k] for t in truth) for k in range(len(classes)))
    return value / n, naive / n


def net_benefit(p, positive, threshold):
    """Each hit counts 1, each false alarm the odds of the threshold."""
    total = 0.0
    for score, y in zip(p, positive, strict=True):
        if score >= threshold:
            total += 1.0 if y else -threshold / (1 - threshold)
    return total / len(p)


def rates(scores, positive, threshold):
    """Sensitivity, specificity and precision when called from a threshold on."""
    called = [s >= threshold for s in scores]
    hits = sum(1 for c, y in zip(called, positive, strict=True) if c and y)
    quiet = sum(1 for c, y in zip(called, positive, strict=True) if not c and not y)
    there = sum(1 for y in positive if y)
    rest = len(positive) - there
    return (
        hits / there if there else math.nan,
        quiet / rest if rest else math.nan,
        hits / sum(called) if any(called) else math.nan,
    )


def best_at(scores, positive, wanted, held, least):
    """The best of one rate over all thresholds at which another reaches what is asked."""
    best = math.nan
    for threshold in [math.inf, *scores]:
        told = rates(scores, positive, threshold)
        good = told[held] >= least - 1e-12 and not math.isnan(told[wanted])
        if good and not best >= told[wanted]:
            best = told[wanted]
    return best


def class_calibration_error(truth, p, classes, bins):
    """Per class and bin the gap of the sums, over all objects."""
    total = 0.0
    for k, name in enumerate(classes):
        for b in range(bins):
            low, high = b / bins, (b + 1) / bins
            inside = [
                i for i in range(len(truth)) if low < p[i][k] <= high or (b == 0 and p[i][k] == 0)
            ]
            share = sum(1 for i in inside if truth[i] == name)
            total += abs(share - sum(p[i][k] for i in inside))
    return total / len(truth) / len(classes)


def froc_points(images):
    """(false positives per image, sensitivity) at every confidence; images: (truth, [(c, hit)])."""
    cuts = sorted({c for _, boxes in images for c, _ in boxes})
    truth = sum(n for n, _ in images)
    points = [(0.0, 0.0)]
    for cut in cuts:
        kept = [hit for _, boxes in images for c, hit in boxes if c >= cut]
        points.append((sum(1 for h in kept if not h) / len(images), sum(kept) / truth))
    return points


def weighted_kappa(first, second, classes, power):
    """Disagreement seen over disagreement of all pairs of raters' answers."""
    rank = {name: k for k, name in enumerate(classes)}
    seen = sum(abs(rank[a] - rank[b]) ** power for a, b in zip(first, second, strict=True))
    chance = sum(abs(rank[a] - rank[b]) ** power for a in first for b in second)
    return 1 - seen * len(first) / chance if chance else math.nan


def paired_exchange(first, second):
    """Exact p of the mean difference of units when the models are exchanged in each."""
    gaps = [b - a for a, b in zip(first, second, strict=True)]
    observed = abs(sum(gaps))
    beaten = 0
    for code in range(2 ** len(gaps)):
        total = sum(-g if code >> k & 1 else g for k, g in enumerate(gaps))
        beaten += abs(total) >= observed - 1e-12
    return beaten / 2 ** len(gaps)


def concordance(a, b):
    """One minus the mean square difference over what independence would give."""
    n = len(a)
    square = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / n
    crossed = sum((x - y) ** 2 for x in a for y in b) / n**2
    return 1 - square / crossed
