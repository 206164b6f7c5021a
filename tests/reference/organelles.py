"""Slow, independent definitions of organelle features: loops over pairs of voxels."""

from __future__ import annotations

from itertools import product

import numpy as np


def voxels(labels, name):
    """Positions of a label, as tuples."""
    return [tuple(int(v) for v in at) for at in np.argwhere(labels == name)]


def skeleton_graph(points):
    """Links of the relative neighbourhood graph among touching voxels."""
    points = [tuple(p) for p in points]
    far = lambda p, q: sum((a - b) ** 2 for a, b in zip(p, q, strict=True))  # noqa: E731
    near = lambda p, q: max(abs(a - b) for a, b in zip(p, q, strict=True)) <= 1  # noqa: E731
    links = set()
    for p, q in product(points, points):
        if p >= q or not near(p, q):
            continue
        between = [r for r in points if r not in (p, q)]
        if not any(far(p, r) < far(p, q) and far(q, r) < far(p, q) for r in between):
            links.add((p, q))
    return links


def graph_counts(points, steps):
    """Length, ends, junctions and branches of a skeleton."""
    links = skeleton_graph(points)
    degree = {tuple(p): 0 for p in points}
    length = 0.0
    for p, q in links:
        degree[p] += 1
        degree[q] += 1
        length += sum(((a - b) * s) ** 2 for a, b, s in zip(p, q, steps, strict=True)) ** 0.5
    # Branches: walk every way that leaves a voxel of degree other than 2.
    around = {p: [] for p in degree}
    for p, q in links:
        around[p].append(q)
        around[q].append(p)
    walked, branches = set(), 0
    odd = [p for p in degree if degree[p] != 2]
    for start in [*odd, *degree]:
        for step in around[start]:
            if frozenset((start, step)) in walked:
                continue
            branches += 1
            last, here = start, step
            walked.add(frozenset((last, here)))
            while degree[here] == 2 and here != start:
                ahead = next(r for r in around[here] if r != last)
                last, here = here, ahead
                walked.add(frozenset((last, here)))
    ends = sum(1 for d in degree.values() if d == 1)
    junctions = sum(1 for d in degree.values() if d >= 3)
    return length, ends, junctions, branches


def least_distance(labels, name, targets, owners, steps):
    """From any voxel of a label to any target voxel of the same parent."""
    best = np.nan
    for p in voxels(labels, name):
        for q in np.argwhere(targets):
            if owners[p] != owners[tuple(q)]:
                continue
            far = sum(((a - b) * s) ** 2 for a, b, s in zip(p, q, steps, strict=True)) ** 0.5
            best = far if np.isnan(best) else min(best, far)
    return best


def neighbour_distance(labels, name, parents, k, steps):
    """Distance between centres to the k-th nearest label of the same parent."""
    centre = {
        int(each): np.argwhere(labels == each).mean(axis=0) * np.array(steps)
        for each in np.unique(labels[labels > 0])
    }
    far = sorted(
        float(np.linalg.norm(centre[name] - at))
        for other, at in centre.items()
        if other != name and parents[other] == parents[name]
    )
    return far[k - 1] if len(far) >= k else np.nan


def faces(labels, name, steps):
    """Area of the faces of a solid, counted voxel by voxel."""
    inside = set(voxels(labels, name))
    area = 0.0
    for p in inside:
        for axis in range(3):
            for way in (-1, 1):
                q = tuple(v + (way if k == axis else 0) for k, v in enumerate(p))
                if q not in inside:
                    area += float(np.prod([s for k, s in enumerate(steps) if k != axis]))
    return area
