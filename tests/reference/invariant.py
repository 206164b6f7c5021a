"""Invariant features and batch shifts said slowly."""

from __future__ import annotations

import math

import numpy as np


def isr_mean(features, labels, environments, label, spurious):
    """Projector onto the directions of the means, by eigenvectors of their covariance."""
    means = []
    for place in sorted(set(environments)):
        rows = [
            f
            for f, y, e in zip(features, labels, environments, strict=True)
            if y == label and e == place
        ]
        means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    centre = [sum(column) / len(means) for column in zip(*means, strict=True)]
    size = len(centre)
    scatter = np.zeros((size, size))
    for mean in means:
        for i in range(size):
            for j in range(size):
                scatter[i, j] += (mean[i] - centre[i]) * (mean[j] - centre[j])
    values, vectors = np.linalg.eigh(scatter)
    best = sorted(range(size), key=lambda k: -values[k])[:spurious]
    return sum(np.outer(vectors[:, k], vectors[:, k]) for k in best)


def isr_cov(features, labels, environments, label, spurious):
    """Projector onto the directions in which the two covariances differ most."""
    tables = []
    for place in sorted(set(environments)):
        rows = [
            f
            for f, y, e in zip(features, labels, environments, strict=True)
            if y == label and e == place
        ]
        centre = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        size = len(centre)
        table = [
            [
                sum((r[i] - centre[i]) * (r[j] - centre[j]) for r in rows) / (len(rows) - 1)
                for j in range(size)
            ]
            for i in range(size)
        ]
        tables.append(table)
    change = np.array(tables[1]) - np.array(tables[0])
    values, vectors = np.linalg.eigh(change)
    # The square has the same vectors; its values are the squares.
    best = sorted(range(len(values)), key=lambda k: -(values[k] ** 2))[:spurious]
    return sum(np.outer(vectors[:, k], vectors[:, k]) for k in best)


def memberships(rows, batches, centres, width, favour):
    """Soft clusters: Gaussian weight times the favour of the row's batch, adding up to 1."""
    out = []
    for row, batch in zip(rows, batches, strict=True):
        weights = []
        for k, centre in enumerate(centres):
            far = sum((a - b) ** 2 for a, b in zip(row, centre, strict=True))
            weights.append(favour[batch][k] * math.exp(-far / width))
        total = sum(weights)
        out.append([w / total for w in weights])
    return out


def shifts(rows, batches, share, names):
    """Mean of each batch in each cluster less the mean over batches, shrunk by held/(held+1)."""
    out = []
    clusters = len(share[0])
    size = len(rows[0])
    means, held = {}, {}
    for b in names:
        for k in range(clusters):
            weight = sum(s[k] for s, each in zip(share, batches, strict=True) if each == b)
            held[b, k] = weight
            means[b, k] = [
                sum(
                    s[k] * r[j]
                    for s, r, each in zip(share, rows, batches, strict=True)
                    if each == b
                )
                / weight
                for j in range(size)
            ]
    for b in names:
        line = []
        for k in range(clusters):
            middle = [sum(means[c, k][j] for c in names) / len(names) for j in range(size)]
            shrink = held[b, k] / (held[b, k] + 1)
            line.append([(means[b, k][j] - middle[j]) * shrink for j in range(size)])
        out.append(line)
    return out
