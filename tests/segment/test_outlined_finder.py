"""Boxes of one model, outlines of another: who decides what, and which channels are looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lucyte.networks.sam import read_sam
from lucyte.schema.errors import UsageError
from lucyte.segment.found import Found
from lucyte.segment.outlined_finder import OutlinedFinder, crop_outlines, prompted_outlines
from worlds.tiny_sam import write_sam

BOXES = np.array([[4, 6, 24, 30], [40, 10, 60, 26]], np.float32)


class Detector:
    """Finds the same two boxes everywhere."""

    name = "two boxes"

    def channels_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names

    def find(
        self,
        image: Any,
        diameter_px: Any = None,
        confidence: Any = None,
        channels: Any = (),
        hint_px: Any = None,
    ) -> Found:
        boxes = BOXES if image.max() else BOXES[:0]
        labels = np.zeros(image.shape[1:], np.int32)
        return Found(labels, boxes, np.full(len(boxes), 0.9, np.float32), outline="guess")


def bright(side: int, channels: tuple[str, ...]) -> Any:
    """A crop network that calls bright px of its last channel cell."""

    class Network(SimpleNamespace):
        def __call__(self, crops: Any) -> Any:
            return (crops[:, -1] > 50).astype(np.float32)

    return Network(channels=channels, side_px=side)


def scene() -> Any:
    image = np.zeros((2, 40, 64), np.float32)
    image[0] = 100  # a channel that would fill every box
    image[1, 10:26, 8:20] = 100
    image[1, 12:24, 44:56] = 100
    return image


def test_outlines_are_the_second_models_and_boxes_the_detectors() -> None:
    finder = OutlinedFinder(Detector(), crop_outlines(bright(64, ("red", "green"))))
    found = finder.find(scene(), channels=("red", "green"))
    assert found.outline == "mask"
    assert np.array_equal(found.boxes, BOXES)
    truth = np.zeros((40, 64), np.int32)
    truth[10:26, 8:20], truth[12:24, 44:56] = 1, 2
    for label in (1, 2):
        mine, own = found.labels == label, truth == label
        assert (mine & own).sum() / (mine | own).sum() > 0.9


def test_channels_go_to_the_outlines_by_name_not_by_place() -> None:
    finder = OutlinedFinder(Detector(), crop_outlines(bright(32, ("green", "red"))))
    found = finder.find(scene(), channels=("red", "green"))
    inside = [(found.labels == k + 1).sum() for k in range(2)]
    assert inside == [20 * 24, 20 * 16]  # the last channel is red now, which fills the boxes
    other = OutlinedFinder(Detector(), crop_outlines(bright(32, ("DNA", "green"))))
    with pytest.raises(UsageError, match=r"looks at DNA, green; .* without DNA"):
        other.find(scene(), channels=("red", "green"))


def test_nothing_found_asks_nobody() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    found = OutlinedFinder(Detector(), never).find(scene() * 0, channels=("red", "green"))
    assert len(found.boxes) == 0


def test_a_prompted_network_draws_within_the_boxes(tmp_path: Any) -> None:
    write_sam(tmp_path / "sam")
    finder = OutlinedFinder(Detector(), prompted_outlines(read_sam(tmp_path / "sam")))
    found = finder.find(scene(), channels=("red", "green"))
    assert set(np.unique(found.labels)) <= {0, 1, 2}
    y, x = np.nonzero(found.labels == 1)
    assert y.min(initial=99) >= 3 and x.max(initial=0) <= 26
