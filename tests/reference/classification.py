"""Slow definitions of classification metrics, by counting one thing at a time."""

from __future__ import annotations

import math


def auroc(scores, positive):
    """Every pair of a positive and a negative, ties one half."""
    high = [s for s, y in zip(scores, positive, strict=True) if y]
    low = [s for s, y in zip(scores, positive, strict=True) if not y]
    if not high or not low:
        return math.nan
    won = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in high for b in low)
    return won / (len(high) * len(low))


def average_precision(scores, positive):
    """At each distinct threshold: recall gained times precision there."""
    total = sum(1 for y in positive if y)
    if not total:
        return math.nan
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = [y for s, y in zip(scores, positive, strict=True) if s >= threshold]
        right = sum(1 for y in called if y)
        area += (right / total - before) * right / len(called)
        before = right / total
    return area


def per_class(truth, predicted, name):
    """Precision, recall and F1 of one class; nan where undefined."""
    pairs = list(zip(truth, predicted, strict=True))
    hit = sum(1 for t, p in pairs if t == name and p == name)
    there = sum(1 for t, _ in pairs if t == name)
    called = sum(1 for _, p in pairs if p == name)
    return (
        hit / called if called else math.nan,
        hit / there if there else math.nan,
        2 * hit / (there + called) if there + called else math.nan,
    )


def mcc(truth, predicted, classes):
    """Correlation of one-hot truth and one-hot answers, covariances summed over classes."""
    n = len(truth)

    def covariance(a, b):
        total = 0.0
        for name in classes:
            x = [1.0 if v == name else 0.0 for v in a]
            y = [1.0 if v == name else 0.0 for v in b]
            mx, my = sum(x) / n, sum(y) / n
            total += sum((i - mx) * (j - my) for i, j in zip(x, y, strict=True)) / n
        return total

    below = covariance(truth, truth) * covariance(predicted, predicted)
    return covariance(truth, predicted) / math.sqrt(below) if below > 1e-15 else math.nan


def calibration_error(truth, probabilities, classes, bins=15):
    """Bins one after the other."""
    n, total = len(truth), 0.0
    for b in range(bins):
        inside = []
        for t, row in zip(truth, probabilities, strict=True):
            sure = max(row)
            if b / bins < sure <= (b + 1) / bins:
                inside.append((sure, 1.0 if classes[list(row).index(sure)] == t else 0.0))
        if inside:
            sure = sum(s for s, _ in inside) / len(inside)
            right = sum(r for _, r in inside) / len(inside)
            total += len(inside) / n * abs(right - sure)
    return total
