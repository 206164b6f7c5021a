"""Occlusion, said slowly: for each pixel, the mean fall over the patches that cover it."""

from __future__ import annotations

import numpy as np


def margin(logits, target):
    others = [value for at, value in enumerate(logits) if at != target]
    return logits[target] - max(others)


def starts(size, patch, stride):
    out = [0]
    while out[-1] + patch < size:
        out.append(min(out[-1] + stride, size - patch))
    return out


def occlusion_map(predict, crop, target, channels, patch, stride, fill):
    """One crop ``C Y X``; ``channels`` are covered together; ``fill`` is a number per channel."""
    _, height, width = crop.shape
    before = margin(predict(crop[None])[0], target)
    falls = {}
    for y in starts(height, patch, stride):
        for x in starts(width, patch, stride):
            covered = np.array(crop, dtype=float)
            for channel in channels:
                for dy in range(patch):
                    for dx in range(patch):
                        covered[channel, y + dy, x + dx] = fill[channel]
            falls[y, x] = before - margin(predict(covered[None])[0], target)
    out = np.zeros((height, width))
    for py in range(height):
        for px in range(width):
            over = [
                fall
                for (y, x), fall in falls.items()
                if y <= py < y + patch and x <= px < x + patch
            ]
            out[py, px] = sum(over) / len(over)
    return out
