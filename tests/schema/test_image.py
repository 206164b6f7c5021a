"""The charter of axes and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.schema.image import AXES, Length, frame, make_image, select_channel, time_indices


@given(st.sets(st.sampled_from("TCZ")), st.permutations(AXES))
def test_only_the_charter_order_is_accepted(extra: set[str], order: tuple[str, ...]) -> None:
    dims = "".join(axis for axis in order if axis in extra | {"Y", "X"})
    right = "".join(axis for axis in AXES if axis in dims)
    names = ["a", "b"] if "C" in dims else None
    data = np.zeros((2,) * len(dims))
    if dims == right:
        assert make_image(data, dims, channels=names).dims == tuple(dims)
    else:
        with pytest.raises(UsageError, match="order T C Z Y X"):
            make_image(data, dims, channels=names)


def test_a_foreign_axis_is_named_with_how_to_select() -> None:
    with pytest.raises(UsageError, match=r"axis 'M' .*--select M=0"):
        make_image(np.zeros((1, 2, 2)), "MYX")


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a"], "1 channel names for 2"), (["a", "a"], "unique"), (["a", ""], "unique")],
)
def test_channels_are_named_once(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_image(np.zeros((2, 3, 3)), "CYX", channels=names)


def test_channels_and_frames_are_found_by_name() -> None:
    data = np.arange(2 * 2 * 3 * 3).reshape(2, 2, 3, 3)
    image = make_image(data, "TCYX", channels=["GFP", "RFP"], time_indices=[1, 4])
    assert time_indices(image) == (1, 4)
    assert np.array_equal(select_channel(frame(image, 4), "RFP"), data[1, 1])
    with pytest.raises(UsageError, match=r"unknown channel 'GPF', did you mean 'GFP'\?"):
        select_channel(image, "GPF")
    with pytest.raises(UsageError, match=r"unknown time index '2'.*Allowed: 1, 4"):
        frame(image, 2)


@pytest.mark.parametrize(
    ("text", "pixel_size", "px"),
    [("12 px", None, 12), ("3um", 0.5, 6), ("2 µm", 0.5, 4), (7, None, 7)],
)
def test_lengths_in_px(text: str | int, pixel_size: float | None, px: float) -> None:
    assert Length.parse(text).px(pixel_size) == px


def test_a_length_that_cannot_be_known_is_refused() -> None:
    with pytest.raises(UsageError, match="pixel size, which is unknown"):
        Length.parse("3 um").px(None)
    with pytest.raises(UsageError, match="write a number and px, um or diameter"):
        Length.parse("3 miles")
