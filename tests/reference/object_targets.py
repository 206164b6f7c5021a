"""Targets of an object network by definition, one object at a time."""

from __future__ import annotations

import numpy as np


def of_labels(labels):
    """Votes, sides and size of every pixel, and the box centres."""
    height, width = labels.shape
    votes, sides = np.zeros((2, height, width)), np.zeros((4, height, width))
    size = np.zeros((height, width))
    centres = []
    for k in np.unique(labels[labels > 0]):
        y, x = np.nonzero(labels == k)
        x0, y0, x1, y1 = x.min(), y.min(), x.max() + 1, y.max() + 1
        votes[0, y, x], votes[1, y, x] = (y0 + y1) / 2 - (y + 0.5), (x0 + x1) / 2 - (x + 0.5)
        sides[:, y, x] = [x + 0.5 - x0, y + 0.5 - y0, x1 - (x + 0.5), y1 - (y + 0.5)]
        size[y, x] = np.sqrt((x1 - x0) * (y1 - y0))
        centres.append(((y0 + y1) / 2, (x0 + x1) / 2))
    return votes, sides, size, centres
