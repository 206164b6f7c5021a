"""Grouping by definition: every pair of boxes, every pixel against every centre."""

from __future__ import annotations

import numpy as np


def kept(boxes, places, scores, cells, iou, near):
    """Indices that stay, best first: no better kept box overlaps or lies near."""
    order = sorted(range(len(scores)), key=lambda k: (-scores[k], cells[k][0], cells[k][1]))
    stay = []
    for k in order:
        if not any(_same(boxes[k], places[k], boxes[o], places[o], iou, near) for o in stay):
            stay.append(k)
    return stay


def _same(a, place_a, b, place_b, iou, near):
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    if wide * high / (area_a + area_b - wide * high) > iou:
        return True
    away = np.hypot(place_a[0] - place_b[0], place_a[1] - place_b[1])
    return bool(away < near * np.sqrt(min(area_a, area_b)))


def bilinear(plane, y, x):
    """The value between four pixels whose centres lie at half-integers; edges go on."""
    height, width = plane.shape
    y, x = np.clip(y - 0.5, 0, height - 1), np.clip(x - 0.5, 0, width - 1)
    iy, ix = int(y), int(x)
    jy, jx = min(iy + 1, height - 1), min(ix + 1, width - 1)
    ty, tx = y - iy, x - ix
    top = plane[iy, ix] * (1 - tx) + plane[iy, jx] * tx
    low = plane[jy, ix] * (1 - tx) + plane[jy, jx] * tx
    return top * (1 - ty) + low * ty


def owners(foreground, votes, places, sizes, shape, step):
    """For each pixel the number (from 1) of the centre its vote comes nearest to, in its size."""
    out = np.zeros(shape, int)
    height, width = foreground.shape
    for i in range(shape[0]):
        for j in range(shape[1]):
            y, x = (i + 0.5) * step, (j + 0.5) * step
            if bilinear(foreground, y, x) <= 0:
                continue
            v = min(max(int(y + bilinear(votes[0], y, x)), 0), height - 1) + 0.5
            u = min(max(int(x + bilinear(votes[1], y, x)), 0), width - 1) + 0.5
            away = [
                np.hypot(v - p[0], u - p[1]) / max(s, 1.5)
                for p, s in zip(places, sizes, strict=True)
            ]
            if away and min(away) < 0.6:
                out[i, j] = int(np.argmin(away)) + 1
    return out
