"""Merged pictures of the CELLULAR set, decoded."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.io.cellular_merged import CHANNELS, FLAGS, decode
from lucyte.schema.errors import UsageError


def test_channels_come_back_where_nothing_was_clipped() -> None:
    rng = np.random.default_rng(0)
    green, red, light = rng.integers(0, 120, (3, 9, 7)).astype(np.uint8)
    rgb = np.stack([red + light, green + light, light], axis=-1)
    assert CHANNELS == ("EGFP", "mRFP", "TL")
    assert (decode(rgb) == np.stack([green, red, light])).all()
    assert decode(rgb).dtype == np.uint8


def test_below_the_grey_is_zero_and_clipping_gives_a_lower_bound() -> None:
    rgb = np.array([[[9, 8, 10], [255, 255, 200]]], np.uint8)
    assert decode(rgb).tolist() == [[[0, 55]], [[0, 55]], [[10, 200]]]
    assert FLAGS == ("display-referred", "lossy", "clipped")


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (3, 4, 4)])
def test_what_is_no_rgb_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="needs 8-bit RGB pictures, got uint8"):
        decode(np.zeros(shape, np.uint8))
    with pytest.raises(UsageError, match="got uint16"):
        decode(np.zeros((4, 4, 3), np.uint16))
