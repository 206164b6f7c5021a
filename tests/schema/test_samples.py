"""Samples keep their rows together and refuse what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


def four() -> Samples:
    images = np.arange(4 * 2 * 3 * 3).reshape(4, 2, 3, 3)
    masks = images[:, 0] % 2 == 0
    return Samples(
        images,
        ("ER", "DNA"),
        ("a", "b", "c", "d"),
        ("x", "", "y", "x"),
        ("p", "p", "q", "q"),
        "plate",
        levels={"well": ("A1", "A2", "A1", "A2")},
        masks=masks,
    )


def test_rows_stay_together() -> None:
    taken = four().take([3, 0])
    assert taken.names == ("d", "a")
    assert taken.groups == ("q", "p")
    assert taken.sources == ("d", "a")
    assert taken.levels == {"well": ("A2", "A1")}
    assert np.array_equal(taken.images, four().images[[3, 0]])
    assert four().classes == ("x", "y")


def test_channels_are_given_by_name() -> None:
    samples = four()
    swapped = samples.for_channels(["DNA", "mask:cell"])
    assert np.array_equal(swapped[:, 0], samples.images[:, 1])
    assert np.array_equal(swapped[:, 1], samples.masks)
    with pytest.raises(UsageError, match="GFP"):
        samples.for_channels(["GFP"])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="N C Y X"):
        Samples(np.zeros((2, 3, 3)), ("a",), ("x", "y"), ("", ""), ("g", "g"))
    with pytest.raises(UsageError, match="2 channel names for 1"):
        Samples(np.zeros((1, 1, 3, 3)), ("a", "b"), ("x",), ("",), ("g",))
    with pytest.raises(UsageError, match="groups must have one entry per sample"):
        Samples(np.zeros((1, 1, 3, 3)), ("a",), ("x",), ("",), ())
