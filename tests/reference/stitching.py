"""Stitching planes from its definition: sets of px, all pairs, the best first."""

from __future__ import annotations

import numpy as np


def stitch(planes, min_overlap, max_gap):
    objects = []  # each a dict plane -> set of px
    for z, plane in enumerate(planes):
        slices = {
            int(k): set(map(tuple, np.argwhere(plane == k))) for k in np.unique(plane) if k > 0
        }
        covered = set()
        latest = {}
        for back in range(1, max_gap + 2):
            seen = [(i, o[z - back]) for i, o in enumerate(objects) if max(o) == z - back]
            for i, px in seen:
                latest[i] = px - covered
            covered |= {
                p for o in objects if z - back in o and max(o) == z - back for p in o[max(o)]
            }
        pairs = []
        for i, px in latest.items():
            for k, other in slices.items():
                both = len(px & other)
                if both and both >= min_overlap * min(len(px), len(other)):
                    pairs.append((-both / len(px | other), i, k))
        used_old, used_new = set(), set()
        for _, i, k in sorted(pairs):
            if i not in used_old and k not in used_new:
                objects[i][z] = slices[k]
                used_old.add(i)
                used_new.add(k)
        objects += [{z: px} for k, px in sorted(slices.items()) if k not in used_new]
    out = np.zeros((len(planes), *planes[0].shape), np.int32)
    for i, each in enumerate(objects):
        for z, px in each.items():
            for p in px:
                out[(z, *p)] = i + 1
    return out
