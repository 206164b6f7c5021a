"""Film strips and boundary planes as pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lucyte.report.boundary_plane import boundary_plane, tinted
from lucyte.report.film_strip import GAP, animation_frames, film_strip, write_film


def _strip() -> np.ndarray:
    images = np.full((4, 2, 8, 8), 100.0)
    for step in range(4):
        images[step, 0, 2:4, 2:4] += 100 * step
    images[:, 1] += np.arange(8)
    return images


def test_a_strip_shows_steps_channels_and_the_difference() -> None:
    drawn = film_strip(_strip(), zoom=2)
    assert drawn.shape == (2 * 16 + GAP, 5 * 16 + 4 * GAP, 3)
    first, last = drawn[4:8, 4:8], drawn[4:8, 3 * (16 + GAP) + 4 : 3 * (16 + GAP) + 8]
    assert first.max() == 0
    assert last.min() == 255
    change = drawn[4:8, 4 * (16 + GAP) + 4 : 4 * (16 + GAP) + 8].reshape(-1, 3)
    assert (change[:, 0] > change[:, 2]).all()  # orange: more
    still = drawn[16 + GAP :, 4 * (16 + GAP) :].reshape(-1, 3)
    assert (np.ptp(still.astype(int), axis=0) == 0).all()


def test_a_film_goes_there_and_back(tmp_path) -> None:
    frames = animation_frames(_strip(), zoom=1)
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[1], frames[5])
    assert frames[0].shape == (8, 16 + GAP, 3)
    write_film(str(tmp_path / "film.gif"), _strip())
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 6


def test_a_plane_shows_who_wins_and_the_cells() -> None:
    chance = np.zeros((2, 5, 5))
    chance[0] = np.linspace(1, 0, 5)[None, :]
    chance[1] = 1 - chance[0]
    colours = tinted(chance, ["#0072B2", "#E69F00"])
    assert tuple(colours[0, 2]) == (255, 255, 255)
    assert colours[0, 0, 2] > colours[0, 0, 0]
    assert colours[0, 4, 0] > colours[0, 4, 2]
    line = np.linspace(0, 4, 5)
    cells = np.array([[1.0, 1.0], [3.0, 3.0], [2.0, 0.0]])
    drawn = str(
        boundary_plane(
            chance,
            (line, line),
            cells,
            ["fed", "starved", "?"],
            ["fed", "starved"],
            {"mean fed": (0.5, 2.0)},
        )
    )
    assert "1 fed, 1 starved cells on it" in drawn
    assert "mean fed</text>" in drawn
    assert drawn.count('stroke="#ffffff"') == pytest.approx(3)
