"""Stacks of ellipsoids whose labels are known, through an anisotropic microscope."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi


def ellipsoids(centres, radii, shape=(24, 120, 120), anisotropy=3.0):
    """Labels Z Y X; centres in planes and px, radii in px (Z too)."""
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]].astype(np.float32)
    nearest = np.full(shape, 1.0, np.float32)
    labels = np.zeros(shape, np.int32)
    for k, ((cz, cy, cx), (rz, ry, rx)) in enumerate(zip(centres, radii, strict=True), 1):
        d = ((z - cz) * anisotropy / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
        mine = d < nearest
        labels[mine] = k
        nearest[mine] = d[mine]
    return labels


def photographed(labels, seed=0, anisotropy=3.0, light=200.0, offset=50.0, blur=1.0):
    """Counts Z Y X: each object its own brightness, blur wider along Z, photon noise."""
    rng = np.random.default_rng(seed)
    own = np.concatenate([[0], light * rng.uniform(0.6, 1.4, int(labels.max()))])
    sharp = own[labels]
    blurred = ndi.gaussian_filter(sharp, (2.5 * blur / anisotropy, blur, blur))
    return rng.poisson(blurred + offset).astype(np.uint16)


def crowd(seed=0, anisotropy=3.0, shape=(24, 160, 160), number=40, radius=12.0):
    """Ellipsoids at random, pairs touching, none swallowed: half of each is its own."""
    rng = np.random.default_rng(seed)
    centres, radii = [], []
    while len(centres) < number:
        r = radius * rng.uniform(0.8, 1.2, 3)
        c = rng.uniform((2, 8, 8), np.array(shape) - (3, 8, 8))
        apart = [
            np.linalg.norm((c - other) * (anisotropy, 1, 1)) > 0.9 * (r.mean() + s.mean())
            for other, s in zip(centres, radii, strict=True)
        ]
        if all(apart):
            centres.append(c)
            radii.append(r)
    return ellipsoids(centres, radii, shape, anisotropy)
