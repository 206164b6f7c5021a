"""A picture brought to a network's input size, and its boxes brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PADDING = 114


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in the input of a network.

    A point (x, y) of the picture is at ``(x * scale_x + left_px, y * scale_y + top_px)``.

    Attributes
    ----------
    scale_x, scale_y : float
        Equal but for rounding to whole px.
    left_px, top_px : int
        Width of the padding.
    """

    scale_x: float
    scale_y: float
    left_px: int
    top_px: int

    def to_picture(self, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Boxes ``x0, y0, x1, y1`` from px of the input to px of the picture."""
        shift = np.array([self.left_px, self.top_px] * 2, dtype=np.float64)
        scale = np.array([self.scale_x, self.scale_y] * 2, dtype=np.float64)
        back: npt.NDArray[np.float64] = (boxes - shift) / scale
        return back


def letterbox(
    picture: npt.NDArray[np.uint8], size_px: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], Letterbox]:
    """Scale a picture until one side fits, and pad the other with grey 114 on both ends.

    As YOLO networks are trained: the shape of cells is kept, smaller pictures are enlarged,
    bilinear between px centres without smoothing.

    Parameters
    ----------
    picture : uint8 array, Y X C
    size_px : (height, width)

    Returns
    -------
    uint8 array ``height x width x C``, Letterbox
    """
    height, width = picture.shape[:2]
    ratio = min(size_px[0] / height, size_px[1] / width)
    inner = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    top = round((size_px[0] - inner[0]) / 2 - 0.1)
    left = round((size_px[1] - inner[1]) / 2 - 0.1)
    out = np.full((*size_px, picture.shape[2]), PADDING, dtype=np.uint8)
    out[top : top + inner[0], left : left + inner[1]] = np.rint(resize_bilinear(picture, inner))
    return out, Letterbox(inner[1] / width, inner[0] / height, left, top)


def resize_bilinear(picture: npt.NDArray[Any], size_px: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Bilinear between px centres, the border repeated; no smoothing when it becomes smaller.

    Parameters
    ----------
    picture : array, Y X or Y X C
    size_px : (height, width)
    """
    out: npt.NDArray[Any] = picture
    for axis, size in enumerate(size_px):
        if size == out.shape[axis]:
            continue
        at = (np.arange(size) + 0.5) * (out.shape[axis] / size) - 0.5
        at = np.clip(at, 0, out.shape[axis] - 1)
        low = np.minimum(np.floor(at).astype(np.intp), max(out.shape[axis] - 2, 0))
        high = np.minimum(low + 1, out.shape[axis] - 1)
        part = (at - low).astype(np.float32).reshape([-1] + [1] * (out.ndim - 1 - axis))
        first = np.take(out, low, axis).astype(np.float32)
        out = first + (np.take(out, high, axis).astype(np.float32) - first) * part
    return out.astype(np.float32, copy=False)
