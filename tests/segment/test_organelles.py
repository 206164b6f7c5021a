"""Organelles by a level for each parent."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.plan import ObjectSettings
from lucyte.segment.organelles import threshold_organelles

LYSOSOME = ObjectSettings(kind="organelle:Lyso")


def world(dims=2, bright=20.0, seed=0):
    """A bright cell and one a tenth as bright, nine discs of 8 px in each."""
    rng = np.random.default_rng(seed)
    cells, truth = np.zeros((2, 90, 180), np.int32)
    cells[5:85, 5:85], cells[5:85, 95:175] = 1, 2
    y, x = np.mgrid[:90, :180]
    light = np.where(cells == 1, 10.0, 1.0) * (cells > 0)
    for k in range(18):
        at = 20 + 25 * (k % 3), 20 + 25 * ((k // 3) % 3) + 90 * (k // 9)
        inside = np.hypot(y - at[0], x - at[1]) < 4
        truth[inside] = k + 1
        light[inside] *= 3
    image = rng.poisson(20 + bright * light)
    if dims == 2:
        return image, cells, truth
    layers = np.array([0, 1, 1, 1, 0])[:, None, None]
    stack = rng.poisson(20 + bright * np.where(layers, light, 0.3 * light))
    return stack, cells * layers, truth * layers


@pytest.mark.parametrize("threshold", ["adaptive", "otsu", "local", "li", "triangle"])
def test_dim_and_bright_cells_both_show_theirs(threshold):
    image, cells, truth = world()
    assert image[cells == 2].max() < image[cells == 1].min() + 60, "test invalid"
    got = threshold_organelles([image], cells, LYSOSOME.model_copy(update={"threshold": threshold}))
    found = [np.unique(got[truth == k])[-1] for k in range(1, 19)]
    assert len(set(found) - {0}) == 18
    assert ((got > 0) & (truth > 0)).sum() > 0.6 * ((got > 0) | (truth > 0)).sum()


def test_one_level_for_the_image_would_miss_the_dim_cell():
    image, cells, truth = world()
    got = threshold_organelles(
        [image], (cells > 0).astype(np.int32), LYSOSOME.model_copy(update={"threshold": "otsu"})
    )
    assert not (got[cells == 2] > 0).any()
    assert (got[truth > 0] > 0).any()


def test_in_a_stack():
    image, cells, truth = world(3)
    got = threshold_organelles([image], cells, LYSOSOME, anisotropy=3.0)
    assert got.max() == 18
    assert ((got > 0) & (truth > 0)).sum() > 0.6 * ((got > 0) | (truth > 0)).sum()


def test_an_even_cell_has_none_and_what_lies_across_two_cells_is_two():
    cells = np.zeros((60, 60), np.int32)
    cells[5:55, 5:30], cells[5:55, 30:55] = 1, 2
    rng = np.random.default_rng(0)
    assert threshold_organelles([rng.poisson(500, (60, 60))], cells, LYSOSOME).max() <= 1
    image = np.full((60, 60), 100.0)
    image[26:34, 22:38] = 600
    whole = LYSOSOME.model_copy(update={"split": False, "diameter_px": 16.0})
    got = threshold_organelles([rng.poisson(image)], cells, whole)
    assert got.max() == 2
    assert set(np.unique(got[cells == 1])) == {0, 1}


def test_smallest_area_is_kept_to():
    image, cells, _ = world()
    large = LYSOSOME.model_copy(update={"min_area_px": 400})
    assert threshold_organelles([image], cells, large).max() == 0
