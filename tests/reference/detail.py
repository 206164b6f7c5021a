"""Slow definitions of what is finer than broad light, and of transport along one axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def broad_by_hand(plane: Floats) -> Floats:
    """Running medians of one plane ``H W``, px by px, edges mirrored; both orders averaged."""
    reach = plane.shape[-1] // 4 // 2 * 2 + 1

    def along(rows: Floats) -> Floats:
        half = reach // 2
        out = np.empty_like(rows)
        for y, row in enumerate(rows):
            longer = np.concatenate([row[:half][::-1], row, row[len(row) - half :][::-1]])
            for x in range(len(row)):
                out[y, x] = np.median(longer[x : x + reach])
        return out

    return 0.5 * (along(along(plane).T).T + along(along(plane.T).T))


def sorted_transport(values: Floats, source: Floats, target: Floats) -> Floats:
    """Where each value goes if the k-th smallest of the source goes to that of the target."""
    assert len(source) == len(target)
    source, target = np.sort(source), np.sort(target)
    return np.array([target[np.argmin(np.abs(source - value))] for value in values])
