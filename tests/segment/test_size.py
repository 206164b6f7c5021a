"""The usual size where haze, tissue or clumps would be taken for objects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from lucyte.segment.light import light, linear_light
from lucyte.segment.size import estimate_diameter


def nuclei(diameter, side=300, seed=0, pitch=2.0):
    """A grid of discs of one size, brightness over a factor of three."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    out = np.zeros((side, side))
    for cy in np.arange(diameter, side - diameter, pitch * diameter):
        for cx in np.arange(diameter, side - diameter, pitch * diameter):
            out[np.hypot(y - cy, x - cx) < diameter / 2] = 300 * rng.uniform(0.5, 1.5)
    return ndi.gaussian_filter(out, 1)


def test_haze_larger_than_any_object_is_none():
    y, x = np.mgrid[:300, :300]
    haze = 250 * np.exp(-((y - 200) ** 2 + (x - 80) ** 2) / (2 * 60**2))
    image = np.random.default_rng(0).poisson(nuclei(14) + haze + 20)
    assert estimate_diameter([image]) == pytest.approx(14, rel=0.35)


def test_tissue_that_glows_between_its_nuclei_is_not_the_object():
    y, x = np.mgrid[:400, :700]
    tissue = ((y - 200) / 150) ** 2 + ((x - 350) / 280) ** 2 < 1
    inside = np.tile(nuclei(14, 350, pitch=1.6), (2, 2))[:400, :700] * tissue
    glow = ndi.gaussian_filter(150.0 * tissue, 4)
    image = np.random.default_rng(0).poisson(inside + glow + 10)
    assert estimate_diameter([image]) == pytest.approx(14, rel=0.5)


def test_a_large_object_with_texture_stays_large():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :300]
    disc = np.hypot(y - 150, x - 150) < 60
    texture = ndi.gaussian_filter(rng.normal(size=(300, 300)), 3)
    image = rng.poisson(20 + np.clip(300 + 60 * texture / texture.std(), 0, None) * disc)
    assert estimate_diameter([image]) == pytest.approx(120, rel=0.3)


def test_nothing_has_no_size():
    assert estimate_diameter([np.zeros((60, 60))]) is None
    assert estimate_diameter([np.full((60, 60), 9.0)]) is None


def test_light_of_few_cells_is_1_for_them_and_noise_alone_stays_low():
    rng = np.random.default_rng(0)
    noise = rng.poisson(100, (300, 300)).astype(np.uint16)
    cells = noise.copy()
    cells[100:120, 100:120] += 2000
    for image, low, high in ((cells, 0.95, 1.0), (noise, 0.0, 0.5)):
        top = linear_light([image], 200, 1.0).max()
        assert low <= top <= high
    assert light([cells], 200, 1.0).max() > 3
