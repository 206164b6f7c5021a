"""Pictures of unlike size to samples of one size, and what is said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Array = npt.NDArray[Any]
Shape = tuple[int, int]
LARGEST = 4.0
"""Times the median side up to which pictures are framed without being told how."""


@dataclass(frozen=True)
class Frame:
    """How pictures become samples.

    Attributes
    ----------
    shape : tuple of int
        Y X of a sample.
    way : {"none", "keep-scale", "resample"}
    note : str
        What was done and why; empty where nothing was.
    """

    shape: Shape
    way: Literal["none", "keep-scale", "resample"]
    note: str = ""


def choose_frame(
    shapes: Sequence[Shape], names: Sequence[str], side_px: int | None, fit: str
) -> Frame:
    """Decide on the size of samples.

    Pictures of one size stay as they are. Else, and where nothing is said, they keep their scale
    (the size of a cell is biology) and are framed: a square of the largest side, filled round each
    picture with the median of its own border.

    Parameters
    ----------
    shapes : sequence of N pairs
    names : sequence of N str
        For messages.
    side_px : int or None
    fit : {"", "keep-scale", "resample"}

    Raises
    ------
    UsageError
        One picture is more than `LARGEST` times the median, and nothing was said.
    """
    count = Counter(shapes)
    one = next(iter(count)) if len(count) == 1 else None
    if one is not None and (side_px is None or one == (side_px, side_px)):
        return Frame(one, "none")
    sides = np.array([max(shape) for shape in shapes])
    if side_px is None and fit != "keep-scale":
        largest, median = int(np.argmax(sides)), float(np.median(sides))
        if fit == "resample" or sides[largest] > LARGEST * median:
            raise UsageError(
                f"images differ in size, from {sides.min()} to {sides.max()} px "
                f"({names[largest]}), with a median of {median:.0f} px; "
                f"say the side of a sample (--side-px {median:.0f})."
            )
    side = side_px or int(sides.max())
    if (fit or ("resample" if side_px else "keep-scale")) == "resample":
        other = sum(n for shape, n in count.items() if max(shape) != side)
        oblong = sum(n for shape, n in count.items() if shape[0] != shape[1])
        return Frame((side, side), "resample", _resampled(other, len(shapes), side, oblong))
    small = sum(n for shape, n in count.items() if min(shape) < side)
    large = sum(n for shape, n in count.items() if max(shape) > side)
    return Frame((side, side), "keep-scale", _framed(small, large, len(shapes), side, side_px))


def fitted(picture: Array, frame: Frame, *, mask: bool = False) -> Array:
    """One picture ``C Y X`` (a mask ``Y X``) in the frame, in its own type.

    Padding is the median of the picture's own border, per channel; of a mask it is not cell.
    """
    layers = picture[None] if mask else picture
    if frame.way == "resample":
        layers = _resample(layers, frame.shape, mask)
    if layers.shape[1:] != frame.shape:
        layers = _centred(layers, frame.shape, mask)
    return layers[0] if mask else layers


def _resample(layers: Array, shape: Shape, mask: bool) -> Array:
    """Longest side to the frame's; area means where it shrinks, linear where it grows."""
    height, width = layers.shape[1:]
    scale = min(shape[0] / height, shape[1] / width)
    target = (max(1, round(height * scale)), max(1, round(width * scale)))
    if target == (height, width):
        return layers
    if mask:
        rows = np.minimum(((np.arange(target[0]) + 0.5) / scale).astype(int), height - 1)
        columns = np.minimum(((np.arange(target[1]) + 0.5) / scale).astype(int), width - 1)
        return layers[:, rows[:, None], columns[None]]
    from skimage import transform

    resize: Any = transform.resize

    out = np.stack(
        [
            resize(
                layer.astype(np.float32),
                target,
                order=1,
                mode="edge",
                anti_aliasing=scale < 1,
                preserve_range=True,
            )
            for layer in layers
        ]
    )
    if np.issubdtype(layers.dtype, np.integer):
        limits = np.iinfo(layers.dtype)
        out = np.clip(np.rint(out), limits.min, limits.max)
    return out.astype(layers.dtype)


def _centred(layers: Array, shape: Shape, mask: bool) -> Array:
    out = np.empty((len(layers), *shape), layers.dtype)
    for layer, target in zip(layers, out, strict=True):
        target[...] = 0 if mask else _border_median(layer)
    source, place = [], []
    for have, want in zip(layers.shape[1:], shape, strict=True):
        taken = min(have, want)
        source.append(slice((have - taken) // 2, (have - taken) // 2 + taken))
        place.append(slice((want - taken) // 2, (want - taken) // 2 + taken))
    out[:, place[0], place[1]] = layers[:, source[0], source[1]]
    return out


def _border_median(layer: Array) -> Any:
    border = np.concatenate([layer[0], layer[-1], layer[1:-1, 0], layer[1:-1, -1]])
    return np.sort(border)[len(border) // 2]  # a value that occurs, whatever the type


def _resampled(other: int, n: int, side: int, oblong: int) -> str:
    text = f"{other} of {n} images are resampled to {side} px (their scale changes with it)"
    if oblong:
        text += f"; {oblong} are not square and are filled up with their border's median"
    return text + "."


def _framed(small: int, large: int, n: int, side: int, asked: int | None) -> str:
    parts = []
    if small:
        parts.append(f"{small} of {n} images are filled up to {side} px with their border's median")
    if large:
        parts.append(f"{large} of {n} are cut to their central {side} px")
    text = " and ".join(parts) + "; the scale is kept"
    return text + ("." if asked else " (--side-px N resamples instead).")
