"""Polygons and run lengths against slow definitions and against strings that pycocotools wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lucyte.io.annotated_paint import piece_of
from lucyte.io.coco import compress_runs, decode_runs, encode_runs, polygon_piece
from lucyte.schema.errors import UsageError
from reference.outlines import pixel_centres_inside, runs_to_mask


def whole(points: list[float], shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    piece = polygon_piece([points], shape)
    if piece is not None:
        x0, y0, x1, y1 = piece.box
        mask[y0:y1, x0:x1] = piece.mask
    return mask


def test_pycocotools_wrote_this() -> None:
    mask = np.zeros((6, 9), bool)
    mask[1:5, 2:4] = True
    mask[3, 5:8] = True
    assert compress_runs(encode_runs(piece_of(mask), (6, 9))) == "=4208MK0003"
    assert (decode_runs("=4208MK0003", (6, 9)) == mask).all()
    assert encode_runs(piece_of(mask), (6, 9)) == [13, 4, 2, 4, 10, 1, 5, 1, 5, 1, 8]


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 30))))
def test_runs_come_back(mask: np.ndarray) -> None:
    shape = (mask.shape[0], mask.shape[1])
    runs = encode_runs(piece_of(mask), shape)
    assert (runs_to_mask(runs, *shape) == mask).all()
    assert (decode_runs(runs, shape) == mask).all()
    assert (decode_runs(compress_runs(runs), shape) == mask).all()


def test_long_runs_come_back_compressed() -> None:
    runs = [1_000_000, 3, 999_000, 40_000, 5, 1]
    assert int(decode_runs(compress_runs(runs), (sum(runs), 1)).sum()) == 3 + 40_000 + 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, 4], r"run lengths sum to 7, the image has 3 x 4 px"),
        ([20, -8], r"run lengths sum to 12"),
        ([1.5, 10.5], "run lengths must be whole numbers"),
        ("=4208MK000", "run lengths sum to"),
        ("=42é", "hold the character 'é'"),
        ("o", "end in the middle of a number"),
    ],
)
def test_broken_runs_are_refused(counts: list[int] | str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decode_runs(counts, (3, 4))


@given(
    st.lists(
        st.tuples(st.floats(-5, 25, width=16), st.floats(-5, 25, width=16)), min_size=3, max_size=7
    )
)
def test_a_polygon_is_the_pixel_centres_inside(points: list[tuple[float, float]]) -> None:
    shifted = [(x + 0.0123, y + 0.0177) for x, y in points]  # no vertex on a centre
    flat = [number for point in shifted for number in point]
    assert (whole(flat, (20, 18)) == pixel_centres_inside(shifted, 20, 18)).all()


def test_a_box_as_polygon_covers_its_pixels() -> None:
    mask = whole([2, 1, 6, 1, 6, 4, 2, 4], (8, 9))
    expected = np.zeros((8, 9), bool)
    expected[1:4, 2:6] = True
    assert (mask == expected).all()


def test_two_polygons_are_one_object() -> None:
    piece = polygon_piece([[0, 0, 2, 0, 2, 2, 0, 2], [5, 5, 7, 5, 7, 7, 5, 7]], (9, 9))
    assert piece is not None
    assert (piece.box, piece.area) == ((0, 0, 7, 7), 8)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([1, 1, 2, 2], "at least three points"),
        ([1, 1, 2, 2, 3], "at least three points"),
        ([1, 1, 2, 2, 3, float("nan")], "at least three points"),
        (["a", 1, 2, 2, 3, 3], "a list of numbers"),
    ],
)
def test_broken_polygons_are_refused(points: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        polygon_piece([points], (5, 5))


def test_a_polygon_outside_is_nothing() -> None:
    assert polygon_piece([[30, 30, 40, 30, 40, 40]], (20, 20)) is None
    assert polygon_piece([[-9, -9, -2, -9, -2, -2]], (20, 20)) is None
    assert polygon_piece([], (20, 20)) is None
