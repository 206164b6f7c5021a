"""Slow definitions of broad light, what is finer, its levels, and of transport along one axis."""

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


def levels_by_hand(broad: Floats, zones: int) -> Floats:
    """Mean of one crop's broad light ``C H W`` by channel and zone ``C Z``, px by px."""
    channels, height, width = broad.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    places.sort(key=lambda at: sum(broad[c][at] for c in range(channels)))
    share = len(places) // zones
    assert share * zones == len(places)
    return np.array(
        [
            [np.mean([broad[c][at] for at in places[z * share :][:share]]) for z in range(zones)]
            for c in range(channels)
        ]
    )


def spread_by_hand(broad: Floats, levels: Floats) -> Floats:
    """Levels ``C Z`` over one crop ``C H W``, px by px, straight between the middles of zones."""
    channels, height, width = broad.shape
    zones = levels.shape[1]
    total = broad.sum(axis=0)
    out = np.empty((channels, height, width))
    for y in range(height):
        for x in range(width):
            below, alike = (total < total[y, x]).sum(), (total == total[y, x]).sum()
            place = (below + alike / 2) / (height * width) * zones - 0.5
            place = min(max(place, 0.0), zones - 1.0)
            left = min(int(place), zones - 2)
            part = place - left
            out[:, y, x] = (1 - part) * levels[:, left] + part * levels[:, left + 1]
    return out
