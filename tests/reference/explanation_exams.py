"""Exams of relevance maps, said slowly, one crop and one pixel at a time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.optimize import nnls


def margin(logits, target):
    return logits[target] - max(value for at, value in enumerate(logits) if at != target)


def in_order(relevance):
    """Places (channel, y, x) from the most relevant to the least; values must differ."""
    places = list(np.ndindex(relevance.shape))
    assert len({float(relevance[at]) for at in places}) == len(places), "test invalid: ties"
    return sorted(places, key=lambda at: -relevance[at])


def curve_area(predict, start, other, relevance, light, target, fractions):
    """Mean change of the margin as the most relevant pixels of ``other`` come into ``start``."""
    order = in_order(relevance)
    before = margin(predict(start[None])[0], target)
    points = [(0.0, 0.0)]
    for fraction in fractions:
        crop = np.array(start, dtype=float)
        for c, y, x in order[: round(fraction * len(order))]:
            for channel in light if relevance.shape[0] == 1 else [light[c]]:
                crop[channel, y, x] = other[channel, y, x]
        points.append((fraction, margin(predict(crop[None])[0], target) - before))
    total = 0.0
    for (q0, s0), (q1, s1) in pairwise(points):
        total += (q1 - q0) * (s0 + s1) / 2
    return total / fractions[-1]


def impute(plane, missing):
    """Solve the equations of the missing pixels, written out as a full matrix."""
    places = [tuple(at) for at in np.argwhere(missing)]
    matrix, right = np.zeros((len(places), len(places))), np.zeros(len(places))
    for i, (y, x) in enumerate(places):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                at = (y + dy, x + dx)
                inside = 0 <= at[0] < plane.shape[0] and 0 <= at[1] < plane.shape[1]
                if (dy or dx) and inside:
                    weight = 1 / 12 if dy and dx else 1 / 6
                    matrix[i, i] += weight
                    if missing[at]:
                        matrix[i, places.index(at)] -= weight
                    else:
                        right[i] += weight * plane[at]
    out = np.array(plane, dtype=float)
    for at, value in zip(places, np.linalg.solve(matrix, right), strict=True):
        out[at] = value
    return out


def infidelity(said, fallen):
    """Of one crop: what the best scale that is not negative leaves of the squared falls."""
    scale, rest = nnls(np.asarray(said)[:, None], np.asarray(fallen))
    assert scale[0] >= 0
    return rest**2 / sum(value**2 for value in fallen)


def ranks(values):
    """1 for the smallest; ties share the mean of their ranks."""
    flat = [float(v) for v in np.ravel(values)]
    return [
        sum(other < value for other in flat) + (sum(other == value for other in flat) + 1) / 2
        for value in flat
    ]


def rank_correlation(first, second):
    a, b = ranks(first), ranks(second)
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    top = sum((x - ma) * (y - mb) for x, y in zip(a, b, strict=True))
    return top / (sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b)) ** 0.5


def ssim(first, second, window=7):
    """One pair of planes of range -1 to 1."""
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    found = []
    for y in range(first.shape[0] - window + 1):
        for x in range(first.shape[1] - window + 1):
            a = [float(v) for v in first[y : y + window, x : x + window].ravel()]
            b = [float(v) for v in second[y : y + window, x : x + window].ravel()]
            n = len(a)
            ma, mb = sum(a) / n, sum(b) / n
            va = sum((v - ma) ** 2 for v in a) / (n - 1)
            vb = sum((v - mb) ** 2 for v in b) / (n - 1)
            both = sum((u - ma) * (v - mb) for u, v in zip(a, b, strict=True)) / (n - 1)
            top = (2 * ma * mb + c1) * (2 * both + c2)
            found.append(top / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return sum(found) / len(found)


def mass(relevance, where):
    """Share of the positive relevance of one map ``L Y X`` in ``where``."""
    inside = total = 0.0
    for _, y, x in np.ndindex(relevance.shape):
        value = max(0.0, relevance[_, y, x])
        total += value
        inside += value if where[y, x] else 0.0
    return inside / total


def largest_change(attribute, predictor, crop, target, copies):
    """Largest relative distance between the map of one crop and those of its noisy copies."""
    before = attribute(predictor, crop[None], [target])[0]
    size = sum(v**2 for v in before.ravel()) ** 0.5
    found = []
    for each in copies:
        after = attribute(predictor, each[None], [target])[0]
        found.append(sum((v - w) ** 2 for v, w in zip(after.ravel(), before.ravel(), strict=True)))
    return max(found) ** 0.5 / size
