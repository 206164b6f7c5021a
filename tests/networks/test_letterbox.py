"""Pictures brought to the size of a network, and boxes brought back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.networks.letterbox import letterbox, resize_bilinear


@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 40), st.integers(8, 40))
def test_the_whole_picture_comes_back(height, width, tall, wide):
    picture = np.full((height, width, 3), 7, np.uint8)
    out, place = letterbox(picture, (tall, wide))
    assert out.shape == (tall, wide, 3)
    ys, xs = np.nonzero((out == 7).all(2))
    inner = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], float)
    assert len(ys) == (inner[0, 2] - inner[0, 0]) * (inner[0, 3] - inner[0, 1])
    np.testing.assert_allclose(place.to_picture(inner), [[0, 0, width, height]], atol=1e-9)
    assert inner[0, 2] - inner[0, 0] == wide or inner[0, 3] - inner[0, 1] == tall


def test_padding_is_even_and_grey():
    out, place = letterbox(np.zeros((10, 20, 3), np.uint8), (40, 40))
    assert (place.scale_x, place.scale_y, place.left_px, place.top_px) == (2, 2, 0, 10)
    assert (out[:10] == 114).all() and (out[30:] == 114).all() and (out[10:30] == 0).all()


def test_half_the_size_is_the_mean_of_four():
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    expected = picture.reshape(4, 2, 6, 2, 3).mean((1, 3))
    np.testing.assert_allclose(resize_bilinear(picture, (4, 6)), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(5, 9), (17, 30), (1, 1), (11, 8)])
def test_resizing_equals_torch(size):
    torch = pytest.importorskip("torch")
    picture = np.random.default_rng(1).random((11, 8)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(picture)[None, None], size, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(resize_bilinear(picture, size), expected[0, 0], atol=1e-5)
