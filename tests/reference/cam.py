"""Class-activation maps by their papers, one crop and one place at a time; loops, no tensors.

``a`` and ``g`` are one crop's answers and slopes of a layer, ``K h w``, as nested numbers.
"""

from __future__ import annotations

import math

import numpy as np


def weighted(a, weights):
    features, height, width = np.shape(a)
    return [
        [max(0.0, sum(weights[k] * a[k][y][x] for k in range(features))) for x in range(width)]
        for y in range(height)
    ]


def places(one):
    return [value for line in one for value in line]


def grad_cam(a, g):
    return weighted(a, [sum(places(each)) / len(places(each)) for each in g])


def grad_cam_plus_plus(a, g):
    weights = []
    for own, slope in zip(a, g, strict=True):
        total, weight = sum(places(own)), 0.0
        for s in places(slope):
            below = 2 * s**2 + total * s**3
            alpha = s**2 / below if abs(below) > 1e-12 else 0.0
            weight += alpha * max(s, 0.0)
        weights.append(weight)
    return weighted(a, weights)


def xgrad_cam(a, g):
    weights = []
    for own, slope in zip(a, g, strict=True):
        total = sum(places(own))
        parts = [v * s for v, s in zip(places(own), places(slope), strict=True)]
        weights.append(sum(parts) / total if total else 0.0)
    return weighted(a, weights)


def layer_cam(a, g):
    features, height, width = np.shape(a)
    out = [[0.0] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            parts = [max(g[k][y][x], 0.0) * a[k][y][x] for k in range(features)]
            out[y][x] = max(0.0, sum(parts))
    return out


def eigen_cam(a):
    """Numpy's singular values of the places-by-features matrix, as the paper has it."""
    features, height, width = np.shape(a)
    matrix = np.reshape(a, (features, -1)).T
    _, _, vectors = np.linalg.svd(matrix, full_matrices=False)
    map_ = matrix @ vectors[0]
    return np.maximum((map_ if map_.sum() > 0 else -map_).reshape(height, width), 0)


def enlarge(map_, side):
    """Bilinear between centres of places, by hand; the sum of the map is (about) kept."""
    height, width = np.shape(map_)
    out = np.zeros((side, side))
    for y in range(side):
        for x in range(side):
            v = min(max((y + 0.5) * height / side - 0.5, 0), height - 1)
            u = min(max((x + 0.5) * width / side - 0.5, 0), width - 1)
            y0, x0 = int(v), int(u)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            top = map_[y0][x0] * (1 - (u - x0)) + map_[y0][x1] * (u - x0)
            low = map_[y1][x0] * (1 - (u - x0)) + map_[y1][x1] * (u - x0)
            out[y, x] = (top * (1 - (v - y0)) + low * (v - y0)) * height * width / side**2
    return out


def score_cam(score, a, x, fill, planes):
    """``a`` per encoder, ``planes`` that each sees; ``score`` of one prepared picture P H W."""
    side = np.shape(x)[-1]
    gains = []
    for own, seen in zip(a, planes, strict=True):
        empty = np.array(x)
        empty[list(seen)] = fill[list(seen)]
        for one in own:
            large = enlarge(one, side)
            low, high = large.min(), large.max()
            mask = (large - low) / (high - low) if high > low else np.zeros_like(large)
            shown = np.array(x)
            for plane in seen:
                shown[plane] = mask * x[plane] + (1 - mask) * fill[plane]
            gains.append(score(shown) - score(empty))
    total = sum(math.exp(gain) for gain in gains)
    weights = [math.exp(gain) / total for gain in gains]
    out, at = [], 0
    for own in a:
        out.append(weighted(own, weights[at : at + len(own)]))
        at += len(own)
    return out


def rise(score, crop, fill, masks):
    """Slope of the score on each px's visibility; ``masks`` M L Y X, one crop L Y X."""
    told = [score(mask * crop + (1 - mask) * fill) for mask in masks]
    mean = sum(told) / len(told)
    out = np.zeros(crop.shape)
    for place in np.ndindex(crop.shape):
        shown = [mask[place] for mask in masks]
        middle = sum(shown) / len(shown)
        above = sum((s - mean) * (m - middle) for s, m in zip(told, shown, strict=True))
        out[place] = above / sum((m - middle) ** 2 for m in shown)
    return out
