from __future__ import annotations

import numpy as np
import pytest

from lucyte.networks.resample import halved, halvings, sample_window
from lucyte.networks.views import scale_of, views


def cells(seed=0, shape=(120, 90)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for cy, cx in rng.uniform(0, 90, (12, 2)):
        image += rng.uniform(0.2, 1) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 60)
    return image + rng.normal(0, 0.01, shape)


def test_gain_and_offset_leave_the_views_alone():
    image = cells()
    first = views(image[None], [scale_of(image)])
    other = 5000 * image + 300
    second = views(other[None], [scale_of(other)])
    np.testing.assert_allclose(first, second, atol=2e-3)
    assert first.shape == (2, 120, 90) and first.max() > 0.9


def test_the_logarithm_shows_what_is_dim():
    image = np.zeros((100, 100))
    image[10:20, 10:20], image[60:70, 60:70] = 1000, 20
    image += np.random.default_rng(0).normal(0, 1, image.shape)
    linear, logarithm = views(image[None], [scale_of(image)])
    assert linear[60:70, 60:70].mean() < 0.05
    assert logarithm[60:70, 60:70].mean() > 5 * linear[60:70, 60:70].mean()


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_flat_channel_shows_nothing(value):
    image = np.full((20, 20), value)
    scale = scale_of(image)
    assert scale.flat
    assert not views(image[None], [scale]).any()


def test_nan_and_infinity_are_nothing_to_see():
    image = cells()
    image[:5], image[5:7] = np.nan, np.inf
    seen = views(image[None], [scale_of(image)])
    assert np.isfinite(seen).all() and not seen[:, :5].any()


@pytest.mark.parametrize("ratio", [0.4, 1.0, 1.5, 3.3, 7.0])
def test_a_window_is_part_of_the_whole(ratio):
    image = cells(1, (200, 170))[None].astype(np.float32)
    shape = tuple(int(np.ceil(side / ratio)) for side in image.shape[1:])
    whole = sample_window(image, ratio, (0, 0), shape)
    assert np.isfinite(whole).all()
    top, left = shape[0] // 3, shape[1] // 4
    part = sample_window(image, ratio, (top, left), (7, 9))
    np.testing.assert_array_equal(part, whole[:, top : top + 7, left : left + 9])


def test_outside_the_image_there_is_nothing():
    image = np.ones((1, 10, 10), np.float32)
    window = sample_window(image, 1.0, (-3, 8), (6, 6))
    assert np.isnan(window[0, :3]).all() and np.isnan(window[0, :, 2:]).all()
    assert (window[0, 3:, :2] == 1).all()
    assert np.isnan(sample_window(image, 1.0, (40, 40), (4, 4))).all()


def test_one_to_one_is_the_image_itself():
    image = cells(2)[None].astype(np.float32)
    np.testing.assert_array_equal(sample_window(image, 1.0, (0, 0), (120, 90)), image)


def test_halving_is_the_mean_of_four():
    image = np.arange(2 * 5 * 4, dtype=np.float32).reshape(2, 5, 4)
    small = halved(image)
    assert small.shape == (2, 3, 2)
    assert small[0, 0, 0] == image[0, :2, :2].mean()
    assert small[0, 2, 0] == image[0, 4, :2].mean()
    assert [halvings(r) for r in (0.5, 1.0, 1.6, 1.7, 4.0)] == [0, 0, 0, 1, 2]


def test_means_of_pixels_hold_that_much_less_noise():
    rng = np.random.default_rng(0)
    plane = rng.normal(1000, 8, (512, 512))
    plane[:64, :64] += 500
    scale = scale_of(plane)
    assert scale.noise > (scale.high - scale.low) / 256, "test invalid: at the floor of 8 bit"
    means = plane.reshape(256, 2, 256, 2).mean((1, 3))
    assert scale_of(means).noise == pytest.approx(
        max(scale.noise / 2, (scale.high - scale.low) / 256), rel=0.1
    )
    assert scale.averaged(2).noise == max(scale.noise / 2, (scale.high - scale.low) / 256)
    assert scale.averaged(1) == scale
