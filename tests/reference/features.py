"""Features of one object by their definitions: one mask, one plane, python loops and numpy."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def hull_area(mask: Mask) -> float:
    """Area of the convex hull of the corners of all px, by gift wrapping."""
    corners = sorted(
        {(y + a, x + b) for y, x in np.argwhere(mask).tolist() for a in (0, 1) for b in (0, 1)}
    )
    hull, point = [], corners[0]
    while True:
        hull.append(point)
        best = next(c for c in corners if c != point)
        for c in corners:
            if c == point:
                continue
            turn = (best[0] - point[0]) * (c[1] - point[1]) - (best[1] - point[1]) * (
                c[0] - point[0]
            )
            farther = math.dist(point, c) > math.dist(point, best)
            if turn < 0 or (turn == 0 and farther):
                best = c
        point = best
        if point == hull[0]:
            break
    twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(hull, [*hull[1:], hull[0]], strict=True))
    return abs(twice) / 2


def depth(mask: Mask) -> npt.NDArray[np.int64]:
    """Cheapest way out of the mask by steps of 3 (straight) and 4 (diagonal)."""
    padded = np.pad(mask, 1)
    cost = np.where(padded, 10**6, 0)
    while True:
        before = cost.copy()
        for dy, dx in itertools.product((-1, 0, 1), repeat=2):
            if dy or dx:
                step = 3 if 0 in (dy, dx) else 4
                moved = np.roll(before, (dy, dx), (0, 1)) + step
                cost = np.where(padded, np.minimum(cost, moved), 0)
        if np.array_equal(before, cost):
            return cost[1:-1, 1:-1]


def shape(mask: Mask) -> dict[str, float]:
    y, x = np.nonzero(mask)
    values = np.linalg.eigvalsh(np.cov(np.stack([y, x]), bias=True)).clip(0)
    return {
        "x0_px": x.min(),
        "y0_px": y.min(),
        "x1_px": x.max() + 1,
        "y1_px": y.max() + 1,
        "centroid_y_px": y.mean(),
        "centroid_x_px": x.mean(),
        "area_px": len(y),
        "major_axis_px": 4 * math.sqrt(values[1]),
        "minor_axis_px": 4 * math.sqrt(values[0]),
        "solidity": len(y) / hull_area(mask),
        "thickness_px": depth(mask).max() / 3,
    }


def light(mask: Mask, plane: npt.NDArray[Any]) -> dict[str, float]:
    v = plane[mask].astype(float)
    deep, out = depth(mask), {}
    out["intensity_mean"], out["intensity_std"] = v.mean(), v.std()
    out["intensity_min"], out["intensity_max"], out["intensity_sum"] = v.min(), v.max(), v.sum()
    for name, q in (("q05", 0.05), ("median", 0.5), ("q95", 0.95)):
        out[f"intensity_{name}"] = np.quantile(v, q)
    flat = v.max() == v.min()
    out["intensity_skewness"] = math.nan if flat else ((v - v.mean()) ** 3).mean() / v.std() ** 3
    for lag in (1, 2, 4):
        steps = [
            float(plane[y + dy, x + dx]) - float(plane[y, x])
            for dy, dx in ((0, lag), (lag, 0))
            for y, x in np.argwhere(mask).tolist()
            if y + dy < mask.shape[0] and x + dx < mask.shape[1] and mask[y + dy, x + dx]
        ]
        out[f"texture_step_{lag}px"] = float(np.mean(np.abs(steps))) if steps else math.nan
        if lag != 2:
            defined = bool(steps) and not flat
            out[f"texture_correlation_{lag}px"] = (
                1 - float(np.mean(np.square(steps))) / (2 * v.var()) if defined else math.nan
            )
    for name, where in (
        ("edge", 3 * deep <= deep.max()),
        ("center", 3 * deep > 2 * deep.max()),
    ):
        band = plane[mask & where]
        defined = len(band) and v.mean() > 0
        out[f"radial_{name}"] = band.mean() / v.mean() if defined else math.nan
    return out


def run_mean(mask: Mask, plane: npt.NDArray[Any], reach: int) -> npt.NDArray[np.float64]:
    """Row windows, then a column window over them, never past a px outside the mask."""

    def run(line: Mask, at: int) -> list[int]:
        cells = [at]
        for step in (-1, 1):
            here = at + step
            while 0 <= here < len(line) and line[here] and abs(here - at) <= reach:
                cells.append(here)
                here += step
        return cells

    out = np.zeros(mask.shape)
    for y, x in np.argwhere(mask).tolist():
        members = [(r, c) for r in run(mask[:, x], y) for c in run(mask[r], x)]
        out[y, x] = np.mean([plane[m] for m in members])
    return out


def spots(mask: Mask, plane: npt.NDArray[Any], diameter: float) -> list[set[tuple[int, int]]]:
    small = max(1, int(0.3 * diameter))
    large = max(small + 1, int(1.5 * diameter))
    response = run_mean(mask, plane, small) - run_mean(mask, plane, large)
    inside = response[mask]
    noise = 1.4826 * np.median(np.abs(inside - np.median(inside)))
    level = np.median(inside) + 4 * max(noise, 0.01 * abs(plane[mask].mean()))
    left = {(y, x) for y, x in np.argwhere(mask & (response > level)).tolist()}
    patches = []
    while left:
        todo = [left.pop()]
        patch = set(todo)
        while todo:
            y, x = todo.pop()
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            patch |= near
            todo += sorted(near)
        if len(patch) >= max(2, round(math.pi / 16 * diameter**2)):
            patches.append(patch)
    return patches
