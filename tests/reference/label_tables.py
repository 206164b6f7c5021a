"""Label images of moving discs, and the table of their objects, measured pixel by pixel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def measure(time: int, labels: np.ndarray) -> list[dict[str, object]]:
    """One row per object of a label image."""
    rows = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        y, x = np.nonzero(labels[box] == label)
        (y0, y1), (x0, x1) = ((side.start, side.stop) for side in box)
        row = {"object_id": f"f/t{time:03d}/cell/{label}", "time_index": time, "label": label}
        row |= {"centroid_y_px": y.mean() + y0, "centroid_x_px": x.mean() + x0, "area_px": len(y)}
        rows.append(row | {"x0_px": x0, "y0_px": y0, "x1_px": x1, "y1_px": y1})
    return rows


def disc_movie(
    frames: int, *, pair: bool = False, divides: bool = False, seed: int = 3
) -> tuple[dict[int, np.ndarray], dict[tuple[str, int], int]]:
    """Twelve quiet discs; a touching pair a, b; a cell that divides in the middle.

    Returns the label images and the label of each (cell, time).
    """
    rng = np.random.default_rng(seed)
    places = [(50 + 70 * (i // 4), 40 + 60 * (i % 4), 11.0 + i % 3) for i in range(12)]
    wander = {f"crowd{i}": np.array(each) for i, each in enumerate(places)}
    grid = np.mgrid[:260, :420]
    movie, names = {}, {}
    for time in range(frames):
        for each in wander.values():
            each[:2] += rng.normal(0, 1.0, 2)
        here = {name: tuple(each) for name, each in wander.items()}
        if pair:
            here |= {"a": (120.0, 330.0 + time, 12.0), "b": (120.0, 353.0 + time, 11.0)}
        if divides and time < frames // 2:
            here["m"] = (200.0, 340.0, 15.0)
        if divides and time >= frames // 2:
            here |= {"d": (200.0, 328.0, 10.6), "e": (200.0, 352.0, 10.6)}
        image = np.zeros(grid.shape[1:], np.int32)
        labels = rng.permutation(len(here)) + 1
        for (name, (y, x, radius)), label in zip(here.items(), labels.tolist(), strict=True):
            inside = (grid[0] - y) ** 2 + (grid[1] - x) ** 2 < radius**2
            image[inside & (image == 0)] = label
            names[name, time] = label
        movie[time] = image
    return movie, names
