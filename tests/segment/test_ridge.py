"""Tubes of known masks: eigenvalues against numpy, curved tubes in 2-D and 3-D."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.plan import ObjectSettings
from lucyte.segment import ridge
from lucyte.segment.ridge import find_ridges, ridge_response
from worlds.tubes import cl_dice, dice, tubes

MITO = ObjectSettings(kind="organelle:Mito", method="ridge")


def test_the_bend_across_a_tube_is_the_eigenvalue_that_numpy_finds():
    rng = np.random.default_rng(0)
    for n, which in ((3, 0), (6, 1)):
        parts = rng.normal(size=(n, 500)).astype(np.float32)
        size = 2 if n == 3 else 3
        matrices = np.zeros((500, size, size))
        pairs = [(i, j) for i in range(size) for j in range(i, size)]
        for k, (i, j) in enumerate(pairs):
            matrices[:, i, j] = matrices[:, j, i] = parts[k]
        expected = -np.linalg.eigvalsh(matrices)[:, which]
        np.testing.assert_allclose(ridge._across(parts), expected, atol=2e-5)


def test_a_line_answers_most_on_itself_and_the_edge_of_a_plane_less():
    image = np.zeros((60, 60), np.float32)
    image[:, 18:22] = 100
    image[:, 45:] = 100
    response = ridge_response(image, 4.0)
    assert response[30].argmax() in (19, 20)
    assert response[30, 19] > 1.5 * response[30, 45:55].max()


@pytest.mark.parametrize(("width", "light"), [(3, 120), (4, 120), (4, 40), (7, 120)])
def test_curved_tubes_are_followed(width, light):
    world = tubes(10, width=width, light=light)
    got = find_ridges([world.image], world.cells, MITO.model_copy(update={"diameter_px": width}))
    assert cl_dice(world.mask, got > 0) > 0.85
    assert dice(world.mask, got > 0) > 0.7


def test_dim_tubes_under_haze_are_what_one_level_cannot_find():
    from skimage.filters import threshold_otsu

    world = tubes(11, light=40)
    one_level = world.image > threshold_otsu(world.image[world.cells > 0])
    assert cl_dice(world.mask, one_level) < 0.5, "test invalid"
    assert cl_dice(world.mask, find_ridges([world.image], world.cells, MITO) > 0) > 0.8


@pytest.mark.parametrize("light", [120, 40])
def test_tubes_in_a_stack_with_planes_further_apart_than_px(light):
    world = tubes(10, shape=(20, 120, 160), anisotropy=2.5, light=light)
    got = find_ridges([world.image], world.cells, MITO, anisotropy=2.5)
    assert cl_dice(world.mask, got > 0) > 0.8


def test_a_network_is_one_object_and_ends_at_its_cell():
    image = np.full((60, 100), 50.0)
    image[28:32, 5:95] = 300
    image[10:50, 48:52] = 300
    noisy = np.random.default_rng(0).poisson(image)
    assert find_ridges([noisy], None, MITO).max() == 1
    cells = np.ones((60, 100), np.int32)
    cells[:, 50:] = 2
    assert find_ridges([noisy], cells, MITO).max() == 2


def test_noise_holds_no_tubes():
    noise = np.random.default_rng(0).poisson(500, (200, 200))
    assert find_ridges([noise], None, MITO).max() <= 1
    assert find_ridges([noise], np.zeros((200, 200), np.int32), MITO).max() == 0
