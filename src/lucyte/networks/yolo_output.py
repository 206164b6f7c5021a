"""The forms in which YOLO networks answer, told apart by shape, and read as boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Form = Literal["v5", "v8", "end2end", "v7-end2end"]
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""Pyramid levels of published networks: plain, P6, P2, tiny."""
_ANCHORS = 3
FORMS = (
    "(1, N, 5 + classes) with objectness, as v5 to v7 give, "
    "(1, 4 + classes, N), as v8, v9 and v11 give, "
    "(1, n, 6) boxes with score and class, as v10 and exports with nms=True give, "
    "or (n, 7), as v7 gives with --end2end"
)


@dataclass(frozen=True)
class Candidates:
    """Boxes that a network proposes, in px of its input.

    Attributes
    ----------
    boxes : float64 array ``n x 4``
        ``x0, y0, x1, y1``.
    scores : float64 array ``n``
    classes : int64 array ``n``
    """

    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]


def recognise(
    shape: Sequence[int | None],
    input_px: tuple[int, int],
    classes: int | None = None,
    end2end: bool = False,
) -> tuple[Form, int | None]:
    """The form of an output by its shape, and how many classes it tells apart.

    The number of places N that the network looks at follows from its input: the grid cells of
    its pyramid levels, three anchors in each for v5 and v7. That tells the forms apart even where
    one class makes v5 six columns wide, as end-to-end outputs are.

    Parameters
    ----------
    shape : sequence of int or None
        Of the output; None where it is not fixed.
    input_px : (height, width)
        Of the network's input.
    classes : int, optional
        As the file's metadata states.
    end2end : bool
        The file's metadata says that boxes come out final.

    Returns
    -------
    form, classes
        Classes None where neither shape nor metadata tells.

    Raises
    ------
    UsageError
        A shape that is none of the known ones; more or fewer classes than stated.
    """
    size = tuple(shape)
    if len(size) == 2 and size[1] == 7:
        return "v7-end2end", classes
    if len(size) == 5:
        raise UsageError(
            f"output {_text(size)} holds raw anchor grids. Export YOLOv7 again with --grid; "
            f"known forms are {FORMS}."
        )
    if len(size) != 3 or size[0] not in (1, None):
        raise UsageError(f"output {_text(size)} is no list of boxes; known forms are {FORMS}.")
    places = {_places(input_px, strides) for strides in STRIDES}
    anchored = {_ANCHORS * each for each in places}
    _, rows, columns = size
    found: tuple[Form, int | None] | None = None
    if columns == 6 and (end2end or rows not in anchored | places):
        return "end2end", classes
    if columns is not None and rows in anchored | places and columns > 5:
        found = "v5", columns - 5
    elif rows is not None and columns in places and rows > 4:
        found = "v8", rows - 4
    if found is None:
        raise UsageError(
            f"output {_text(size)} fits no YOLO detector with an input of "
            f"{input_px[0]} x {input_px[1]} px; known forms are {FORMS}."
        )
    if classes is not None and found[1] != classes:
        raise UsageError(
            f"output {_text(size)} has room for {found[1]} classes, the file names {classes}. "
            "Networks for outlines, poses and rotated boxes look so; a detector is needed."
        )
    return found


def decode(output: npt.NDArray[np.floating], form: Form) -> Candidates:
    """Boxes, scores and classes of one picture.

    Parameters
    ----------
    output : float array
        As the network gave it, in the given form.
    form : {"v5", "v8", "end2end", "v7-end2end"}

    Returns
    -------
    Candidates
        Every place, sure or not. v5: the score is objectness times the best class.

    Raises
    ------
    UsageError
        The network answered with nan.
    """
    table = np.asarray(output, dtype=np.float64)
    if np.isnan(table).any():
        raise UsageError(
            f"the network answered {int(np.isnan(table).sum())} times with nan. "
            "Half-precision exports can overflow; export it in float32."
        )
    if form == "v7-end2end":
        return Candidates(table[:, 1:5], table[:, 6], table[:, 5].astype(np.int64))
    table = table[0].T if form == "v8" else table[0]
    if form == "end2end":
        return Candidates(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))
    by_class = table[:, 4:] if form == "v8" else table[:, 5:] * table[:, 4:5]
    best = by_class.argmax(1)
    half = table[:, 2:4] / 2
    boxes = np.concatenate([table[:, :2] - half, table[:, :2] + half], 1)
    return Candidates(boxes, by_class[np.arange(len(best)), best], best.astype(np.int64))


def _places(input_px: tuple[int, int], strides: Sequence[int]) -> int:
    return sum(-(-input_px[0] // each) * -(-input_px[1] // each) for each in strides)


def _text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if each is None else str(each) for each in shape) + ")"
