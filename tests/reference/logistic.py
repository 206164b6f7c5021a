"""The elastic-net logistic loss, said slowly, and what holds at its minimum."""

from __future__ import annotations

import math


def objective(x, y, weight, coefficients, intercept, penalty, alpha):
    """Weighted softmax loss plus penalty, cell by cell."""
    total = 0.0
    for row, label, w in zip(x, y, weight, strict=True):
        logits = [
            sum(c * v for c, v in zip(line, row, strict=True)) + b
            for line, b in zip(coefficients, intercept, strict=True)
        ]
        top = max(logits)
        total += w * (math.log(sum(math.exp(v - top) for v in logits)) + top - logits[label])
    for line in coefficients:
        for c in line:
            total += penalty * (alpha * abs(c) + (1 - alpha) / 2 * c * c)
    return total


def optimality_gap(x, y, weight, coefficients, intercept, penalty, alpha):
    """Largest violation of the subgradient conditions of the softmax loss with elastic net."""
    classes, features = len(coefficients), len(coefficients[0])
    slope = [[0.0] * features for _ in range(classes)]
    for row, label, w in zip(x, y, weight, strict=True):
        logits = [
            sum(c * v for c, v in zip(line, row, strict=True)) + b
            for line, b in zip(coefficients, intercept, strict=True)
        ]
        top = max(logits)
        odds = [math.exp(v - top) for v in logits]
        for k in range(classes):
            error = odds[k] / sum(odds) - (1.0 if k == label else 0.0)
            for j in range(features):
                slope[k][j] += w * error * row[j]
    worst = 0.0
    for k in range(classes):
        for j in range(features):
            c = coefficients[k][j]
            if c == 0:
                gap = max(0.0, abs(slope[k][j]) - penalty * alpha)
            else:
                pull = penalty * (alpha * math.copysign(1, c) + (1 - alpha) * c)
                gap = abs(slope[k][j] + pull)
            worst = max(worst, gap)
    return worst


def balanced(labels, groups):
    """Every class the same total weight, every group the same within its class."""
    classes = sorted(set(labels))
    out = []
    for label, group in zip(labels, groups, strict=True):
        mine = {g for each, g in zip(labels, groups, strict=True) if each == label}
        same = sum(1 for pair in zip(labels, groups, strict=True) if pair == (label, group))
        out.append(1 / len(classes) / len(mine) / same)
    return out
