"""Named channels as colours, and back."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.io.cellular_merged import CHANNELS, decode
from lucyte.schema.errors import UsageError
from lucyte.segment.colour_picture import MERGED, colour_picture, three_colours

RNG = np.random.default_rng(0)


def test_merged_pictures_are_taken_apart_again():
    image = RNG.integers(0, 128, (3, 9, 7)).astype(np.uint8)
    picture = colour_picture(image, CHANNELS, MERGED)
    np.testing.assert_array_equal(decode(picture), image)
    np.testing.assert_array_equal(colour_picture(decode(picture), CHANNELS), picture)


def test_sums_are_clipped():
    image = np.full((3, 2, 2), 200, np.uint8)
    assert (colour_picture(image, CHANNELS) == [255, 255, 200]).all()


def test_channels_are_taken_by_name_and_limits():
    image = np.stack([np.full((2, 2), 600.0), np.full((2, 2), 150.0)])
    limits = {"w1": (100.0, 1100.0), "w2": (100.0, 200.0)}
    picture = colour_picture(image, ("w1", "w2"), {"R": "w2", "B": "w1"}, limits)
    assert (picture == [128, 0, 128]).all()


def test_other_depths_run_from_first_to_last_percentile():
    image = np.arange(10000, dtype=np.uint16).reshape(1, 100, 100)
    picture = colour_picture(image, ("a",), {"G": "a"})
    assert (picture[0, 0] == 0).all() and picture[99, 99, 1] == 255
    assert picture[50, 0, 1] == pytest.approx(255 * (5000 - 99.99) / (9979 - 99.99), abs=1)


def test_any_number_of_channels_becomes_three():
    planes = RNG.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    grey = three_colours(planes[0])
    assert (grey == planes[0][..., None]).all()
    np.testing.assert_array_equal(three_colours(planes[:3]), planes[:3].transpose(1, 2, 0))
    two = three_colours(planes[:2])
    np.testing.assert_array_equal(two[..., :2], planes[:2].transpose(1, 2, 0))
    five = three_colours(planes)
    np.testing.assert_array_equal(five[..., 2], planes[2])
    assert np.abs(five[..., 0] - planes[[0, 3]].astype(float).mean(0)).max() <= 0.5
    blank = three_colours(np.full((1, 2, 2), np.nan))
    assert (blank == 0).all()


def test_refusals():
    image = np.zeros((3, 2, 2), np.uint8)
    with pytest.raises(UsageError, match=r"unknown channel 'mRFP'.*Allowed: a, b, TL"):
        colour_picture(image, ("a", "b", "TL"))
    with pytest.raises(UsageError, match="unknown colour 'Y'"):
        colour_picture(image, CHANNELS, {"Y": "TL"})
    with pytest.raises(UsageError, match=r"shape \(3, 2, 2\) for the channels a, b"):
        colour_picture(image, ("a", "b"))
    with pytest.raises(UsageError, match="limits of TL must rise, got 5 to 5"):
        colour_picture(image, CHANNELS, {"R": "TL"}, {"TL": (5, 5)})
    with pytest.raises(UsageError, match=r"unknown channel 'TL'.*Give limits for every channel"):
        colour_picture(image, CHANNELS, {"R": "TL"}, {"EGFP": (0, 5)})
