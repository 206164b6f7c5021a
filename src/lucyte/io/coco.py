r"""Outlines of the COCO form as masks: polygons and run lengths, read and written.

A run-length code goes down the columns of an image of height h and width w and counts pixels
outside and inside in turn, outside first; the counts sum to h w. Its compressed form writes every
count from the fourth on as its difference to the count two before, in groups of five bits, the
lowest first: character = 48 + bits + 32 (more follows), the last group's bit 16 being the sign.

References
----------
.. [1] T.-Y. Lin et al. (2014), doi 10.1007/978-3-319-10602-1_48
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.annotated_paint import Piece, piece_of
from lucyte.schema.errors import UsageError

Mask = npt.NDArray[np.bool_]


def polygon_piece(polygons: Sequence[Sequence[float]], shape_yx: tuple[int, int]) -> Piece | None:
    """The pixels whose centres lie in any of the polygons; None where there are none.

    Parameters
    ----------
    polygons : sequence of (x, y, x, y ...)
        px, the corner of the first pixel being 0, 0. What lies outside the image is cut.
    shape_yx : tuple of int
        Height and width of the image, px.

    Raises
    ------
    UsageError
        Not pairs of finite numbers, or fewer than three of them.
    """
    draw: Any = import_module("skimage.draw")  # untyped
    rings = [_ring(each) for each in polygons]
    if not rings:
        return None
    points = np.concatenate(rings)
    height, width = shape_yx
    x0, y0 = np.clip(np.floor(points.min(axis=0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(points.max(axis=0)), 0, (width, height)).astype(int)
    mask = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), dtype=bool)
    if not mask.size:
        return None
    for ring in rings:
        rows, columns = draw.polygon(ring[:, 1] - y0 - 0.5, ring[:, 0] - x0 - 0.5, mask.shape)
        mask[rows, columns] = True
    return piece_of(mask, int(y0), int(x0))


def decode_runs(counts: Sequence[int] | str, shape_yx: tuple[int, int]) -> Mask:
    """A mask from its run lengths, plain or compressed.

    Parameters
    ----------
    counts : sequence of int, or str
    shape_yx : tuple of int
        Height and width, px.

    Raises
    ------
    UsageError
        Counts that are no numbers, are negative, or do not sum to the size of the image.
    """
    height, width = shape_yx
    runs = np.array(_uncompress(counts) if isinstance(counts, str) else _whole(counts))
    if (runs < 0).any() or int(runs.sum()) != height * width:
        raise UsageError(
            f"run lengths sum to {int(runs.sum())}, the image has {height} x {width} px."
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def encode_runs(piece: Piece | None, shape_yx: tuple[int, int]) -> list[int]:
    """The run lengths of one object (None: of nothing) in an image of this height and width."""
    height, width = shape_yx
    if piece is None:
        return [height * width]
    columns, rows = np.nonzero(piece.mask.T)
    inside = (columns + piece.x0) * height + rows + piece.y0  # rises: down the columns
    gaps = np.flatnonzero(np.diff(inside) > 1)
    first, last = inside[np.append(0, gaps + 1)], inside[np.append(gaps, len(inside) - 1)]
    edges = np.column_stack([first, last + 1]).ravel()
    runs = np.diff(np.concatenate([[0], edges, [height * width]]))
    return [int(run) for run in (runs if runs[-1] else runs[:-1])]


def compress_runs(runs: Sequence[int]) -> str:
    """Run lengths in their compressed form."""
    text = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + (32 if more else 0)))
    return "".join(text)


def _uncompress(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise UsageError(f"compressed run lengths hold the character {character!r}.")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise UsageError("compressed run lengths end in the middle of a number.")
    return runs


def _whole(counts: Sequence[int]) -> list[int]:
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in counts):
        raise UsageError("run lengths must be whole numbers.")
    return list(counts)


def _ring(numbers: Sequence[float]) -> npt.NDArray[np.float64]:
    try:
        flat = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError("a polygon is a list of numbers x, y, x, y ...") from None
    if flat.ndim != 1 or len(flat) % 2 or len(flat) < 6 or not np.isfinite(flat).all():
        raise UsageError("a polygon is a list of at least three points x, y, x, y ...")
    return flat.reshape(-1, 2)
