"""Local background against a surface that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.correct.background import (
    background_varies,
    estimate_background,
    subtract_background,
)
from lucyte.correct.planes import block_means, block_quantiles, enlarge, finite, noise
from reference import correction


def _scene(slope: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Discs of light on a slope: plane, background, cells."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:300, :300].astype(float)
    surface = 200 + slope * x / 300 + 0.3 * slope * (y / 300) ** 2
    cells = np.zeros((300, 300), dtype=bool)
    for cy, cx in rng.uniform(0, 300, (22, 2)):
        cells |= (y - cy) ** 2 + (x - cx) ** 2 < 15**2
    return rng.normal(surface + 400 * cells, 6.0), surface, cells


@pytest.mark.parametrize("slope", [0.0, 150.0])
def test_the_surface_under_the_cells_is_found(slope: float) -> None:
    plane, surface, cells = _scene(slope)
    found = estimate_background(plane, 60)
    assert 0.1 < cells.mean() < 0.4, "premise: cells and medium"
    assert np.abs(found - surface).mean() < 6
    left = subtract_background(plane, 60)
    assert np.median(left[~cells]) == pytest.approx(0, abs=6)
    assert np.median(left[cells]) == pytest.approx(400, abs=12)
    assert left.min() < -8, "noise below the background is kept, nothing is clipped"


def test_need_follows_the_slope() -> None:
    even, sloped = (background_varies(_scene(slope)[0], 60) for slope in (0.0, 150.0))
    assert even < 0.05 < 0.2 < sloped
    assert background_varies(np.full((50, 50), 7.0), 20) == 0.0


def test_simulated_medium_is_found_under_its_cells(make_plate: Any) -> None:
    site = make_plate(vignetting=0.0, well_sd=0.0, bleaching=0.0).sites[0]
    plane = site.observe(1)[0].astype(float)
    # offset 100, medium 55 + 1 % of 45 in EGFP
    left = plane - estimate_background(plane, 70) + 0.0
    empty = site.labels(1) == 0
    assert np.median(left[empty]) == pytest.approx(0, abs=5)
    assert np.median(estimate_background(plane, 70)) == pytest.approx(155.5, abs=6)


def test_pixels_that_are_no_numbers_do_not_spread() -> None:
    plane, _, _ = _scene(0.0)
    broken = plane.copy()
    broken[10:14, 10:14] = np.nan
    broken[200, 200] = np.inf
    assert np.abs(estimate_background(broken, 60) - estimate_background(plane, 60)).max() < 6
    assert np.isfinite(subtract_background(broken, 60)).all()
    assert finite(np.full((3, 3), np.nan)).tolist() == [[0.0] * 3] * 3


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.floats(1.0, 90.0))
def test_any_shape_and_radius_gives_a_surface(rows: int, columns: int, radius: float) -> None:
    plane = np.random.default_rng(rows * 71 + columns).uniform(5, 9, (rows, columns))
    found = estimate_background(plane, radius)
    assert found.shape == plane.shape
    assert plane.min() - 1e-3 <= found.min() <= found.max() <= plane.max() + 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 60))
def test_enlarging_is_interpolation_between_centres(blocks: int, length: int) -> None:
    grid = np.random.default_rng(blocks).normal(size=blocks).astype(np.float32)
    wide = enlarge(grid[None, :], (3, length))
    slow = correction.enlarge(grid.astype(float), length)
    assert np.allclose(wide, slow[None, :], atol=1e-5)


def test_blocks_and_noise_are_what_they_say(rng: np.random.Generator) -> None:
    plane = rng.normal(50, 4, (201, 203)).astype(np.float32)
    assert block_means(plane, 10).shape == (20, 20)
    assert block_means(plane, 10)[3, 4] == pytest.approx(plane[30:40, 40:50].mean(), rel=1e-5)
    assert block_quantiles(plane, 2, 1, 0.5)[0, 0] == pytest.approx(np.median(plane[:100]))
    assert noise(plane) == pytest.approx(4, rel=0.03)
    y = np.linspace(0, 300, 201)[:, None].astype(np.float32)
    assert noise(plane + y) == pytest.approx(4, rel=0.03), "a slope is no noise"
    assert noise(np.zeros((2, 9), np.float32)) == 0
